"""One stream of events out of two vendors. Both are connected all day; per symbol and minute the first copy wins and the other is compared with it.

Where one vendor shows the whole market and the other one venue (IEX), first come would mix volumes that do not compare: there the vendor that
leads is listened to, and the other one's copies are used from the moment that it leads itself. All clockwork hangs on `tick`.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

from live.clock import Clock
from live.feeds.backfill import Backfill, History, Minutes
from live.feeds.compare import KEPT, Comparison
from live.feeds.gaps import Gaps
from live.feeds.health import Allowed, Health
from live.feeds.lead import Lead, Switch
from live.feeds.supervisor import Supervisor
from live.feeds.trust import Trust
from live.feeds.vendor import Ending, Feed, Note, Refuse, Sink
from live.tasks import end
from pipelines.core.market.bars import MINUTE, SECOND, Bar
from pipelines.core.market.session import Session
from pipelines.core.trading.events import Band, Event, FeedStatus, Halt, Market, MarketBar, MarketQuote, MarketTrade, RevisedBar, Taint
from pipelines.settings import Settings

SUBSCRIBING = 5 * SECOND
"""How long a new connection may take to answer for every symbol."""

RENEWED = 2 * MINUTE
"""How far ahead it is said that a symbol is not served."""

CROWDED = "another connection has been using these keys for two minutes: it is not a dead one of ours, so somebody else trades with them"

Open = Callable[[Sink], Sequence[Feed]]
"""Makes the vendors' feeds, by preference, with this sink."""


class Failover:
    """The feeds of a session as one. `emit` takes the events, `note` what only the journal keeps, `refuse` what no market can have sent."""

    def __init__(
        self,
        settings: Settings,
        symbols: Sequence[str],
        vendors: Open,
        histories: Mapping[str, History],
        *,
        hours: Session,
        clock: Clock,
        chance: Random,
        emit: Callable[[Event], None],
        refuse: Refuse,
        note: Note,
        heard: Callable[[], None],
    ) -> None:
        self.ready = asyncio.Event()
        """Set once a vendor has granted something."""
        self._symbols, self._hours, self._clock, self._made = frozenset(symbols), hours, clock, clock.now()
        pace = max(clock.speed or 1.0, 1.0)
        """Of a simulated market that runs faster than ours, seconds of the line and of the machine are as many more of its own."""
        self._emit, self._refuse, self._note, self._heard = emit, refuse, note, heard
        feeds = vendors(self)
        self._feeds = {feed.name: feed for feed in feeds}
        self._mixed = len({feed.thin for feed in feeds}) > 1
        allowed = Allowed(settings.feed_stale_after * pace, settings.feed_lag * pace)
        self._health = {name: Health(name, thin=feed.thin, hours=hours, allowed=allowed) for name, feed in self._feeds.items()}
        self._connections = {name: Supervisor(feed, clock, chance, ended=self._ended, note=note) for name, feed in self._feeds.items()}
        self._lead = Lead(list(self._feeds), settings.failback_after)
        self._comparison = Comparison(self._feeds, symbols)
        self._trust = Trust(self._comparison, settings.feed_disagreement_bp, settings.failback_after, say=self._say)
        self._backfill = Backfill(histories, clock, order=self._order, filled=self._filled, note=note)
        self._gaps = Gaps(symbols, self._health, self._comparison, hours, round(settings.backfill_wait * pace * SECOND), ask=self._backfill.ask)
        self._settling, self._subscribing = round(allowed.silence * SECOND), round(SUBSCRIBING * pace)
        self._settled = self._made - MINUTE
        self._told: dict[str, tuple[str, ...]] = {}
        self._halted: dict[str, bool] = {}
        self._bands: dict[str, tuple[float, float]] = {}
        self._unserved: dict[str, int] = {}
        """Symbols that no vendor grants, and until when that keeps entries away."""

    @property
    def lead(self) -> str:
        """The vendor that leads: the name that its events carry."""
        return self._lead.name

    @property
    def received(self) -> int:
        """Market messages taken in, of every kind and vendor."""
        return sum(feed.received for feed in self._feeds.values())

    @property
    def busy(self) -> bool:
        """A connection is being made, or history fetched: what comes of it is not known yet."""
        return self._backfill.busy or any(connection.opening for connection in self._connections.values())

    def standing(self, at: int) -> list[tuple[str, Health, tuple[str, str] | None]]:
        """Every vendor with its health and what is wrong with it at this moment, if anything."""
        return [(name, health, health.fault(at)) for name, health in self._health.items()]

    async def follow(self) -> None:
        """Keep all vendors connected until cancelled."""
        tasks = [asyncio.create_task(connection.follow()) for connection in self._connections.values()]
        tasks.append(asyncio.create_task(self._backfill.follow()))
        try:
            await asyncio.gather(*tasks)
        finally:
            await end(tasks)

    async def close(self) -> None:
        """Let go of what `follow` does not end."""
        self._backfill.close()

    def hold(self, reason: str) -> None:
        """Read no more: what was read is not worked off. Nothing is dropped: what is missed meanwhile is fetched after `release`."""
        for connection in self._connections.values():
            connection.hold(reason)

    def release(self) -> None:
        """Read again."""
        for connection in self._connections.values():
            connection.release()

    def begin(self, history: Iterable[Bar], seen: Mapping[str, int] | None = None) -> None:
        """Hand on the day so far, all of it late, and then live bars; what came in between is fetched.

        `history` is what a vendor had of today when this object was made, without what an earlier run has `seen`: starts by symbol.
        """
        now = self._clock.now()
        last = {symbol: max(self._made - self._made % MINUTE - 2 * MINUTE, (seen or {}).get(symbol, 0)) for symbol in sorted(self._symbols)}
        for bar in history:
            self._emit(MarketBar(bar, self.lead, now, late=True))
            last[bar.symbol] = max(last.get(bar.symbol, 0), bar.start)
        for symbol in sorted(self._symbols):
            self._hand_on(self._gaps.begin(symbol, last[symbol], self._source(symbol), now))

    def tick(self, at: int) -> None:
        """Time has come so far: settle minutes, find silence, switch, give up what does not come."""
        while self.ready.is_set() and self._settled + 2 * MINUTE + self._settling <= at:
            self._settled += MINUTE
            self._settle(self._settled, at)
        for name, health in self._health.items():
            fault = health.fault(at)
            if fault is not None and fault[0] == "silent":
                self._connections[name].cut(fault[1])
        self._look(at)
        for symbol, lost, bars in self._gaps.overdue(at):
            self._backfill.forget(symbol)
            self._taint(symbol, f"{lost} minutes are missing and no vendor's history answered for them", at + Gaps.LASTS, at)
            self._hand_on(bars)
        self._look_for_unserved(at)

    # --- what the vendors say: the sink

    def pulse(self, vendor: str) -> None:
        """A message arrived."""
        self._connections[vendor].spoke = True
        self._health[vendor].spoke()
        self._heard()

    def canary(self, vendor: str) -> None:
        """The canary traded."""
        self._health[vendor].canary(self._clock.now())

    def heard(self, vendor: str, event: Market) -> None:
        """One event of one vendor: handed on, kept for comparison, or both. What comes most is looked for first."""
        match event:
            case MarketQuote(quote):
                if self._source(quote.symbol) == vendor:
                    self._emit(event)
            case MarketTrade(trade):
                if self._source(trade.symbol) == vendor:
                    self._emit(event)
            case MarketBar():
                self._bar(vendor, event)
            case RevisedBar(bar):
                if bar.symbol in self._symbols and self._counts(vendor, bar.symbol):
                    self._emit(event)
            case Halt(symbol, halted):
                self._halt(symbol, halted, event)
            case Band(symbol, low, high):
                if self._bands.get(symbol) != (low, high):
                    self._bands[symbol] = (low, high)
                    self._emit(event)
            case Taint(symbol, detail, until, at):
                self._taint(symbol, detail, until, at)

    def subscribed(self, vendor: str, symbols: frozenset[str], detail: str) -> None:
        """A vendor answered what was asked of it."""
        now, health = self._clock.now(), self._health[vendor]
        health.connected(symbols, now)
        self._connections[vendor].subscribed()
        fault = health.fault(now)
        self._report(vendor, fault, now, f"{detail}, but {fault[1]}" if fault else detail)
        if symbols and not self.ready.is_set():
            self._settled = now - now % MINUTE - MINUTE  # what ended before nobody can have heard
            self.ready.set()
        self._look(now)
        self._gaps.back(vendor, now)
        for symbol in sorted(symbols):
            self._gaps.catch_up(symbol, self._source(symbol), now)
        self._heard()

    def troubled(self, vendor: str, detail: str) -> None:
        """A vendor complained; whether it still serves shows by what it sends."""
        self._emit(FeedStatus(vendor, False, detail, self._clock.now()))
        self._told[vendor] = ("troubled", detail)
        self._heard()

    def refuse(self, vendor: str, symbol: str, reason: str, message: Any) -> None:
        """A message that no market can have sent; `symbol` is empty where a whole frame could not be read."""
        self._refuse(f"{vendor}: {reason}", message)
        self._gaps.refused(symbol, self._clock.now())
        self._heard()

    def _ended(self, vendor: str, ending: Ending, pause: float) -> None:
        now = self._clock.now()
        self._gaps.away(vendor, now)
        self._health[vendor].lost(ending.detail, now)
        why = CROWDED if self._connections[vendor].crowded else ending.detail
        self._report(vendor, ("lost", why), now, f"{why}; the next try in {pause:.1f} s")
        self._look(now)
        self._heard()

    # --- bars

    def _bar(self, vendor: str, event: MarketBar) -> None:
        bar, now = event.bar, event.at
        if bar.symbol not in self._symbols:
            return
        self._health[vendor].bar(bar, now)
        copies = self._comparison.add(vendor, bar, now)
        if self._halted.get(bar.symbol) and bar.start >= self._gaps.halted_at(bar.symbol):
            self._halt(bar.symbol, False, Halt(bar.symbol, False, "a bar was printed", now))
        if self._counts(vendor, bar.symbol):
            self._hand_on(self._gaps.offer(event, vendor, now))
        if len(copies) > 1 and copies[vendor].bar is bar:
            self._compared(bar.symbol, bar.start, now)

    def _compared(self, symbol: str, minute: int, now: int) -> None:
        """Two vendors' words on one minute: far apart, nobody enters; and where one of them is plainly wrong, it is no longer followed here."""
        doubt = self._trust.judge(symbol, minute, now)
        if doubt is None:
            return
        self._taint(symbol, doubt.detail, doubt.until, now)
        if doubt.wrong:
            right = next(copy.bar for name, copy in self._comparison.copies(minute, symbol).items() if name != doubt.wrong)
            if self._gaps.last(symbol) == minute:
                self._emit(RevisedBar(right, self._source(symbol), now))
            self._take_over(symbol, now)

    def _hand_on(self, bars: Iterable[MarketBar]) -> None:
        for bar in bars:
            self._emit(bar)

    def _filled(self, vendor: str, asked: Minutes, bars: dict[str, list[Bar]]) -> None:
        now = self._clock.now()
        for symbol, minutes in asked.items():
            self._hand_on(self._gaps.filled(symbol, bars[symbol], vendor, minutes, now))
        self._heard()

    def _order(self) -> list[str]:
        """Whose history to ask: Alpaca answers for all symbols at once; but the volumes have to be those of the vendor that leads."""
        names = sorted(self._feeds)
        return names if not self._mixed else [self._lead.name, *(name for name in names if name != self._lead.name)]

    # --- who is followed

    def _source(self, symbol: str) -> str:
        """The vendor that is followed in this symbol."""
        lead = self._lead.name
        if symbol in self._health[lead].granted and self._trust.suspended(symbol) != lead:
            return lead
        other = self._beside(lead)
        return other if symbol in self._health[other].granted else lead

    def _beside(self, vendor: str) -> str:
        """The other vendor; the same where there is no other."""
        return next((name for name in self._feeds if name != vendor), vendor)

    def _counts(self, vendor: str, symbol: str) -> bool:
        """Whether a bar of this vendor may be the one that wins."""
        return self._source(symbol) == vendor or not (self._mixed or self._trust.suspended(symbol) == vendor)

    def _look(self, at: int) -> None:
        """Report what has changed, and have the better vendor lead."""
        faults = {name: health.fault(at) for name, health in self._health.items()}
        for name, fault in faults.items():
            self._report(name, fault, at)
        if self._lead.name not in self._told and self._connections[self._lead.name].opening:
            return  # it has not had its chance yet
        switch = self._lead.choose({name: fault[1] if fault else "" for name, fault in faults.items()}, at)
        if switch is not None:
            self._switched(switch, at)

    def _switched(self, switch: Switch, at: int) -> None:
        evidence = "; ".join(self._health[name].numbers() for name in (switch.left, switch.taken))
        self._emit(FeedStatus(switch.taken, True, f"leads instead of {switch.left}: {switch.why}; {evidence}", at))
        self._note("switch", {"left": switch.left, "taken": switch.taken, "why": switch.why, "evidence": evidence})
        self._note("compare", self._comparison.summary(self._settled, {name: h.asked(self._settled) for name, h in self._health.items()}))
        for symbol in sorted(self._symbols):
            if self._mixed:  # what the one venue did not print is no gap of the whole market
                self._gaps.settle(symbol, self._health[switch.left].minute)
            self._take_over(symbol, at)

    def _take_over(self, symbol: str, at: int) -> None:
        """What the vendor that is followed now had said already of later minutes, and nobody listened to."""
        source = self._source(symbol)
        for copy in self._comparison.of(source, symbol, self._gaps.last(symbol)):
            self._hand_on(self._gaps.offer(MarketBar(copy.bar, source, copy.at), source, at))

    def _settle(self, minute: int, at: int) -> None:
        """A minute is over, and what has not come of it is missing."""
        if not self._hours.contains(minute):
            return
        asked = {name: health.asked(minute) for name, health in self._health.items()}
        for name, health in self._health.items():
            lacking, expected = self._comparison.missing(name, minute, sorted(asked[name]))
            health.settle(minute, len(lacking), expected)
            if not health.thin and health.since is not None and len(lacking) * 2 <= expected:
                for symbol in lacking:
                    if self._trust.missed(symbol, name, minute):
                        self._take_over(symbol, at)
        self._trust.settle(minute)
        self._note("compare", {**self._comparison.summary(minute, asked), "lead": self._lead.name})
        self._comparison.forget(minute - KEPT * MINUTE)

    def _report(self, vendor: str, fault: tuple[str, str] | None, at: int, detail: str = "") -> None:
        """A vendor's health where it has changed."""
        if vendor not in self._told and fault is not None and fault[1] == "not connected yet":
            return
        kind = ("well",) if fault is None else (fault[0], fault[1] if fault[0] in ("lost", "refused") else "")
        if self._told.get(vendor) != kind:
            self._told[vendor] = kind
            said = detail or (fault[1] if fault else self._health[vendor].numbers())
            self._emit(FeedStatus(vendor, fault is None, said, at))

    def _say(self, symbol: str, doubted: str, why: str) -> None:
        """A vendor is no longer believed in a single symbol, or is again: from whom to whom that leads, which is nowhere where it did not lead."""
        taken, now = self._source(symbol), self._clock.now()
        left = self._beside(taken) if doubted == self._lead.name else taken
        self._emit(FeedStatus(taken, self._health[taken].fault(now) is None, f"{symbol} is followed here: {why}", now))
        self._note("switch", {"symbol": symbol, "doubted": doubted, "left": left, "taken": taken, "why": why})

    # --- halts and doubts

    def _halt(self, symbol: str, halted: bool, event: Halt) -> None:
        if symbol not in self._symbols or self._halted.get(symbol, False) == halted:
            return
        self._halted[symbol] = halted
        self._gaps.halt(symbol, halted, event.at)
        self._emit(event)

    def _taint(self, symbol: str, detail: str, until: int, at: int) -> None:
        if symbol in self._symbols:
            self._emit(Taint(symbol, detail, until, at))

    def _look_for_unserved(self, at: int) -> None:
        """Symbols that no vendor grants, or only one that was caught wrong in them, may not be entered; said anew before it runs out."""
        there = {name: health for name, health in self._health.items() if health.since is not None}
        if not there or any(at - (health.since or 0) < self._subscribing for health in there.values()):
            return
        wrong = {symbol: self._trust.suspended(symbol) for symbol in self._trust.doubted}
        served = {symbol for name, health in there.items() for symbol in health.granted if wrong.get(symbol) != name}
        self._unserved = {symbol: self._unserved.get(symbol, 0) for symbol in sorted(self._symbols - served)}
        for symbol, until in self._unserved.items():
            if until <= at + RENEWED // 2:
                self._unserved[symbol] = at + RENEWED
                why = f"only {wrong[symbol]} grants it, which is not believed" if symbol in wrong else "no vendor grants it"
                self._taint(symbol, why, at + RENEWED, at)
