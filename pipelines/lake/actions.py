"""Corporate actions with two times, append-only: when shares change (`ex_date`) and when we learned it (`learned_at`).

A file under `actions/feed=iex/` is one answer of the vendor, as far as it was news: all that it said of each symbol that changed. The newest answer
about a symbol and an ex-date holds, so a dividend that was taken back is gone, and two on one day are two. The file's note says what was asked.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, TypeAlias

import polars as pl

from pipelines.core.errors import MissingData
from pipelines.lake.layout import STAMP, steady
from pipelines.lake.storage import SUFFIX, storage
from pipelines.settings import Settings

RECENT = timedelta(days=10)
"""How long after an ex-date vendors still mend what they said of it; an answer from later than that is final."""

MANY = 16
"""Files above which they become one."""

SAME = ("symbol", "kind", "ex_date", "ratio", "cash")
"""What makes two actions one."""

TIME = pl.Datetime("us", "UTC")
ROWS = pl.Schema(
    {"symbol": pl.String, "kind": pl.String, "ex_date": pl.Date, "ratio": pl.Float64, "cash": pl.Float64, "source": pl.String}
    | {"learned_at": TIME, "answered_at": TIME}
)
"""`ACTIONS`; when each row was first said; of which answer it is a part."""

DAY = timedelta(days=1)

News: TypeAlias = tuple[str, date, date, datetime]
"""An answer that said something new of a symbol: symbol, first and last ex-date, moment."""


class Span(NamedTuple):
    """Ex-dates from `first` to `last` that were asked for, the last time at `at`."""

    first: date
    last: date
    at: datetime

    @property
    def settled(self) -> date:
        """The last ex-date of which nothing new is to be expected."""
        return min(self.last, (self.at - RECENT).date())


class Look(NamedTuple):
    """The files as found together."""

    paths: list[str]
    notes: list[dict[str, str]]
    rows: pl.DataFrame


class Register:
    """Everything that was announced, for readers and writers."""

    def __init__(self, settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._storage = storage(settings)
        self._now = now

    def missing(self, feed: str, symbols: Iterable[str], first: date, last: date) -> list[tuple[tuple[str, ...], date, date]]:
        """What to ask the vendor for (symbols, first and last ex-date): what never was, and what was too early to be final."""
        covered = _covered(self._look(feed).notes)
        wanted: dict[tuple[date, date], list[str]] = {}
        for symbol in sorted(set(symbols)):
            span = covered.get(symbol)
            # Always next to what is covered, so that no gap can be left between.
            gaps = [(first, last)] if span is None else [(first, span.first - DAY), (max(span.first, span.settled + DAY), last)]
            for gap in gaps:
                if gap[0] <= gap[1]:
                    wanted.setdefault(gap, []).append(symbol)
        return [(tuple(lacking), *gap) for gap, lacking in sorted(wanted.items())]

    def put(self, feed: str, actions: pl.DataFrame, symbols: Sequence[str], first: date, last: date) -> None:
        """Add what is news in the vendor's whole answer (`ACTIONS`) about the ex-dates from `first` to `last` of these symbols.

        The same action twice in one answer is one.
        """
        moment, look = self._now(), self._look(feed)
        inside = pl.col("ex_date").is_between(first, last) & pl.col("symbol").is_in(list(symbols))
        before, said = _held(look, None).filter(inside), actions.filter(inside).unique(SAME)
        differ = pl.concat([said.join(before, on=SAME, how="anti"), before.select(said.columns).join(said, on=SAME, how="anti")])
        changed = differ["symbol"].unique().sort().to_list()
        stamp = pl.lit(moment, pl.Datetime("us", "UTC"))
        rows = (
            said.filter(pl.col("symbol").is_in(changed))
            .join(before.select(*SAME, "learned_at"), on=SAME, how="left")
            .with_columns(pl.col("learned_at").fill_null(stamp), stamp.alias("answered_at"))
            .match_to_schema(ROWS)
        )
        news = [(symbol, first, last, moment) for symbol in changed]
        self._write(feed, look, rows, {symbol: Span(first, last, moment) for symbol in symbols}, news, moment)

    def known(self, feed: str, symbols: Sequence[str] | None = None, *, asof: datetime | None = None, through: date | None = None) -> pl.DataFrame:
        """The actions as `ACTIONS` with `learned_at`, by symbol and ex-date; with `asof` those that were known at that moment.

        With `through` it is `MissingData` unless the vendor was asked about each of the symbols as far as that ex-date: no row means no action.
        """
        look = self._look(feed)
        if through is not None:
            covered = _covered(look.notes)
            lacking = [symbol for symbol in symbols or covered if symbol not in covered or covered[symbol].last < through]
            if lacking:
                raise MissingData(
                    f"expected the corporate actions of {feed} as far as {through}, found {len(lacking)} symbols not asked about ({lacking[:5]}); "
                    "materialise corporate_actions first"
                )
        held = _held(look, asof)
        return held if symbols is None else held.filter(pl.col("symbol").is_in(list(symbols)))

    def _look(self, feed: str) -> Look:
        """Everything on disk."""

        def look() -> Look:
            found = self._storage.files("actions", f"feed={feed}", f"feed={feed}")
            addresses = [self._storage.address(path) for path in found]
            rows = pl.scan_parquet(addresses, hive_partitioning=False).collect().unique() if found else ROWS.to_frame()
            return Look(found, self._storage.notes(found), rows)

        return steady(look)

    def _write(self, feed: str, look: Look, rows: pl.DataFrame, covered: Mapping[str, Span], news: Sequence[News], moment: datetime) -> None:
        path = f"actions/feed={feed}/{moment.strftime(STAMP)}{SUFFIX}"
        if len(look.paths) < MANY:
            self._storage.write(path, rows, _note(covered, news))
            return
        # The new file takes all that the others hold; killed before they go, it is there twice and read once.
        every = _covered(look.notes)
        every |= {symbol: _joined(every.get(symbol), span) for symbol, span in covered.items()}
        self._storage.write(path, pl.concat([look.rows, rows]), _note(every, [*_news(look.notes), *news]))
        self._storage.remove(look.paths)


def _held(look: Look, asof: datetime | None) -> pl.DataFrame:
    """The rows of the newest answer about their symbol and ex-date, of those until `asof`."""
    schema = pl.Schema([("symbol", pl.String), ("first", pl.Date), ("last", pl.Date), ("at", pl.Datetime("us", "UTC"))])
    answers = pl.DataFrame(_news(look.notes), schema=schema, orient="row").filter(True if asof is None else pl.col("at") <= asof)
    newest = (
        look.rows.select("symbol", "ex_date")
        .unique()
        .join(answers, on="symbol")
        .filter(pl.col("ex_date").is_between(pl.col("first"), pl.col("last")))
        .group_by("symbol", "ex_date")
        .agg(pl.col("at").max().alias("answered_at"))
    )
    held = look.rows.join(newest, on=["symbol", "ex_date", "answered_at"], how="semi")
    return held.drop("answered_at").sort("symbol", "ex_date", "kind", "cash")


def _covered(notes: Iterable[Mapping[str, str]]) -> dict[str, Span]:
    covered: dict[str, Span] = {}
    for note in notes:
        for (first, last, at), symbols in json.loads(note["covered"]):
            asked = Span(date.fromisoformat(first), date.fromisoformat(last), datetime.fromisoformat(at))
            covered |= {symbol: _joined(covered.get(symbol), asked) for symbol in symbols}
    return covered


def _news(notes: Iterable[Mapping[str, str]]) -> list[News]:
    lines = [line for note in notes for line in json.loads(note["news"])]
    return [(symbol, date.fromisoformat(first), date.fromisoformat(last), datetime.fromisoformat(at)) for symbol, first, last, at in lines]


def _joined(known: Span | None, asked: Span) -> Span:
    """Both as one; they touch, because only what touches is asked for."""
    if known is None:
        return asked
    newest = max(known, asked, key=lambda span: (span.settled, span.at))
    return Span(min(known.first, asked.first), max(known.last, asked.last), newest.at)


def _note(covered: Mapping[str, Span], news: Sequence[News]) -> dict[str, str]:
    spans: dict[Span, list[str]] = {}
    for symbol, span in covered.items():
        spans.setdefault(span, []).append(symbol)
    return {"covered": json.dumps(list(spans.items()), default=str), "news": json.dumps(list(news), default=str)}
