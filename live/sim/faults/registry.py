"""The faults that are configured, how often each has acted, and the log of every injection."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from live.sim.clock import rfc3339
from live.sim.faults.fault import Fault
from live.sim.faults.points import Point
from live.sim.venue.agenda import Agenda

_KEPT = 10_000


class Active:
    """A fault with its count. Draws from its own seeded series, so that one fault never shifts another's chance."""

    def __init__(self, name: str, fault: Fault, *, seed: str, at: int) -> None:
        self.id = name
        self.fault = fault
        self.added = at
        self.seen = 0
        self.fired = 0
        self.alive = True
        self.subjects: dict[str, bool] = {}  # whether a lasting state holds for each
        self._rng = Random(seed)

    @property
    def spent(self) -> bool:
        return bool(self.fault.when.times) and self.fired >= self.fault.when.times

    def occurs(self, now: int) -> bool:
        """Count one occurrence and say whether the fault acts on it."""
        when = self.fault.when
        if not self.alive or self.spent or not when.holds(now):
            return False
        self.seen += 1
        if self.seen <= when.skip:
            return False
        if when.probability < 1 and self._rng.random() >= when.probability:
            return False
        self.fired += 1
        return True

    def shown(self) -> dict[str, Any]:
        return {"id": self.id, **self.fault.said, "seen": self.seen, "fired": self.fired, "added": rfc3339(self.added), "spent": self.spent}


class Registry:
    """Faults by the points they act at. Counts and times are the venue's: the same run injects the same faults."""

    def __init__(self, agenda: Agenda, *, seed: int) -> None:
        self._agenda = agenda
        self._seed = seed
        self._added = 0
        self._active: dict[str, Active] = {}
        self._points: dict[Point, list[Active]] = {}
        self._log: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self.injected = 0

    @property
    def now(self) -> int:
        return self._agenda.now

    def __iter__(self) -> Iterator[Active]:
        return iter(self._active.values())

    def __len__(self) -> int:
        return len(self._active)

    def at(self, *points: Point) -> bool:
        """Whether any fault acts at one of these points."""
        return any(self._points.get(point) for point in points)

    def add(self, fault: Fault) -> Active:
        self._added += 1
        active = Active(f"fault-{self._added}", fault, seed=f"{self._seed}:fault:{self._added}", at=self.now)
        self._active[active.id] = active
        for point in fault.points:
            self._points.setdefault(point, []).append(active)
        return active

    def remove(self, name: str) -> Active | None:
        active = self._active.pop(name, None)
        if active is not None:
            active.alive = False
            for point in active.fault.points:
                self._points[point].remove(active)
        return active

    def match(self, point: Point, facts: Mapping[str, str], *, only: Callable[[Fault], bool] | None = None) -> list[Active]:
        """Those that act on this occurrence, in the order they were added; each is counted and logged."""
        fitting = [active for active in self._points.get(point, ()) if active.fault.fits(facts) and (only is None or only(active.fault))]
        found = [active for active in fitting if active.occurs(self.now)]
        for active in found:
            self.note(active, point, facts)
        return found

    def fitting(self, point: Point, facts: Mapping[str, str]) -> list[Active]:
        """Those that may act; the caller finds out whether they would change anything, and asks `acts`."""
        return [active for active in self._points.get(point, ()) if active.fault.fits(facts) and not active.spent]

    def acts(self, active: Active, point: Point, facts: Mapping[str, str]) -> bool:
        """Count and log this occurrence."""
        acts = active.occurs(self.now)
        if acts:
            self.note(active, point, facts)
        return acts

    def first(self, point: Point, facts: Mapping[str, str]) -> Active | None:
        """The first that acts; the others do not count this occurrence."""
        for active in self._points.get(point, ()):
            if active.fault.fits(facts) and self.acts(active, point, facts):
                return active
        return None

    def lasting(self, point: Point, facts: Mapping[str, str], subject: str) -> Active | None:
        """A state rather than an event: counted and logged once for each subject, true as long as the window holds."""
        for active in self._points.get(point, ()):
            if not active.fault.fits(facts) or not active.fault.when.holds(self.now):
                continue
            if subject not in active.subjects and not active.spent:
                active.subjects[subject] = active.occurs(self.now)
                if active.subjects[subject]:
                    self.note(active, point, facts)
            if active.subjects.get(subject):
                return active
        return None

    def note(self, active: Active, point: Point, hit: Mapping[str, Any], **more: Any) -> None:
        """Enter an injection into the log."""
        self.injected += 1
        entry = {"at": rfc3339(self.now), "fault": active.id, "kind": active.fault.name, "point": point.value, "hit": dict(hit)}
        self._log.append({**entry, **more})

    def log(self) -> list[dict[str, Any]]:
        """The newest injections, oldest first."""
        return list(self._log)
