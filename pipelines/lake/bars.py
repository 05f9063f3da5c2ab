"""Raw bars with two times: what the bar says (`timestamp`) and when we learned it (`learned_at`). Nothing that was learned is ever changed.

A later answer adds only what is news: rows that differ, and a row without prices for a bar that is gone. `views.py` reads it back.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import TypeAlias

import polars as pl

from pipelines.core.errors import DataError
from pipelines.core.market.session import NEW_YORK
from pipelines.lake.layout import ANSWERS, FETCHED, KEY, Asked, File, Kind, Resolution, asked, files, note, once, path, scan, steady
from pipelines.lake.storage import storage
from pipelines.settings import Settings

FINAL = time(20, 0)
"""New York time after which a session's bars change no more; what was fetched earlier is fetched once again."""

MANY = 8
"""Fetched files of one feed and session above which they become one: each costs a reader as much as a few thousand rows."""

Request: TypeAlias = tuple[tuple[str, ...], list[date]]
"""Symbols, and the consecutive sessions to ask for."""

VALUES = ("open", "high", "low", "close", "volume", "vwap", "trades")


class Lake:
    """The writers' side. Any number of processes may write at once: they only add files, and what two of them add is read once."""

    def __init__(self, settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._storage = storage(settings)
        self._now = now

    def missing(self, resolution: Resolution, sessions: Sequence[date], feed: str, symbols: Iterable[str]) -> list[Request]:
        """What to ask the vendor for."""
        wanted = frozenset(symbols)
        answered = self._answered(resolution, sessions, feed)
        requests: list[Request] = []
        for session in sessions:
            lacking = tuple(sorted(wanted - answered.get(session, set())))
            if requests and requests[-1][0] == lacking:
                requests[-1][1].append(session)
            else:
                requests.append((lacking, [session]))
        return [(lacking, days) for lacking, days in requests if lacking]

    def put(self, resolution: Resolution, session: date, feed: str, good: pl.DataFrame, bad: pl.DataFrame, asked: Iterable[str]) -> None:
        """Add what is news in the vendor's whole answer about one session and the `asked` symbols.

        `good` are `BARS`; `bad` have a `reason` besides, and may have `raw`, what the vendor sent. A bar that an earlier answer had and this one
        lacks is noted as gone, unless this one has it among the bad.
        """
        symbols, moment = sorted(set(asked)), self._now()
        fresh = good.drop("session", strict=False)
        _belonging(fresh, feed, symbols)
        self._refuse(resolution, session, feed, bad.drop("session", strict=False), symbols, moment)
        known = self._known(resolution, session, feed, symbols)
        first, revised = _news(known, fresh, bad)
        # The file that says that all is here comes last: killed before it, the same question is asked again.
        if revised.height:
            self._write(resolution, session, feed, "revised", revised, moment, {} if first.height else {moment.isoformat(): symbols})
        if first.height:
            self._write(resolution, session, feed, "first", first, moment, {moment.isoformat(): symbols})
        elif revised.is_empty() and (known is None or moment >= _final(session)):
            self._write(resolution, session, feed, "confirmed", first, moment, {moment.isoformat(): symbols})
        if len(files(self._storage, resolution, session, session, feed, ANSWERS)) > MANY:
            self.compact(resolution, session, feed)

    def see(self, session: date, feed: str, run: str, bars: pl.DataFrame) -> None:
        """Keep the minute bars that one run of the live runner received, in the place of what was kept of that run before.

        `bars` are `BARS` with `learned_at`, when the runner received them, and `late`, whether they were back-filled.
        """
        _belonging(bars, feed, bars["symbol"].unique().to_list())
        self._storage.write(path("minute", session, feed, "seen", run), bars.sort(*KEY, "learned_at"), {})

    def refused(self, resolution: Resolution, first: date, last: date, feed: str) -> pl.DataFrame | None:
        """What the newest answer about each symbol and session had refused, with `reason`, `raw` and `session`; None if nothing ever was."""
        return steady(lambda: self._refused(files(self._storage, resolution, first, last, feed, ["refused"])))

    def compact(self, resolution: Resolution, session: date, feed: str) -> None:
        """Make one file of each kind of fetched ones; every row stays. A reader of the old ones has to look again."""
        for kind in ANSWERS:
            found = files(self._storage, resolution, session, session, feed, [kind])
            if len(found) > 1:
                self._merge(found)

    def _merge(self, found: Sequence[File]) -> None:
        """The newest file takes the rows and notes of all, then the others go; killed in between, rows are there twice and read once."""
        try:
            rows = scan(self._storage, found).drop("session").collect().unique([*KEY, "learned_at"]).sort(KEY)
            answers: Asked = {}
            for answer in asked(self._storage, found):
                answers |= answer
        except FileNotFoundError:  # another process is doing the same
            return
        self._storage.write(found[-1].path, rows, note(answers))
        self._storage.remove(file.path for file in found[:-1])

    def _refuse(self, resolution: Resolution, session: date, feed: str, bad: pl.DataFrame, symbols: list[str], moment: datetime) -> None:
        """A file that says all that is refused of these symbols, if that is not what is known already."""
        raw = [] if "raw" in bad.columns else [pl.lit(None, pl.String).alias("raw")]
        fresh = bad.with_columns(pl.col("symbol").fill_null(""), *raw)
        about = sorted({*symbols, *fresh["symbol"]})
        before = self.refused(resolution, session, session, feed)
        known = fresh.clear() if before is None else before.filter(pl.col("symbol").is_in(about)).select(fresh.columns)
        if not fresh.sort(fresh.columns).equals(known.sort(fresh.columns)):
            self._write(resolution, session, feed, "refused", fresh, moment, {moment.isoformat(): about})

    def _write(self, resolution: Resolution, session: date, feed: str, kind: Kind, rows: pl.DataFrame, moment: datetime, answers: Asked) -> None:
        learned = rows.with_columns(pl.lit(moment, pl.Datetime("us", "UTC")).alias("learned_at"))
        self._storage.write(path(resolution, session, feed, kind, moment), learned.sort(KEY), note(answers))

    def _refused(self, found: Sequence[File]) -> pl.DataFrame | None:
        if not found:
            return None
        answers = [
            (file.session, symbol, datetime.fromisoformat(moment))
            for file, answer in zip(found, asked(self._storage, found), strict=True)
            for moment, symbols in answer.items()
            for symbol in symbols
        ]
        schema = pl.Schema([("session", pl.Date), ("symbol", pl.String), ("learned_at", pl.Datetime("us", "UTC"))])
        newest = pl.DataFrame(answers, schema=schema, orient="row").group_by("session", "symbol").agg(pl.col("learned_at").max())
        rows = scan(self._storage, found).collect()
        return rows.join(newest, on=["session", "symbol", "learned_at"], how="semi").sort("session", *KEY)

    def _known(self, resolution: Resolution, session: date, feed: str, symbols: Sequence[str]) -> pl.DataFrame | None:
        """The newest row of every bar of these symbols, gone ones included; None if nothing was ever fetched."""

        def look() -> pl.DataFrame | None:
            found = files(self._storage, resolution, session, session, feed, FETCHED)
            return once(scan(self._storage, found).filter(pl.col("symbol").is_in(symbols)).collect(), "last") if found else None

        return steady(look)

    def _answered(self, resolution: Resolution, sessions: Sequence[date], feed: str) -> dict[date, set[str]]:
        """By session the symbols that its files answer for; an answer from before the session's bars were final does not count."""

        def look() -> list[tuple[File, Asked]]:
            found = files(self._storage, resolution, min(sessions), max(sessions), feed, ANSWERS) if sessions else []
            return list(zip(found, asked(self._storage, found), strict=True))

        answered: dict[date, set[str]] = {}
        for file, answer in steady(look):
            final = _final(file.session)
            for moment, symbols in answer.items():
                if datetime.fromisoformat(moment) >= final:
                    answered.setdefault(file.session, set()).update(symbols)
        return answered


def _belonging(bars: pl.DataFrame, feed: str, symbols: Sequence[str]) -> None:
    strangers = bars.filter((pl.col("feed") != feed) | ~pl.col("symbol").is_in(symbols))
    if strangers.height:
        found = strangers.select("symbol", "feed").unique().rows()[:3]
        raise DataError(f"expected bars of the feed {feed} and of the symbols asked for, found {found}; feeds never mix, mend the source")


def _final(session: date) -> datetime:
    return datetime.combine(session, FINAL, NEW_YORK)


def _news(known: pl.DataFrame | None, good: pl.DataFrame, bad: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of `good` that are not known at all; and those that differ, with a row of nulls for each known bar that is gone."""
    if known is None:
        return good, good.clear()
    both = good.join(known.with_columns(pl.lit(True).alias("known")), on=KEY, how="left", suffix="_known")
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_known")) for name in VALUES)
    first = both.filter(pl.col("known").is_null()).select(good.columns)
    revised = both.filter(pl.col("known") & differs).select(good.columns)
    gone = known.drop_nulls("close").join(good, on=KEY, how="anti").join(bad, on=KEY, how="anti")
    blank = [pl.lit(None, good.schema[name]).alias(name) for name in VALUES]
    return first, pl.concat([revised, gone.with_columns(blank).select(good.columns)])
