"""Where a backtest's market comes from: the lake of a home, or files of your own. Both give each session what was known on its morning."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cached_property
from hashlib import sha256
from typing import Any, Protocol

import polars as pl

from pipelines import journals, publish
from pipelines.core import night
from pipelines.core.briefing import Briefing
from pipelines.core.errors import MissingData
from pipelines.core.fingerprint import fingerprint
from pipelines.core.journal import event_of, records
from pipelines.core.market import slippage
from pipelines.core.market.features import traded
from pipelines.core.market.session import moment
from pipelines.core.market.slippage import Slippage
from pipelines.core.trading import events
from pipelines.core.trading.events import Band, Halt
from pipelines.lake import layout
from pipelines.lake.storage import storage
from pipelines.research.past import Known, choices
from pipelines.settings import Settings
from pipelines.vendors import calendar


class Market(Protocol):
    """A recorded market, session by session."""

    @property
    def name(self) -> str:
        """For people: where it is from."""
        ...

    @property
    def notes(self) -> dict[str, str]:
        """What is assumed, and what was left out, by its name."""
        ...

    def sessions(self, first: date | None, last: date | None) -> list[date]:
        """The sessions with minutes, in order; None is from the beginning, or to the end."""
        ...

    def briefing(self, session: date) -> Briefing:
        """What was known on the session's morning: as published where it was, else made of nothing later than the session before."""
        ...

    def bars(self, session: date, symbols: Sequence[str]) -> pl.DataFrame:
        """The session's minutes with trades as the market printed them, extended hours included."""
        ...

    def inside(self, session: date) -> list[events.Market]:
        """What is known of the minutes themselves: trades, halts, bands; by time."""
        ...

    def version(self, sessions: Sequence[date]) -> str:
        """Hash of all data that these sessions stand on: the same data, the same hash."""
        ...


class Home:
    """The lake of a home, with the briefings of its warehouse and the halts that its live sessions saw. `anew`: every briefing is made again.

    `read` gives a table of the warehouse, of the published snapshot unless something else is given, or raises `MissingData`.
    """

    def __init__(self, settings: Settings, read: Callable[[str], pl.DataFrame] | None = None, *, anew: bool = False) -> None:
        self._settings, self._read, self._anew = settings, read, anew
        self._borrowed: set[date] = set()

    @property
    def name(self) -> str:
        """The home's folder."""
        return f"lake of {self._settings.daybot_home}"

    @property
    def notes(self) -> dict[str, str]:
        """Sessions whose universe is that of another day."""
        return {"universe of another day": ", ".join(map(str, sorted(self._borrowed)))} if self._borrowed else {}

    def sessions(self, first: date | None, last: date | None) -> list[date]:
        """The sessions whose minutes were fetched."""
        found = layout.files(storage(self._settings), "minute", first or date.min, last or date.max, None, layout.FETCHED)
        return sorted({file.session for file in found})

    def briefing(self, session: date) -> Briefing:
        """As published for that morning; else of the lake's bars until the session before, and of the universe known then or next to it."""
        published = self._briefings.filter(pl.col("session") == session)
        if published.height and not self._anew:
            return Briefing.model_validate_json(published["json"].item())
        before = calendar.previous_session(session)
        known = Known(self._settings, before, self._universe(before), strict=False)
        return night.briefing(known, choices(self._settings), self._slippage(before), moment(calendar.session_of(session).open))

    def bars(self, session: date, symbols: Sequence[str]) -> pl.DataFrame:
        """As the vendor has them last."""
        feed = self._universe(calendar.previous_session(session))["feed"][0]
        return traded(publish.bars(self._settings, "minute", session, session, symbols=symbols, feed=feed))

    def inside(self, session: date) -> list[events.Market]:
        """Halts and bands out of the session's journals."""
        found: list[events.Market] = []
        for path in journals.sessions(self._settings.journals, session):
            told = (event_of(r) for r in records(journals.lines(path)) if r.kind == "event" and r.data["kind"] in {"halt", "band"})
            found += [event for event in told if isinstance(event, Halt | Band)]
        return sorted(found, key=lambda event: event.at)

    def version(self, sessions: Sequence[date]) -> str:
        """The lake's files and published briefings never change, so their names are enough."""
        first = calendar.trailing(calendar.previous_session(sessions[0]), self._settings.history_sessions)[0]
        where, kinds = storage(self._settings), layout.FETCHED
        names = [file.path for file in layout.files(where, "day", first, sessions[-1], None, kinds)]
        names += [file.path for file in layout.files(where, "minute", first, sessions[-1], None, kinds)]
        names += [str(path) for session in sessions for path in journals.sessions(self._settings.journals, session)]
        names += self._briefings.filter(pl.col("session").is_in(sessions))["version"].to_list() if not self._anew else ["anew"]
        names += [fingerprint(self._universes), fingerprint(self._fitted)]
        return sha256("\n".join(names).encode()).hexdigest()

    @cached_property
    def _table(self) -> Callable[[str], pl.DataFrame]:
        return self._read or publish.current(self._settings).table

    @cached_property
    def _briefings(self) -> pl.DataFrame:
        return self._known("briefings", {"session": pl.Date, "version": pl.String, "json": pl.String})

    @cached_property
    def _fitted(self) -> pl.DataFrame:
        return self._known("slippage", {"session": pl.Date, **night.SLIPPAGE})

    def _known(self, name: str, schema: Mapping[str, Any]) -> pl.DataFrame:
        """A table that the first night does not have yet: then it is empty."""
        try:
            return self._table(name)
        except MissingData:
            return pl.DataFrame(schema=schema)

    @cached_property
    def _universes(self) -> pl.DataFrame:
        return self._table("universe").sort("session", "symbol")

    def _universe(self, session: date) -> pl.DataFrame:
        """That of the session; else of the one nearest to it, an earlier one first: then it is as of that day, and not point in time."""
        days = self._universes["session"].unique().sort().to_list()
        if not days:
            raise MissingData("expected a universe in the warehouse, which says what there is to trade, found none; run the pre_open job")
        nearest = max((day for day in days if day <= session), default=days[0])
        found = self._universes.filter(pl.col("session") == nearest)
        if nearest == session:
            return found
        self._borrowed.add(session)
        return found.with_columns(pl.lit(session).alias("session"), pl.lit(False).alias("point_in_time"))

    def _slippage(self, session: date) -> Slippage:
        """As it was fitted after this session; the prior where it was not."""
        rows = self._fitted.filter(pl.col("session") == session)
        if rows.is_empty():
            return slippage.fit(slippage.EXECUTIONS.to_frame())
        return Slippage.model_validate(rows.drop("session").row(0, named=True))
