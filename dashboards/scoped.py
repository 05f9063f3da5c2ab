"""Which part of the past a page is about: the book, the days, and whatever else is chosen; its answers are kept by snapshot and scope."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import polars as pl
import streamlit as st

from dashboards import data, frame, live, words
from dashboards.data import KEPT, Source
from pipelines import traded
from pipelines.core.analytics.execution import Execution
from pipelines.core.analytics.performance import Performance
from pipelines.core.analytics.risk import Risk
from pipelines.core.analytics.scope import Scope
from pipelines.core.briefing import Origin
from pipelines.core.words import counted
from pipelines.publish import Snapshot

SPANS = {"1 month": 31, "3 months": 92, "1 year": 366, "All": None}

Answer = TypeVar("Answer")


class Chosen(NamedTuple):
    """A scope and the snapshot it is asked of."""

    source: Source
    scope: Scope

    @property
    def performance(self) -> Performance:
        """What was earned."""
        return _performance(*self.source.key, self.scope.model_dump_json())

    @property
    def risk(self) -> Risk:
        """What was risked."""
        return _risk(*self.source.key, self.scope.model_dump_json())

    @property
    def execution(self) -> Execution:
        """How orders went."""
        return _execution(*self.source.key, self.scope.model_dump_json())

    @property
    def trips(self) -> pl.DataFrame:
        """Its round trips, the newest first."""
        return _trips(*self.source.key, self.scope.model_dump_json())

    @property
    def suggestions(self) -> pl.DataFrame:
        """What the last night that knew this book would change, best first."""
        return _suggestions(*self.source.key, self.scope.book or "")

    @property
    def orders(self) -> pl.DataFrame:
        """Its orders: rows of `core.analytics.books.EXECUTIONS`."""
        return _orders(*self.source.key, self.scope.model_dump_json())


def bar(source: Source) -> Chosen | None:
    """Whose money, the line of choices, and what was chosen; None, with the way out said, where nothing has been traded yet."""
    known = _books(*source.key)
    if known.is_empty():
        frame.prices(data.briefing(source))
        st.info("Nothing has been traded yet: `daybot live` or `daybot up` trades a session, and the after_close job reads its journal.")
        return None
    names = known["book"].to_list()
    whose = st.empty()
    row = st.container(horizontal=True, vertical_alignment="bottom")
    book = row.selectbox(
        "Book", names, key="book", bind="query-params", width=240, help="Whose money: simulated, paper and real money are never added up."
    )
    span = row.segmented_control("Span", list(SPANS), default="All", key="span", bind="query-params", required=True)
    whole = known.row(by_predicate=pl.col("book") == book, named=True)
    first = whole["first"] if span is None or SPANS[span] is None else whole["last"] - timedelta(days=SPANS[span] or 0)
    strategies, symbols = _told(*source.key, book)
    strategy = row.selectbox("Strategy", [None, *strategies], key="strategy", bind="query-params", format_func=_all, width=160)
    symbol = row.selectbox("Symbol", [None, *symbols], key="of", bind="query-params", format_func=_all, width=130)
    with whose:
        _label(whole)
    return Chosen(source, Scope(book=book, first=first, last=whole["last"], strategy=strategy, symbol=symbol))


def _all(value: str | None) -> str:
    return value or "all"


def _label(book: dict[str, Any]) -> None:
    color, word, meaning = live.label(str(book["mode"]), Origin(str(book["origin"])))
    span = " to ".join(dict.fromkeys(words.day(book[end])[4:] for end in ("first", "last")))
    st.markdown(f":{color}-badge[**{word}**] {counted(book['sessions'], 'session')}, {span} · {meaning}")


def _asked(ask: Callable[[Snapshot, Scope], Answer], path: str, version: str, scope: str) -> Answer:
    return ask(Snapshot(version, Path(path)), Scope.model_validate_json(scope))


@st.cache_data(ttl=KEPT, max_entries=8, show_spinner=False)
def _books(path: str, version: str) -> pl.DataFrame:
    return traded.books(Snapshot(version, Path(path)))


@st.cache_data(ttl=KEPT, max_entries=8, show_spinner=False)
def _told(path: str, version: str, book: str) -> tuple[list[str], list[str]]:
    """Strategies and symbols that the book has round trips of."""
    found = [
        Snapshot(version, Path(path)).sql(f"SELECT DISTINCT {name} FROM round_trips WHERE book = ? ORDER BY 1", [book])[name].to_list()
        for name in ("strategy", "symbol")
    ]
    return found[0], found[1]


@st.cache_data(ttl=KEPT, max_entries=32, show_spinner=False)
def _performance(path: str, version: str, scope: str) -> Performance:
    return _asked(traded.performance, path, version, scope)


@st.cache_data(ttl=KEPT, max_entries=32, show_spinner=False)
def _risk(path: str, version: str, scope: str) -> Risk:
    return _asked(traded.risk, path, version, scope)


@st.cache_data(ttl=KEPT, max_entries=32, show_spinner=False)
def _execution(path: str, version: str, scope: str) -> Execution:
    return _asked(traded.execution, path, version, scope)


@st.cache_data(ttl=KEPT, max_entries=32, show_spinner=False)
def _trips(path: str, version: str, scope: str) -> pl.DataFrame:
    return _asked(traded.trips, path, version, scope)


@st.cache_data(ttl=KEPT, max_entries=32, show_spinner=False)
def _orders(path: str, version: str, scope: str) -> pl.DataFrame:
    whole = Scope.model_validate_json(scope)
    rows = Snapshot(version, Path(path)).table("executions", "book = ? AND session BETWEEN ? AND ?", [whole.book, whole.first, whole.last])
    return whole.rows(rows)


@st.cache_data(ttl=KEPT, max_entries=8, show_spinner=False)
def _suggestions(path: str, version: str, book: str) -> pl.DataFrame:
    found = Snapshot(version, Path(path))
    if "suggestions" not in found.tables():
        return pl.DataFrame()
    return found.sql(
        "SELECT * FROM suggestions WHERE book = ? AND session = (SELECT max(session) FROM trading_days WHERE book = ?) ORDER BY rank", [book, book]
    )
