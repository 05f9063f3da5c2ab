"""The door to the analytics: one book at a time, only what was asked for, and a clear word where nothing was traded."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from sealed import journaled

from pipelines import publish, settings, traded
from pipelines.core.analytics import books
from pipelines.core.analytics.performance import performance
from pipelines.core.analytics.scope import Scope
from pipelines.core.analytics.session import ledger
from pipelines.core.analytics.wishes import wished
from pipelines.core.errors import MissingData
from pipelines.defs.resources import DayBot
from pipelines.defs.traded.analytics import balanced
from pipelines.publish import Snapshot
from pipelines.settings import Settings
from pipelines.store import Warehouse

SESSION = date(2026, 11, 20)
BOOKS = {"backtest b1": 0, "sim A": 0, "paper P": -3}
"""Each with the same session twice, the last one so many days before that of the others."""


@pytest.fixture(scope="module")
def marts() -> dict[str, pl.DataFrame]:
    """Two sessions of three books, all of them the same trades."""
    records = journaled()
    tables = ledger.tables(records)
    candidates, exits = wished(records, tables["runs"])
    made = {"round_trips": books.trips(tables), "trading_days": books.days(tables, 0.01), "executions": books.executions(tables)}
    made |= {"candidates": candidates, "exits": exits}
    days = [(book, SESSION + timedelta(days=shift - before)) for book, shift in BOOKS.items() for before in (0, 1)]
    return {name: pl.concat([_as(frame, book, day) for book, day in days]) for name, frame in made.items()}


def _as(frame: pl.DataFrame, book: str, day: date) -> pl.DataFrame:
    return frame.with_columns(pl.lit(book).alias("book"), pl.lit(book.partition(" ")[0]).alias("mode"), pl.lit(day).alias("session"))


@pytest.fixture(scope="module")
def snapshot(marts: dict[str, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    known = settings.load(_env_file=None, daybot_home=tmp_path_factory.mktemp("traded"))
    warehouse = Warehouse(known)
    warehouse.replace(marts, marts["trading_days"]["session"].to_list())
    return publish.release(known, "2026-11-23-20261120T230000000Z-00000000", warehouse.copy)


def test_the_book_that_traded_last_comes_first_and_backtests_last(snapshot: Snapshot) -> None:
    found = traded.books(snapshot)
    assert found["book"].to_list() == ["sim A", "paper P", "backtest b1"]
    assert found["sessions"].to_list() == [2, 2, 2]
    assert traded.settled(snapshot, None).book == "sim A"


def test_only_one_book_is_ever_counted(snapshot: Snapshot, marts: dict[str, pl.DataFrame]) -> None:
    for book in BOOKS:
        found = traded.performance(snapshot, Scope(book=book))
        own = marts["round_trips"].filter(pl.col("book") == book)
        assert (found.numbers.sessions, found.numbers.trades) == (2, own.height)
        assert found.scope.book == book
    assert traded.execution(snapshot).numbers.orders == marts["executions"].filter(pl.col("book") == "sim A").height
    assert traded.risk(snapshot).numbers.sessions == 2
    assert traded.candidates(snapshot).height == marts["candidates"].filter(pl.col("book") == "sim A").height


def test_what_is_asked_of_the_database_is_what_the_scope_would_have_filtered(snapshot: Snapshot, marts: dict[str, pl.DataFrame]) -> None:
    symbol = marts["round_trips"]["symbol"][0]
    for scope in (Scope(book="sim A", first=SESSION), Scope(book="sim A", last=SESSION - timedelta(days=1)), Scope(book="sim A", symbol=symbol)):
        whole = performance(marts["trading_days"], marts["round_trips"], scope)
        assert traded.performance(snapshot, scope).numbers == whole.numbers
        assert traded.trips(snapshot, scope).height == scope.rows(marts["round_trips"]).height


def test_few_sessions_give_no_suggestion_and_say_so(snapshot: Snapshot) -> None:
    found = traded.optimization(snapshot)
    assert (found.suggestions, found.words) == ((), "too few sessions to say anything: 2 of the 50 that it takes")
    assert found.table.height == 0
    assert found.verdict.row(0, named=True)["sessions"] == 2


def test_books_that_do_not_balance_are_said(marts: dict[str, pl.DataFrame], tmp_path: Path) -> None:
    daybot = DayBot(settings.load(_env_file=None, daybot_home=tmp_path))
    records = journaled()
    equity = ledger.tables(records)["equity"].with_columns(pl.lit(SESSION).alias("session"))
    day = {name: frame.filter(pl.col("session") == SESSION) for name, frame in marts.items()}
    daybot.warehouse.replace({**day, "equity": equity}, [SESSION])
    assert balanced(daybot, SESSION).passed
    daybot.warehouse.replace({"round_trips": day["round_trips"].with_columns(pl.col("profit") + 1.0)}, [SESSION])
    found = balanced(daybot, SESSION)
    assert not found.passed
    assert "sim A: equity" in found.detail


def test_a_book_that_is_none_and_a_home_where_nothing_was_traded_are_told(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"expected one of the books \['sim A', 'paper P', 'backtest b1'\], found 'live X'"):
        traded.performance(snapshot, Scope(book="live X"))
    assert traded.books(_empty(settings.load(_env_file=None, daybot_home=tmp_path))).is_empty()
    with pytest.raises(MissingData, match="expected traded sessions"):
        traded.risk(publish.current(settings.load(_env_file=None, daybot_home=tmp_path)))


def _empty(known: Settings) -> Snapshot:
    warehouse = Warehouse(known)
    warehouse.replace({"regime": pl.DataFrame({"session": [SESSION]})}, [SESSION])
    return publish.release(known, "2026-11-23-20261120T230000000Z-00000000", warehouse.copy)
