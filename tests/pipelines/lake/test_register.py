"""The register of corporate actions: what was said of whom and when, asked for once, never changed."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.core.errors import MissingData
from pipelines.defs.resources import DayBot
from pipelines.lake.actions import MANY, Register
from pipelines.settings import Settings
from pipelines.vendors.source import ACTIONS

FIRST, LAST = date(2024, 1, 2), date(2024, 6, 20)
EVENING = datetime(2024, 6, 18, 20, 45, tzinfo=UTC)
SPLIT = ("A", "split", date(2024, 6, 20), 4.0, 0.0, "test")
PAID = ("A", "dividend", date(2024, 3, 1), 1.0, 0.5, "test")


def said(*rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=ACTIONS, orient="row")


def at(settings: Settings, moment: datetime) -> Register:
    return Register(settings, lambda: moment)


def known(register: Register, **how: object) -> list[tuple[object, ...]]:
    return register.known("iex", **how).select("symbol", "kind", "ex_date", "ratio", "cash").rows()  # type: ignore[arg-type]  # as the register takes it


def test_what_is_settled_is_not_asked_again_and_what_is_recent_is(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    register = at(settings, EVENING)
    assert register.missing("iex", ["A", "B"], FIRST, LAST) == [(("A", "B"), FIRST, LAST)]
    register.put("iex", said(SPLIT, PAID), ["A", "B"], FIRST, LAST)
    assert register.missing("iex", ["A", "B", "C"], FIRST, LAST) == [(("C",), FIRST, LAST), (("A", "B"), date(2024, 6, 9), LAST)]
    earlier = date(2023, 6, 1)
    assert register.missing("iex", ["A"], earlier, FIRST) == [(("A",), earlier, FIRST - timedelta(1))], "a backfill asks for what is before"
    assert register.missing("sip", ["A"], FIRST, LAST) == [(("A",), FIRST, LAST)]
    late = at(settings, EVENING + timedelta(days=60))
    late.put("iex", said(SPLIT), ["A", "B"], date(2024, 6, 9), LAST)
    assert late.missing("iex", ["A", "B"], FIRST, LAST) == []


def test_no_gap_is_left_by_a_window_that_begins_after_what_is_covered(tools: Callable[..., DayBot]) -> None:
    register = at(tools().settings, EVENING)
    register.put("iex", said(), ["A"], FIRST, date(2024, 2, 1))
    assert register.missing("iex", ["A"], date(2024, 5, 1), LAST) == [(("A",), date(2024, 2, 2), LAST)]


def test_coverage_is_that_of_the_symbol_asked_least(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    at(settings, EVENING).put("iex", said(), ["A", "B"], FIRST, date(2024, 2, 1))
    register = at(settings, EVENING + timedelta(1))
    register.put("iex", said(), ["A"], date(2024, 2, 2), LAST)
    assert known(register, symbols=["A"], through=LAST) == []
    with pytest.raises(MissingData, match="materialise corporate_actions"):
        register.known("iex", ["A", "B"], through=LAST)
    with pytest.raises(MissingData, match="'C'"):
        register.known("iex", ["A", "C"], through=FIRST)


def test_a_changed_answer_stands_and_the_old_one_is_still_there_as_of_then(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    morning = EVENING + timedelta(hours=16)
    at(settings, EVENING).put("iex", said(PAID, SPLIT), ["A", "B"], FIRST, LAST)
    at(settings, morning).put("iex", said((*SPLIT[:3], 10.0, 0.0, "test")), ["A", "B"], date(2024, 6, 9), LAST)
    now = at(settings, morning)
    assert known(now) == [PAID[:5], ("A", "split", LAST, 10.0, 0.0)]
    assert known(now, asof=EVENING) == [PAID[:5], SPLIT[:5]]
    assert known(now, asof=EVENING - timedelta(days=1)) == []
    assert known(now, symbols=["B"]) == []
    assert now.known("iex")["learned_at"].to_list() == [EVENING, morning]


def test_an_action_taken_back_is_gone_and_one_that_stayed_was_learned_when_it_was(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    at(settings, EVENING).put("iex", said(PAID, SPLIT), ["A"], FIRST, LAST)
    later = EVENING + timedelta(days=1)
    at(settings, later).put("iex", said(PAID), ["A"], FIRST, LAST)
    assert known(at(settings, later)) == [PAID[:5]]
    assert at(settings, later).known("iex")["learned_at"].to_list() == [EVENING]


def test_two_dividends_on_one_day_are_two(tools: Callable[..., DayBot]) -> None:
    register = at(tools().settings, EVENING)
    special = (*PAID[:4], 3.0, "test")
    register.put("iex", said(PAID, special, special), ["A"], FIRST, LAST)
    assert known(register) == [PAID[:5], special[:5]]


def test_a_year_of_evenings_is_few_files_that_say_the_same(tools: Callable[..., DayBot]) -> None:
    settings = tools().settings
    at(settings, EVENING).put("iex", said(PAID), ["A", "B"], FIRST, LAST)
    for day in range(1, 3 * MANY):
        register = at(settings, EVENING + timedelta(days=day))
        (asked, first, last), *_ = register.missing("iex", ["A", "B"], FIRST, LAST + timedelta(days=day))
        fresh = said(("B", "dividend", last, 1.0, day / 100, "test"))
        held = said(*register.known("iex", symbols=["B"]).select(ACTIONS.names()).rows()).filter(pl.col("ex_date") >= first)
        register.put("iex", pl.concat([held, fresh]), asked, first, last)
    assert len(list(Path(settings.lake).rglob("*.parquet"))) <= MANY + 1
    rows = known(register)
    assert len(rows) == 3 * MANY
    assert register.known("iex").filter(pl.col("symbol") == "B")["learned_at"].to_list() == [EVENING + timedelta(days=d) for d in range(1, 3 * MANY)]
    assert len(known(register, asof=EVENING + timedelta(days=5))) == 6
