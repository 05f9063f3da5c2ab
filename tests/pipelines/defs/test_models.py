"""The models' tables as the assets write them, and what of them the briefing carries."""

from datetime import date
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest

from pipelines import publish
from pipelines.core.analytics.session import ledger
from pipelines.core.market.slippage import PRIOR, Basis
from pipelines.core.risk.regimes import EFFECTS, RegimeName
from pipelines.definitions import defs
from pipelines.defs.resources import DayBot
from pipelines.vendors import calendar

DATA_SESSION = date(2024, 6, 18)


def run(daybot: DayBot, only: list[str] | None = None) -> dg.ExecuteInProcessResult:
    job = defs().resolve_job_def("pre_open")
    return job.execute_in_process(partition_key=DATA_SESSION.isoformat(), resources={"daybot": daybot}, op_selection=only)


def entries(count: int, impact: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Filled entries of the data session that paid so much, and the liquidity of the evening before."""
    before = calendar.previous_session(DATA_SESSION)
    liquidity = pl.DataFrame({"session": [before], "symbol": ["AAPL"], "adv": [1e6], "dollar_volume": [1e8], "sigma": [0.02], "spread": [0.0004]})
    shares = np.arange(1, count + 1) * 500
    paid = 100 * (1 + 0.0002 + impact * 0.02 * np.sqrt(shares / 1e6) + np.random.default_rng(1).normal(0, 1e-5, count))
    orders = pl.DataFrame({"order": [f"O{i}" for i in range(count)], "filled": shares, "average": paid}).with_columns(
        *(
            pl.lit(value).alias(name)
            for name, value in {"session": DATA_SESSION, "symbol": "AAPL", "side": "buy", "role": "entry", "arrival": 100.0}.items()
        )
    )
    columns = [(pl.col(name) if name in orders.columns else pl.lit(None)).cast(kind).alias(name) for name, kind in ledger.SCHEMAS["orders"].items()]
    return orders.select(columns), liquidity


def test_models_are_tables_and_part_of_the_briefing(morning: Any) -> None:
    daybot = morning.daybot
    snapshot = publish.current(daybot.settings)
    briefing = snapshot.briefing()

    regime, history = snapshot.table("regime").row(0, named=True), snapshot.table("regime_history").sort("day")
    assert history["session"].unique().to_list() == [DATA_SESSION]
    assert history["day"].to_list() == calendar.trailing(DATA_SESSION, 90)[1:]
    last = history.row(-1, named=True)
    assert {name: regime[name] for name in ("name", "volatility", "atr", "score")} == {
        name: last[name] for name in ("name", "volatility", "atr", "score")
    }
    assert regime["atr"] is not None
    assert briefing.regime.position_multiplier == EFFECTS[RegimeName(regime["name"])].position

    groups = snapshot.table("clusters")
    assert {symbol: brief.cluster for symbol, brief in briefing.symbols.items() if brief.cluster} == dict(
        groups.select("symbol", "cluster").iter_rows()
    )
    assert (
        snapshot.table("correlation").filter(pl.col("a") == pl.col("b"))["fading"].to_list() == [1.0] * snapshot.table("correlation")["a"].n_unique()
    )

    liquidity = snapshot.table("liquidity")
    assert liquidity.filter(pl.col("symbol") != "ZZZZ")["spread_from"].unique().to_list() == ["minutes"]
    assert liquidity["pairs"].max() == 2 * (390 - 39 - 1), "regular minutes with trades, each session a run of its own"
    apple = briefing.symbols["AAPL"]
    assert (apple.spread, apple.sigma) == liquidity.filter(pl.col("symbol") == "AAPL").select("spread", "sigma").row(0)

    late = snapshot.table("features").filter(pl.col("symbol") == "AAPL").row(0, named=True)
    assert late["indication"] is None, "nothing traded after hours"
    assert late["gap"] is not None
    assert snapshot.table("watchlist")["news_free"].null_count() == snapshot.table("watchlist").height
    assert briefing.slippage is not None
    assert (briefing.slippage.impact, briefing.slippage.basis, briefing.slippage.executions) == (PRIOR, Basis.PRIOR, 0)

    orders, before = entries(60, impact=0.4)
    daybot.warehouse.replace({"orders": orders}, [DATA_SESSION])
    daybot.warehouse.replace({"liquidity": before}, before["session"].to_list())
    assert run(daybot, ["slippage", "briefing"]).success
    fitted = publish.current(daybot.settings).briefing().slippage
    assert fitted is not None
    assert (fitted.basis, fitted.executions) == (Basis.MEASURED, 60)
    assert fitted.impact == pytest.approx(0.4, abs=0.05)
