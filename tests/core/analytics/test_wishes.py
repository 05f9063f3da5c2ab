"""Candidates, exits and the marts of a journaled session: what is played again is what the engine's own venue did."""

from collections.abc import Sequence

import polars as pl
import pytest
from sealed import journaled

from pipelines.core.analytics import books
from pipelines.core.analytics.session import ledger
from pipelines.core.analytics.session.explain import explained
from pipelines.core.analytics.wishes import STOPS, TARGETS, wished
from pipelines.core.backtest.costs import FREE
from pipelines.core.journal import Record, event_of
from pipelines.core.market.bars import MINUTE
from pipelines.core.market.session import nanoseconds
from pipelines.core.trading.events import MarketBar

TIGHT = {"stop_atr": 0.15, "target_atr": 0.25, "max_sector_exposure": 0.025, "symbol_losses": 100, "strategy_losses": 1000}


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return journaled(FREE, **TIGHT)


@pytest.fixture(scope="module")
def tables(records: list[Record]) -> books.Tables:
    return ledger.tables(records)


def played(records: Sequence[Record], tables: books.Tables) -> tuple[pl.DataFrame, pl.DataFrame]:
    return wished(records, tables["runs"])


def test_every_exit_is_the_one_that_the_engines_venue_gave(records: list[Record], tables: books.Tables) -> None:
    """Without costs, a trade that its stop, its target or the session's end closed earned to the cent what the bars say."""
    _, exits = played(records, tables)
    both = exits.filter("present").join(
        tables["trades"].select("trade", "reason", pl.col("profit").alias("real"), pl.col("r").alias("real_r")), on="trade"
    )
    rested = both.filter(pl.col("reason").is_in(["stop", "target"]))
    assert {"stop", "target"} <= set(rested["reason"])
    assert rested["profit"].to_list() == pytest.approx(rested["real"].to_list(), abs=1e-6)
    assert rested["r"].to_list() == pytest.approx(rested["real_r"].to_list(), abs=1e-9)


def test_every_trade_is_tried_with_every_pair_of_exits(records: list[Record], tables: books.Tables) -> None:
    _, exits = played(records, tables)
    counts = exits.group_by("trade").len()["len"]
    assert exits["trade"].n_unique() == tables["trades"].height
    assert counts.max() == len(STOPS) * len(TARGETS) + 1
    assert exits.filter("present").height == tables["trades"].height
    wide = exits.filter((pl.col("stop_atr") == 3) & (pl.col("target_atr") == 6) & ~pl.col("present"))
    assert wide["r"].min() > exits.filter("present")["r"].min() - 20  # type: ignore[operator]  # a float column


def test_excursions_are_the_extremes_of_the_minutes_held_and_of_the_fills(records: list[Record], tables: books.Tables) -> None:
    bars = [event.bar for r in records if r.kind == "event" and isinstance(event := event_of(r), MarketBar)]
    for row in tables["trades"].iter_rows(named=True):
        opened, closed = (nanoseconds(row[name]) for name in ("opened_at", "closed_at"))
        held = [bar for bar in bars if bar.symbol == row["symbol"] and opened // MINUTE * MINUTE <= bar.start and bar.start + MINUTE < closed]
        sign, prices = 1 if row["side"] == "buy" else -1, [row["exit"]]
        moves = [(price - row["entry"]) * sign for price in [*prices, *(b.low for b in held), *(b.high for b in held)]]
        assert row["mae"] == pytest.approx(max(-min(moves), 0.0))
        assert row["mfe"] == pytest.approx(max(*moves, 0.0))


def test_candidates_are_all_that_was_wanted_and_refusals_say_what_they_would_have_earned() -> None:
    records = journaled(FREE, max_sector_exposure=0.025)
    found, _ = played(records, ledger.tables(records))
    assert found.height == len(explained(records).walks)
    assert set(found["outcome"]) >= {"entered", "refused"}
    assert found.filter(pl.col("code").is_null())["forgone"].null_count() == found.filter(pl.col("code").is_null()).height
    refused = found.filter((pl.col("outcome") == "refused") & (pl.col("code") == "SECTOR"))
    known = refused.drop_nulls("forgone_r")
    assert known.height > 0
    risk = (known["price"] - known["stop"]).abs() * known["wanted"]
    assert known["forgone"].to_list() == pytest.approx((known["forgone_r"] * risk).to_list())
    assert known["setting"].unique().to_list() == ["MAX_SECTOR_EXPOSURE"]
    again = refused.sort("at").with_columns(pl.col("at").diff().over("symbol", "strategy", "side").alias("since"))
    assert again.filter((pl.col("since") <= pl.duration(minutes=15)) & pl.col("first")).is_empty()


def test_days_and_round_trips_add_up_to_the_same_money(tables: books.Tables) -> None:
    trips, days = books.trips(tables), books.days(tables, 0.01)
    (day,) = days.iter_rows(named=True)
    assert (day["book"], day["mode"], day["trades"]) == ("sim A", "sim", trips.height)
    assert day["profit"] == pytest.approx(trips["profit"].sum())
    assert day["fees"] > trips["fees"].sum() - 1e-9 > 0, "each kind is rounded up to the cent, once a day"
    assert day["return"] == pytest.approx((day["profit"] - day["fees"]) / day["start"])
    assert day["turnover"] == pytest.approx((trips["quantity"] * (trips["entry"] + trips["exit"])).sum() / day["start"])
    assert 0 < day["exposure"] <= day["max_exposure"]
    assert 0 < day["heat"] <= day["max_heat"]


def test_backtests_of_one_folder_are_books_of_their_own(tables: books.Tables) -> None:
    runs = tables["runs"]
    others = [runs.with_columns(pl.lit("backtest").alias("mode"), pl.lit(run).alias("run")) for run in ("b1", "b2")]
    assert books.books(pl.concat([runs, *others]))["book"].to_list() == ["sim A", "backtest b1", "backtest b2"]
