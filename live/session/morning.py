"""The hours before the open: a session that was begun in the evening trades on the newest briefing released for it, not on the evening's.

The night makes a first briefing after the close and the final one before the open. Where a newer one is there, the session ends, with nothing held,
and begins again with it: a session's journal has one briefing, so that it replays.
"""

from live.brokers.hearing import Emit, Note
from live.session import recovery
from pipelines import publish
from pipelines.core.briefing import Briefing
from pipelines.core.errors import BrokenSnapshot, MissingData, StaleBriefing
from pipelines.core.market.bars import MINUTE
from pipelines.core.market.session import nanoseconds, new_york
from pipelines.core.soundness import unsound
from pipelines.core.trading.commands import Reduce
from pipelines.core.trading.events import Alarm, Command
from pipelines.settings import Mode, Settings
from pipelines.vendors.calendar import session_of

LAST = 5 * MINUTE
"""Before the open: by then the day's own briefing should be there."""


class Morning:
    """Of one session. `tick` it."""

    def __init__(self, settings: Settings, briefing: Briefing, *, emit: Emit, note: Note) -> None:
        self._settings, self._briefing, self._emit, self._note = settings, briefing, emit, note
        self._looked, self._known, self._told = 0, "", ""
        self.newer: str | None = None
        """The version of a newer briefing for this session, once one was found."""

    def tick(self, at: int) -> None:
        """Time passed. Looks once a minute until the open."""
        if self.newer is not None or at >= self._briefing.hours.open or at - self._looked < MINUTE:
            return
        self._looked = at
        try:
            self._look()
        except StaleBriefing as error:
            self._alarm(f"what was released last must not be traded on, entries wait for a person: {error}", at)
            self._emit(Command(f"briefing-{at}", Reduce(), "a briefing that must not be traded on", at))
        except BrokenSnapshot as error:
            self._alarm(f"whether there is a newer one is unknown: {error}", at)
        except MissingData:
            pass  # nothing is published here: nothing is newer
        if at >= self._briefing.hours.open - LAST and self.newer is None:
            self._age(at)

    def _look(self) -> None:
        """At the publication that is current, if that is another one than the last time."""
        name = publish.current(self._settings).version
        if name != self._known:
            self._known = name
            found = released(self._settings, self._briefing)
            if found.version != self._briefing.version:
                self.newer = found.version
                self._note("briefing", {"held": self._briefing.version, "released": found.version})

    def _age(self, at: int) -> None:
        """A simulated exchange has a clock of its own, by which nothing was made."""
        made = new_york(nanoseconds(self._briefing.created_at))
        if self._settings.daybot_mode is not Mode.SIM and made.date() < self._briefing.session:
            self._alarm(f"made {made:%Y-%m-%d %H:%M} New York, and none was released on {self._briefing.session}: look at the pre_open job", at)

    def _alarm(self, detail: str, at: int) -> None:
        """Once."""
        if detail != self._told:
            self._told = detail
            self._emit(Alarm("BRIEFING", detail, at))


def released(settings: Settings, held: Briefing) -> Briefing:
    """The newest briefing for the session of the one that is held, which may be itself.

    Raises StaleBriefing where it must not be traded on, MissingData where nothing is published, BrokenSnapshot where that cannot be read.
    """
    snapshot = publish.genuine(settings)
    try:
        found = snapshot.briefing(held.session)
    except StaleBriefing:  # a publication for another session
        return held
    return usable(settings, found)


def usable(settings: Settings, briefing: Briefing) -> Briefing:
    """Itself. Raises StaleBriefing where one of its blocking checks failed, or its numbers cannot be, or cannot follow on those traded on last."""
    if briefing.blocked:
        raise StaleBriefing(f"expected a briefing whose blocking checks passed, found failures: {briefing.blocked}; run the pre_open job again")
    before = next((head.briefing for head in recovery.heads(settings.journals) if head.briefing.session < briefing.session), None)
    if wrong := unsound(briefing, session_of(briefing.session), before):
        raise StaleBriefing(
            f"expected a briefing as the night makes them, found that in {briefing.version} {'; '.join(wrong)}; "
            "look at `daybot snapshots diff`, run the pre_open job again, or go back with `daybot snapshots use`"
        )
    return briefing
