"""Live against backtest: each difference has the cause that made it, and the parts add up to the whole."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipelines.core.analytics.session.truth import causes, compare

OPEN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
COLUMNS = {"symbol": pl.String, "strategy": pl.String, "side": pl.String, "opened_at": pl.Datetime("us", "UTC"), "entry": pl.Float64,
           "exit": pl.Float64, "profit": pl.Float64}  # fmt: skip


def trips(*rows: tuple[str, str, float, float, float, float]) -> pl.DataFrame:
    """(symbol, side, minutes after the open, entry, exit, profit)"""
    made = [(symbol, "momentum", side, OPEN + timedelta(minutes=at), entry, out, profit) for symbol, side, at, entry, out, profit in rows]
    return pl.DataFrame(made, schema=COLUMNS, orient="row")


def test_each_difference_has_its_cause() -> None:
    live = trips(("A", "buy", 20.05, 100.1, 101.0, 9.0), ("B", "sell", 31, 50.0, 49.0, 10.0), ("C", "buy", 40, 10.0, 9.0, -5.0))
    backtest = trips(("A", "buy", 20, 100.0, 101.0, 10.0), ("B", "sell", 30, 50.0, 49.0, 10.0), ("D", "buy", 50, 20.0, 21.0, 7.0))
    rows = {row["symbol"]: row for row in compare(live, backtest).iter_rows(named=True)}
    assert {symbol: row["cause"] for symbol, row in rows.items()} == {
        "A": "price", "B": "timing", "C": "signal: only live", "D": "signal: only backtest",
    }  # fmt: skip
    assert rows["A"]["entry_bp"] == pytest.approx(10.0)  # paid a tenth of a per cent more: worse
    assert rows["B"]["minutes"] == 1
    assert (rows["C"]["difference"], rows["D"]["difference"]) == (-5.0, -7.0)


def test_a_short_that_got_less_at_its_entry_is_worse_too() -> None:
    (row,) = compare(trips(("A", "sell", 1, 99.9, 98.0, 1.0)), trips(("A", "sell", 1, 100.0, 98.0, 2.0))).to_dicts()
    assert row["entry_bp"] == pytest.approx(10.0)
    assert row["exit_bp"] == pytest.approx(0.0)


def test_the_causes_add_up_to_the_whole_difference() -> None:
    live = trips(("A", "buy", 1, 10, 11, 3.0), ("A", "buy", 9, 10, 11, 2.0), ("B", "buy", 5, 10, 11, 1.0))
    backtest = trips(("A", "buy", 1, 10, 11, 3.5), ("C", "buy", 5, 10, 11, 4.0))
    summed = causes(compare(live, backtest))
    assert summed["difference"].sum() == pytest.approx(6.0 - 7.5)
    assert summed["trips"].sum() == 4
