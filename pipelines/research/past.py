"""What the lake knew after a session, and nothing later: from which that night's briefing is made, on the night or years later."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from pipelines import publish
from pipelines.core.errors import MissingData
from pipelines.core.market.adjustment import Dividends, adjusted
from pipelines.core.market.features import traded
from pipelines.core.night import Choices
from pipelines.lake.actions import Register
from pipelines.lake.layout import Resolution
from pipelines.settings import Settings
from pipelines.vendors import calendar
from pipelines.vendors.source import BARS, UTC_TIME

NOTHING = pl.Schema([*BARS.items(), ("session", pl.Date), ("learned_at", UTC_TIME)])


@dataclass(frozen=True)
class Known:
    """A `core.night.Past` out of the lake; each part is read when it is asked for, once. `universe` says of which symbols and feed.

    Without `strict` the corporate actions are those that there are, whether or not the vendor was asked about every symbol as far as the session,
    and there need not be minutes.
    """

    settings: Settings
    session: date
    universe: pl.DataFrame
    strict: bool = True

    @cached_property
    def calendar(self) -> pl.DataFrame:
        """The sessions of the history, and the one after it."""
        window = [*calendar.trailing(self.session, self.settings.history_sessions), self.following]
        return calendar.calendar().filter(pl.col("session").is_in(window)).select("session", "open", "close")

    @cached_property
    def daily(self) -> pl.DataFrame:
        """Daily bars, adjusted for splits."""
        return self.days(None)

    @cached_property
    def total(self) -> pl.DataFrame:
        """Daily bars, adjusted for dividends as well."""
        return self.days(Dividends.REINVESTED)

    @cached_property
    def minutes(self) -> pl.DataFrame:
        """Minute bars, adjusted for splits."""
        return adjusted(self._raw("minute", self.settings.minute_sessions), self._actions, self.following)

    @property
    def following(self) -> date:
        """The session that the briefing is for."""
        return calendar.next_session(self.session)

    def days(self, dividends: Dividends | None) -> pl.DataFrame:
        """Daily bars over the history, on the share scale of the session after it."""
        return adjusted(self._raw("day", self.settings.history_sessions), self._actions, self.following, dividends=dividends)

    @cached_property
    def _actions(self) -> pl.DataFrame:
        feed, symbols = self.universe["feed"][0], self.universe["symbol"].to_list()
        found = Register(self.settings).known(feed, symbols, through=self.following if self.strict else None)
        return found.filter(pl.col("ex_date") <= self.following)

    def _raw(self, resolution: Resolution, sessions: int) -> pl.DataFrame:
        symbols, feed = self.universe["symbol"].to_list(), self.universe["feed"][0]
        window = calendar.trailing(self.session, sessions)
        try:
            return traded(publish.bars(self.settings, resolution, window[0], window[-1], symbols=symbols, feed=feed))
        except MissingData:
            if self.strict or resolution == "day":
                raise
            return NOTHING.to_frame()  # the first session of the lake: nothing came before it


def choices(settings: Settings) -> Choices:
    """The settings that a briefing hangs on."""
    return Choices(settings.benchmark, settings.min_history, settings.watchlist_size, settings.max_participation)
