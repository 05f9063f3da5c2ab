"""Figures from the ledger's tables, on cases small enough to reckon by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from dashboards import book, data
from pipelines.core.analytics.session.ledger import SCHEMAS
from pipelines.core.risk.limits import Limits

NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


def trade(symbol: str, opened: int, closed: int, value: float) -> dict[str, Any]:
    """A round trip of one share at this value, minutes from noon."""
    return {
        "symbol": symbol,
        "opened_at": NOON + timedelta(minutes=opened),
        "closed_at": NOON + timedelta(minutes=closed),
        "quantity": 1,
        "entry": value,
    }


def test_a_sectors_peak_is_what_was_held_at_once_not_in_all() -> None:
    rows = [trade("JPM", 0, 10, 2_000.0), trade("BAC", 5, 20, 1_500.0), trade("JPM", 20, 30, 3_000.0), trade("XOM", 0, 60, 500.0)]
    trades = pl.DataFrame([{**row} for row in rows], schema={name: SCHEMAS["trades"][name] for name in rows[0]})
    none = book.positions({name: pl.DataFrame(schema=schema) for name, schema in SCHEMAS.items()}, {})
    peaks = book.peaks(trades, none, {"JPM": "Financials", "BAC": "Financials"}, 100_000.0)
    assert dict(peaks.iter_rows()) == pytest.approx({"Financials": 0.035, "Unknown": 0.005})


def test_use_of_a_limit_is_one_where_it_is_reached() -> None:
    row = {"session": NOON.date(), "run": "t", "realised": 0.0, "open": 0.0, "at": NOON}
    equity = pl.DataFrame(
        [
            row | {"equity": 100_000.0, "gross": 0.0, "heat": 0.0, "positions": 0},
            row | {"at": NOON + timedelta(minutes=1), "equity": 97_500.0, "gross": 48_750.0, "heat": 975.0, "positions": 20},
        ],
        schema=SCHEMAS["equity"],
    )
    peaks = dict(book.most(book.use(equity, Limits())).select("name", "used").iter_rows())
    assert peaks == pytest.approx({"Gross exposure": 0.5, "Heat": 1.0, "Positions": 1.0, "Daily loss": 0.5})


def test_signals_are_entries_and_refusals_together(traded: Any) -> None:
    stages = book.funnel(traded.tables["decisions"], 4)
    refused = stages.filter(pl.col("kind") == "refused")["count"].sum()
    assert refused
    assert stages["stage"].to_list()[0] == "signals"
    assert stages["count"].to_list()[0] == refused + 4
    assert stages.row(-1) == ("entries", 4, "entries")


def test_names_that_move_together_stand_side_by_side(traded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOT_HOME", str(traded.path))
    order = data.risk(data.source(), traded.briefing.session).order
    assert set(order) == set(traded.briefing.symbols)
    places = sorted(order.index(name) for name in ("AAPL", "MSFT", "NVDA"))
    assert places[2] - places[0] == 2


def test_a_new_snapshot_is_read_anew(traded: Any, midday: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for home in (traded, midday):
        monkeypatch.setenv("DAYBOT_HOME", str(home.path))
        seen.append(data.today(data.source(), home.briefing.session).tables["trades"].height)
    assert seen == [traded.tables["trades"].height, midday.tables["trades"].height]
