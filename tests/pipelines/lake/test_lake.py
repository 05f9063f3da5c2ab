"""The lake keeps what was learned and when: nothing is changed, nothing stored twice, and only what is missing is asked for."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import hypothesis
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines import publish
from pipelines.core.errors import DataError, MissingData, SettingsError
from pipelines.core.market.session import NEW_YORK
from pipelines.defs.resources import DayBot
from pipelines.lake.bars import Lake
from pipelines.lake.layout import Resolution
from pipelines.settings import Settings
from pipelines.vendors import calendar
from pipelines.vendors.source import BARS

DAY, OTHER = date(2024, 6, 18), date(2024, 6, 17)
EVENING, MORNING, LATER = (datetime(2024, 6, 18, 20, 45, tzinfo=UTC), datetime(2024, 6, 19, 12, 30, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC))
REFUSED = pl.Schema({**BARS, "reason": pl.String, "raw": pl.String})


def bars(session: date, close: float = 10.0, *symbols: str, count: int = 1) -> pl.DataFrame:
    """One bar at midnight in New York for each symbol, or `count` of them a minute apart."""
    start = datetime.combine(session, datetime.min.time(), NEW_YORK).astimezone(UTC)
    rows = [(symbol, start + timedelta(minutes=n), close, close, close, close, 100.0, None, 1, "iex") for symbol in symbols for n in range(count)]
    return pl.DataFrame(rows, schema=BARS, orient="row")


def refused(session: date, *symbols: str) -> pl.DataFrame:
    return bars(session, -1.0, *symbols).with_columns(pl.lit("not above zero").alias("reason"), pl.lit("{}").alias("raw")).match_to_schema(REFUSED)


NONE = refused(DAY)


def at(settings: Settings, moment: datetime) -> Lake:
    """The lake on an evening of the test's choosing."""
    return Lake(settings, lambda: moment)


def files(settings: Settings) -> list[str]:
    return sorted(path.name for path in Path(settings.lake).rglob("*") if path.is_file())


def closes(settings: Settings, **how: object) -> list[float]:
    return publish.bars(settings, "day", DAY, DAY, **how)["close"].to_list()  # type: ignore[arg-type]  # whatever the reader takes


def test_lake_asks_once_for_each_run_of_sessions_with_the_same_gap(tools: Callable[..., DayBot]) -> None:
    lake = tools().lake
    window = calendar.trailing(DAY, 5)
    assert lake.missing("day", window, "iex", ["A", "B"]) == [(("A", "B"), window)]
    for day in window[:3]:
        lake.put("day", day, "iex", bars(day, 10.0, "A"), NONE, ["A", "B"])
    assert lake.missing("day", window, "iex", ["A", "B"]) == [(("A", "B"), window[3:])]
    assert lake.missing("day", window, "iex", ["A", "B", "C"]) == [(("C",), window[:3]), (("A", "B", "C"), window[3:])]
    assert lake.missing("day", window, "sip", ["A"]) == [(("A",), window)]
    assert lake.missing("day", [], "iex", ["A"]) == []


def test_lake_remembers_that_a_session_had_nothing(tools: Callable[..., DayBot]) -> None:
    daybot = tools()
    daybot.lake.put("day", DAY, "iex", bars(DAY), NONE, ["A"])
    assert daybot.lake.missing("day", [DAY], "iex", ["A"]) == []
    nothing = publish.bars(daybot.settings, "day", DAY, DAY)
    assert (nothing.height, nothing.drop("learned_at", "session").schema) == (0, BARS)
    with pytest.raises(MissingData, match="make demo"):
        publish.bars(daybot.settings, "day", OTHER, OTHER)


def test_an_answer_from_before_the_bars_were_final_is_asked_for_again_and_once(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    at(settings, EVENING).put("day", DAY, "iex", bars(DAY, 10.0, "A"), NONE, ["A"])
    assert at(settings, MORNING).missing("day", [DAY], "iex", ["A"]) == [(("A",), [DAY])]
    at(settings, MORNING).put("day", DAY, "iex", bars(DAY, 10.0, "A"), NONE, ["A"])
    assert at(settings, MORNING).missing("day", [DAY], "iex", ["A"]) == []
    assert files(settings) == ["iex.confirmed.20240619T123000000000.parquet", "iex.first.20240618T204500000000.parquet"]


def test_revised_bars_stand_beside_the_first_ones_and_can_be_asked_for_as_of_a_moment(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    at(settings, EVENING).put("day", DAY, "iex", bars(DAY, 10.0, "A", "B"), NONE, ["A", "B"])
    revised = pl.concat([bars(DAY, 10.0, "A"), bars(DAY, 11.0, "B", "C")])
    at(settings, MORNING).put("day", DAY, "iex", revised, NONE, ["A", "B", "C"])
    assert closes(settings) == [10.0, 11.0, 11.0]
    assert closes(settings, view="first") == [10.0, 10.0, 11.0]
    assert closes(settings, asof=EVENING) == [10.0, 10.0]
    assert publish.bars(settings, "day", DAY, DAY)["learned_at"].to_list() == [EVENING, MORNING, MORNING]
    stored = sum(pl.read_parquet(path, hive_partitioning=False).height for path in Path(settings.lake).rglob("*.parquet"))
    assert stored == 4, "the bar that did not change is not stored twice"


def test_a_bar_that_the_vendor_takes_back_is_gone_and_one_that_it_spoils_is_not(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    at(settings, EVENING).put("day", DAY, "iex", bars(DAY, 10.0, "A", "B", "C"), NONE, ["A", "B", "C"])
    at(settings, MORNING).put("day", DAY, "iex", bars(DAY), refused(DAY, "B"), ["A", "B"])
    assert publish.bars(settings, "day", DAY, DAY)["symbol"].to_list() == ["B", "C"]
    assert closes(settings, asof=EVENING) == [10.0, 10.0, 10.0]
    at(settings, LATER).put("day", DAY, "iex", bars(DAY, 12.0, "A"), NONE, ["A"])
    assert closes(settings) == [12.0, 10.0, 10.0], "and may come back"


def test_refused_rows_are_those_of_the_newest_answer_and_the_older_ones_stay_on_disk(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    lakes = [at(settings, moment) for moment in (EVENING, MORNING, LATER)]
    assert lakes[0].refused("day", DAY, DAY, "iex") is None
    lakes[0].put("day", DAY, "iex", bars(DAY), refused(DAY, "A", "B", "B"), ["A", "B"])
    lakes[1].put("day", DAY, "iex", bars(DAY), refused(DAY, "A", "B", "B"), ["A", "B"])
    assert sum("refused" in name for name in files(settings)) == 1, "nothing new, nothing stored"
    lakes[2].put("day", DAY, "iex", bars(DAY, 10.0, "A"), NONE, ["A"])
    left = lakes[2].refused("day", OTHER, DAY, "iex")
    assert left is not None
    assert left.select("session", "symbol", "reason", "raw", "learned_at").rows() == [(DAY, "B", "not above zero", "{}", EVENING)] * 2
    assert sum("refused" in name for name in files(settings)) == 2


def test_a_malformed_row_without_a_symbol_is_kept(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    nameless = refused(DAY, "A").with_columns(pl.lit(None, pl.String).alias("symbol"), pl.lit(None, BARS["timestamp"]).alias("timestamp"))
    for moment in (EVENING, MORNING):
        at(settings, moment).put("day", DAY, "iex", bars(DAY), nameless, ["A"])
    kept = at(settings, MORNING).refused("day", DAY, DAY, "iex")
    assert kept is not None
    assert kept["symbol"].to_list() == [""]


def test_what_a_run_saw_is_another_view_and_reading_its_journal_again_changes_nothing(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    lake = at(settings, EVENING)
    lake.put("minute", DAY, "iex", bars(DAY, 10.0, "A"), NONE, ["A"])
    first = bars(DAY, 9.9, "A").with_columns(
        pl.lit(EVENING - timedelta(hours=5)).dt.cast_time_unit("us").alias("learned_at"), pl.lit(False).alias("late")
    )
    again = first.with_columns(pl.col("close") + 0.05, pl.col("learned_at") + timedelta(minutes=1), pl.lit(True).alias("late"))
    for _ in range(2):
        lake.see(DAY, "iex", "1", pl.concat([again, first]))
    seen = publish.bars(settings, "minute", DAY, DAY, view="seen")
    assert seen.select("symbol", "close", "late").rows() == [("A", 9.9, False)]
    assert publish.bars(settings, "minute", DAY, DAY)["close"].to_list() == [10.0]
    assert publish.bars(settings, "minute", DAY, DAY, view="seen", asof=EVENING - timedelta(hours=6)).is_empty()
    assert files(settings) == ["iex.first.20240618T204500000000.parquet", "iex.seen.1.parquet"]


ANSWER = st.tuples(st.sets(st.sampled_from("ABC"), min_size=1), st.dictionaries(st.sampled_from("ABC"), st.integers(1, 3)), st.booleans())


@given(st.lists(ANSWER, min_size=1, max_size=8))
@hypothesis.settings(max_examples=15, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_any_course_of_answers_reads_as_plain_books_would(
    tools: Callable[..., DayBot], tmp_path_factory: pytest.TempPathFactory, answers: list[tuple[set[str], dict[str, int], bool]]
) -> None:
    settings = tools(daybot_home=tmp_path_factory.mktemp("home")).settings
    first: dict[str, float] = {}
    latest: list[dict[str, float]] = [{}]
    moments = [LATER + timedelta(minutes=n) for n in range(len(answers))]
    for moment, (asked, values, merge) in zip(moments, answers, strict=True):
        told = {symbol: float(close) for symbol, close in values.items() if symbol in asked}
        good = pl.concat([bars(DAY), *(bars(DAY, close, symbol) for symbol, close in told.items())])
        at(settings, moment).put("day", DAY, "iex", good, NONE, asked)
        if merge:
            at(settings, moment).compact("day", DAY, "iex")
        first = told | first
        latest.append({symbol: close for symbol, close in latest[-1].items() if symbol not in asked} | told)
    for moment, books in zip(moments, latest[1:], strict=True):
        assert dict(publish.bars(settings, "day", DAY, DAY, asof=moment).select("symbol", "close").iter_rows()) == books
    assert dict(publish.bars(settings, "day", DAY, DAY, view="first").select("symbol", "close").iter_rows()) == first
    assert at(settings, LATER).missing("day", [DAY], "iex", "ABC") == [
        (gap, [DAY]) for gap in [tuple(sorted(set("ABC").difference(*(a for a, _, _ in answers))))] if gap
    ]


def test_many_small_answers_become_few_files_with_every_row_and_the_same_views(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    symbols = [f"S{i:02d}" for i in range(30)]
    for i, symbol in enumerate(symbols):
        at(settings, MORNING + timedelta(minutes=i)).put("day", DAY, "iex", bars(DAY, 10.0 + i, symbol), NONE, [symbol])
    at(settings, LATER).put("day", DAY, "iex", bars(DAY, 99.0, "S00"), NONE, ["S00"])
    assert len(files(settings)) <= 9
    views = [
        publish.bars(settings, "day", DAY, DAY, view=view, asof=asof)
        for view in ("latest", "first")
        for asof in (None, MORNING + timedelta(minutes=9))
    ]
    assert [view.height for view in views] == [30, 10, 30, 10]
    at(settings, LATER).compact("day", DAY, "iex")
    assert len(files(settings)) == 2
    for before, view, asof in zip(views, ("latest", "latest", "first", "first"), (None, MORNING + timedelta(minutes=9)) * 2, strict=True):
        assert_frame_equal(publish.bars(settings, "day", DAY, DAY, view=view, asof=asof), before)  # type: ignore[arg-type]  # the names above
    assert at(settings, LATER).missing("day", [DAY], "iex", symbols) == [], "whom the vendor was asked for is not forgotten"


def test_a_reader_beside_a_writer_that_merges_files_sees_whole_answers_and_never_an_error(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    at(settings, MORNING).put("day", DAY, "iex", bars(DAY, 0.5, "A", "B"), NONE, ["A", "B"])
    writer = get_context("spawn").Process(target=_revise, args=(settings, 60))
    writer.start()
    seen: list[float] = [0.0]
    while seen[-1] < 60.0:
        assert writer.exitcode in (None, 0)
        found = closes(settings)
        assert len(found) == 2
        assert found[0] == found[1] >= seen[-1]
        seen.append(found[0])
    writer.join()
    assert writer.exitcode == 0
    assert closes(settings, view="first") == [0.5, 0.5]


def _revise(settings: Settings, times: int) -> None:
    """One answer after another, each with another price for both symbols."""
    for number in range(1, times + 1):
        at(settings, MORNING + timedelta(minutes=number)).put("day", DAY, "iex", bars(DAY, float(number), "A", "B"), NONE, ["A", "B"])


def test_only_the_files_of_the_sessions_asked_for_are_opened(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    for day in (OTHER, DAY):
        at(settings, LATER).put("day", day, "iex", bars(day, 10.0, "A"), NONE, ["A"])
    broken = next(Path(settings.lake).rglob(f"session={OTHER}/*.parquet"))
    broken.write_bytes(b"no parquet")
    assert closes(settings) == [10.0]


def test_bars_of_two_feeds_are_never_mixed_unasked_and_can_be_told_apart(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    for feed, day in (("iex", DAY), ("generated", DAY), ("generated", OTHER)):
        rows = bars(day, 10.0, "A").with_columns(pl.lit(feed).alias("feed"))
        at(settings, LATER).put("day", day, feed, rows, NONE, ["A"])
    with pytest.raises(DataError, match="say which with feed="):
        publish.bars(settings, "day", DAY, DAY)
    assert closes(settings, feed="iex") == [10.0]
    assert publish.feeds(settings, "day", OTHER, DAY).rows() == [("A", "generated", 2, OTHER, DAY), ("A", "iex", 1, DAY, DAY)]
    assert publish.feeds(settings, "minute", OTHER, DAY).is_empty()


def test_rows_of_another_feed_or_of_a_symbol_not_asked_for_are_refused(tools: Callable[..., DayBot]) -> None:
    lake = tools().lake
    for feed, asked in (("sip", ["A"]), ("iex", ["B"])):
        with pytest.raises(DataError, match="feeds never mix"):
            lake.put("day", DAY, feed, bars(DAY, 10.0, "A"), NONE, asked)


def test_a_lake_in_an_unknown_place_and_a_file_from_another_time_say_what_to_do(tools: Callable[..., DayBot]) -> None:
    with pytest.raises(SettingsError, match="s3://"):
        tools(daybot_lake="gs://bucket")
    settings = tools().settings
    resolution: Resolution = "day"
    strange = Path(settings.lake, "bars", f"resolution={resolution}", f"session={DAY}", "iex.parquet")
    strange.parent.mkdir(parents=True)
    strange.touch()
    with pytest.raises(DataError, match="fetch anew"):
        publish.bars(settings, "day", DAY, DAY)
