"""Checks on a lake and a warehouse of their own: what each looks at, what it writes down, what the UI shows."""

from collections.abc import Callable, Sequence
from datetime import date

import dagster as dg
import polars as pl
import pytest

from pipelines.core.market.session import NEW_YORK
from pipelines.definitions import defs
from pipelines.defs.market.bars import QUARANTINE
from pipelines.defs.resources import DayBot
from pipelines.lake.bars import Lake
from pipelines.lake.layout import Resolution
from pipelines.vendors import calendar
from pipelines.vendors.source import ACTIONS, BARS

SESSION = date(2024, 6, 18)
Market = tuple[pl.DataFrame, pl.DataFrame]


def shaped(frame: pl.DataFrame, feed: str) -> pl.DataFrame:
    """As `BARS`, with the session."""
    missing = [pl.lit(None).alias(name) for name in ("vwap", "trades") if name not in frame.columns]
    whole = frame.with_columns(*missing, pl.lit(feed).alias("feed")).select(pl.col(name).cast(kind) for name, kind in BARS.items())
    return whole.with_columns(pl.col("timestamp").dt.convert_time_zone(NEW_YORK.key).dt.date().alias("session"))


def put(lake: Lake, resolution: Resolution, bars: pl.DataFrame, gone: Sequence[str] = ()) -> None:
    """What a vendor answered for these symbols, and for those that it has nothing of."""
    for (day,), rows in bars.partition_by("session", as_dict=True).items():
        lake.put(resolution, day, rows["feed"][0], rows, rows.clear().with_columns(pl.lit("").alias("reason")), {*rows["symbol"], *gone})


@pytest.fixture
def known(tools: Callable[..., DayBot], market: Market) -> DayBot:
    """The invented market in lake and warehouse, as if the assets had run; feed `iex`."""
    daybot = tools()
    days, minutes = (shaped(frame, "iex") for frame in market)
    put(daybot.lake, "day", days.filter(pl.col("session") >= calendar.trailing(SESSION, 60)[0]))
    put(daybot.lake, "minute", minutes)
    names = pl.DataFrame({"session": SESSION, "symbol": minutes["symbol"].unique().sort(), "feed": "iex"})
    daybot.warehouse.replace({"universe": names, "quarantine": QUARANTINE.to_frame()}, [SESSION])
    tell(daybot)
    return daybot


def tell(daybot: DayBot, *splits: tuple[str, date, float]) -> None:
    """These splits are the corporate actions that the vendor knows."""
    rows = pl.DataFrame([(symbol, "split", day, ratio, 0.0, "iex") for symbol, day, ratio in splits], schema=ACTIONS, orient="row")
    symbols = daybot.universe(SESSION)["symbol"].to_list()
    daybot.register.put("iex", rows, symbols, calendar.trailing(SESSION, 60)[0], calendar.next_session(SESSION))


def ask(asset: str, name: str, daybot: DayBot) -> dg.AssetCheckEvaluation:
    """One check among those of its asset, run by Dagster."""
    job = defs().resolve_job_def("after_close")
    done = job.execute_in_process(partition_key=SESSION.isoformat(), resources={"daybot": daybot}, op_selection=[f"{asset}_checks"])
    return next(found for found in done.get_asset_check_evaluations() if found.check_name == name)


def test_a_check_is_a_row_of_the_table_and_metadata_with_the_worst(known: DayBot) -> None:
    bars = known.bars("day", [SESSION]).drop("learned_at")
    put(known.lake, "day", bars.with_columns(pl.when(pl.col("symbol") == "JPM").then(pl.col("low") / 10).otherwise("low").alias("low")))
    result = ask("daily_bars", "digits", known)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "| JPM | 2024-06-18 | lost digit | low |" in str(result.metadata["worst"].value)
    row = known.warehouse.read("checks", SESSION).row(by_predicate=pl.col("name") == "digits", named=True)
    assert (row["asset"], row["name"], row["passed"], row["severity"]) == ("daily_bars", "digits", False, "reducing")
    assert row["detail"] == result.description
    ask("daily_bars", "digits", known)
    assert known.warehouse.read("checks", SESSION).height == 6, "asked again, a verdict takes the place of the one before"


def test_a_second_vendor_is_compared_under_its_own_feed(known: DayBot) -> None:
    alone = ask("second_bars", "vendors", known)
    assert (alone.passed, alone.description) == (True, "no second vendor to compare with")
    theirs = known.bars("day", [SESSION]).drop("learned_at").with_columns(pl.lit("polygon").alias("feed"), pl.col("volume") * 40)
    put(known.lake, "day", theirs)
    same = ask("second_bars", "vendors", known)
    assert (same.passed, same.metadata["compared"].value) == (True, 6)
    put(known.lake, "day", theirs.with_columns(pl.when(pl.col("symbol") == "XOM").then(pl.col("close") * 2).otherwise("close").alias("close")))
    apart = ask("second_bars", "vendors", known)
    assert not apart.passed
    assert "XOM apart" in str(apart.description)


def test_what_the_runner_saw_is_held_against_the_official_minutes(known: DayBot) -> None:
    assert ask("journal", "lived", known).description == "no session was run, nothing was seen live"
    official = known.bars("minute", [SESSION]).filter(pl.col("symbol").is_in(["AAPL", "MSFT"])).drop("session")
    seen = official.with_columns(pl.lit(False).alias("late"))
    known.lake.see(SESSION, "iex", "run-1", seen)
    assert ask("journal", "lived", known).passed
    gone = pl.col("timestamp").is_between(pl.datetime(2024, 6, 18, 15, 0, time_zone="UTC"), pl.datetime(2024, 6, 18, 15, 30, time_zone="UTC"))
    known.lake.see(SESSION, "iex", "run-1", seen.filter(~gone))
    torn = ask("journal", "lived", known)
    assert not torn.passed
    assert torn.metadata["missed"].value == seen.filter(gone & (pl.col("volume") > 0)).height > 50


def test_minutes_that_a_vendor_did_not_send_are_missed(known: DayBot) -> None:
    assert ask("minute_bars", "covered", known).passed, "one minute in ten has no trade, and that is no gap"
    assert ask("minute_bars", "ticks", known).passed
    assert ask("minute_bars", "one_feed", known).passed


def test_a_split_is_agreed_on_only_where_prices_and_table_both_show_it(known: DayBot) -> None:
    assert ask("daily_bars", "split", known).passed
    tell(known, ("BAC", date(2024, 6, 11), 3.0))
    missing = ask("daily_bars", "split", known)
    assert (missing.passed, "BAC 2024-06-11 split not in the prices" in str(missing.description)) == (False, True)


def test_a_symbol_whose_bars_have_ended_is_stale_and_counts_as_missing(known: DayBot) -> None:
    assert ask("daily_bars", "complete", known).passed
    assert ask("daily_bars", "fresh", known).passed, "ZZZZ has no daily bar at all: nothing ended"
    last = known.bars("day", [SESSION]).filter(pl.col("symbol") != "XOM")
    put(known.lake, "day", last.drop("learned_at"), ["XOM"])
    ended = ask("daily_bars", "fresh", known)
    assert (ended.passed, "XOM no bar since" in str(ended.description)) == (False, True)
    assert ask("daily_bars", "complete", known).metadata["missing"].value == 1
