"""One vendor's feed as a whole: is it there, does it speak, is it quick, is it whole? Judged on numbers that its report repeats."""

from collections import defaultdict
from dataclasses import dataclass
from statistics import median

from pipelines.core.market.bars import MINUTE, SECOND, Bar
from pipelines.core.market.session import Session, new_york

IN_A_ROW = 2
"""Minutes in a row that have to be slow or full of holes: one is an accident."""

HALF = 0.5
"""Share of a minute's bars that may be missing though the other vendor had them."""


PACE = 12
"""A canary's silence is one only beyond so many times its usual pause: by chance alone once in 160,000 trades, however thin it trades."""

KNOWN = 20
"""Trades after which its usual pause is known."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a feed may do and still be healthy; seconds."""

    silence: float
    lag: float


class Health:
    """Fed with what happens; asked for `fault`, which is empty while all is well. `fault[0]` is its kind, `fault[1]` says it in numbers."""

    def __init__(self, name: str, *, thin: bool, hours: Session, allowed: Allowed) -> None:
        self.name, self.thin = name, thin
        self.granted: frozenset[str] = frozenset()
        self.since: int | None = None
        """When it was subscribed."""
        self._began: int | None = None
        """When it was subscribed for the first time."""
        self.minute = 0
        """Start of the newest minute of which it brought a bar."""
        self.lag: float | None = None
        """Seconds that the bars of the last minute took on the way, in the middle."""
        self._hours, self._allowed = hours, allowed
        self._why = "not connected yet"
        self._lags: dict[int, list[float]] = defaultdict(list)
        self._slow = self._holes = 0
        self._holed = ""
        self._mute = False
        self._canary: list[int] = []
        """Its first and its newest trade of this connection, and how many there were."""

    def connected(self, symbols: frozenset[str], at: int) -> None:
        """It granted these symbols."""
        self._began = at if self._began is None else self._began
        if self.since is None:
            self.since, self._canary = at, []
            self._slow = self._holes = 0
        self.granted = symbols

    def asked(self, minute: int) -> frozenset[str]:
        """The symbols of which it should tell this minute: none of one that was over before it was ever subscribed."""
        return self.granted if self._began is not None and minute + MINUTE > self._began else frozenset()

    def lost(self, why: str, at: int) -> None:
        """Its connection is gone. One that ended in silence has to speak again, not only to be there again."""
        fault = self.fault(at)
        self._mute = self._mute or (fault is not None and fault[0] == "silent")
        self.since, self.granted, self._why = None, frozenset(), why

    def spoke(self) -> None:
        """Any market message of it."""
        self._mute = False

    def bar(self, bar: Bar, at: int) -> None:
        """A live bar of it."""
        self.minute = max(self.minute, bar.start)
        self._lags[bar.start].append((at - bar.start - MINUTE) / SECOND)

    def canary(self, at: int) -> None:
        """Its canary traded."""
        first, _, count = self._canary or (at, at, 0)
        self._canary = [first, at, count + 1]

    def settle(self, minute: int, missing: int, expected: int) -> None:
        """A minute is over and done with: of so many bars that the other vendor had it lacks so many."""
        if found := self._lags.pop(minute, None):
            self.lag = median(found)
            self._slow = self._slow + 1 if self.lag > self._allowed.lag else 0
        for old in [start for start in self._lags if start < minute]:
            del self._lags[old]
        if self.thin or not expected:
            return
        self._holes = self._holes + 1 if missing > HALF * expected else 0
        self._holed = f"{missing} of {expected} bars of {_clock(minute)} missing that the other had"

    def fault(self, at: int) -> tuple[str, str] | None:
        """Why it is not to be relied on."""
        if self.since is None:
            return "lost", self._why
        if not self.granted:
            return "refused", "subscribed to nothing"
        if silence := self._silence(at):
            return "silent", silence
        if self._mute:
            return "mute", "connected again after a silence and nothing has come yet"
        if self._slow >= IN_A_ROW:
            return "slow", f"bars came {self.lag:.1f} s after their minute for {self._slow} minutes, {self._allowed.lag:g} s are allowed"
        if self._holes >= IN_A_ROW:
            return "holes", f"{self._holed}, for {self._holes} minutes in a row"
        return None

    def _silence(self, at: int) -> str:
        """A minute of the session without a single bar, some time after its end; or a canary that has stopped."""
        allowed = round(self._allowed.silence * SECOND)
        assert self.since is not None
        if self._canary and self._hours.contains(at):
            first, newest, count = self._canary
            usual, gone = (newest - first) / max(count - 1, 1), (at - newest) / SECOND
            if count >= KNOWN and at - newest > max(allowed, PACE * usual):
                return f"its canary has not traded for {gone:.1f} s, usually every {usual / SECOND:.1f} s; {self._allowed.silence:g} s are allowed"
        patience = MINUTE if self.thin else 0  # one venue may have a minute without a trade in few and quiet names
        due = (at - allowed - patience) // MINUTE * MINUTE - MINUTE
        if not self._hours.contains(due) or self.since > due + MINUTE or self.minute >= due:
            return ""
        last = f"the last was of {_clock(self.minute)}" if self.minute else "there was none yet"
        return f"no bar of {_clock(due)} {(at - due - MINUTE) / SECOND:.1f} s after it, {last}"

    def numbers(self) -> str:
        """It in a few figures, for evidence."""
        lag = f"lag {self.lag:.1f} s" if self.lag is not None else "no lag measured"
        return f"{self.name}: {len(self.granted)} symbols, last bar {_clock(self.minute) if self.minute else 'none'}, {lag}"


def _clock(at: int) -> str:
    return f"{new_york(at):%H:%M}"
