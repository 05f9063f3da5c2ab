"""What every asset is given: the settings, the source of history, the lake and the warehouse. Built when a run starts, not at import."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import dagster as dg
import polars as pl

from pipelines import publish, settings
from pipelines.core.market.adjustment import Dividends
from pipelines.core.night import Choices
from pipelines.lake.actions import Register
from pipelines.lake.bars import Lake
from pipelines.lake.layout import Resolution
from pipelines.research.past import Known, choices
from pipelines.secrecy import conceal
from pipelines.settings import Settings
from pipelines.store import Warehouse
from pipelines.vendors import calendar
from pipelines.vendors.choice import choose
from pipelines.vendors.source import Source


@dataclass(frozen=True)
class DayBot:
    """The night side's tools. Secrets stay inside the settings: nothing of this is run configuration."""

    settings: Settings

    def __post_init__(self) -> None:
        """From here on the process that runs this step writes no secret down."""
        conceal(self.settings)

    @cached_property
    def source(self) -> Source:
        """The vendor; its client is built on first use, so that what only computes needs no network."""
        return choose(self.settings)

    @cached_property
    def lake(self) -> Lake:
        """Raw bars."""
        return Lake(self.settings)

    @cached_property
    def register(self) -> Register:
        """Corporate actions."""
        return Register(self.settings)

    @cached_property
    def warehouse(self) -> Warehouse:
        """Tables."""
        return Warehouse(self.settings)

    def universe(self, session: date) -> pl.DataFrame:
        """The session's universe."""
        return self.warehouse.read("universe", session).sort("symbol")

    def daily(self, session: date, *, dividends: Dividends | None = None) -> pl.DataFrame:
        """Daily bars with trades of the session's universe, over the history that the settings ask for; `vwap` never null.

        Prices and volumes are on the share scale of the session after it, which the briefing is for: a split of that morning is in them.
        With `dividends` the closes' returns are total returns.
        """
        return self.past(session).days(dividends)

    def minutes(self, session: date) -> pl.DataFrame:
        """Minute bars with trades of the session's universe; `vwap` never null; on the share scale of the session after it."""
        return self.past(session).minutes

    def past(self, session: date) -> Known:
        """What is known after the session, as the pure functions of the night take it."""
        return Known(self.settings, session, self.universe(session))

    @property
    def choices(self) -> Choices:
        """The settings that a briefing hangs on."""
        return choices(self.settings)

    def bars(self, resolution: Resolution, window: Sequence[date], universe: pl.DataFrame | None = None) -> pl.DataFrame:
        """The lake's bars of these sessions, as sent, for the universe (and from the feed) of the last one."""
        known = self.universe(window[-1]) if universe is None else universe
        return publish.bars(self.settings, resolution, window[0], window[-1], symbols=known["symbol"].to_list(), feed=known["feed"][0])

    def actions(self, session: date, universe: pl.DataFrame | None = None) -> pl.DataFrame:
        """Splits and dividends of the session's universe, as known now, with ex-dates as far as the session after it."""
        known, following = self.universe(session) if universe is None else universe, calendar.next_session(session)
        found = self.register.known(known["feed"][0], known["symbol"].to_list(), through=following)
        return found.filter(pl.col("ex_date") <= following)


@dg.definitions
def resources() -> dg.Definitions:
    """The one resource, read from the environment when a run starts."""
    return dg.Definitions(resources={"daybot": dg.ResourceDefinition(resource_fn=lambda _: DayBot(settings.load().reading))})
