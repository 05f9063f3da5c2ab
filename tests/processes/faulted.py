"""Whole days of the real runner under random faults, in virtual time: real clients on real sockets of the simulated exchange, and a witness that
looks at the venue's own books every second. One seed is one day, the same every time.
"""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import Any

from market import briefing_of, symbol_brief
from staged import VenueClock, _InProcess

from live import journal
from live.clock import LoopClock
from live.journal import Journal
from live.runner import Runner
from live.sim.clock import SECOND, local
from live.sim.inloop import Hosted, hosting
from live.sim.venue.orders import Order
from live.sim.virtual import VirtualLoop
from live.sim.worlds.world import World
from pipelines import roster
from pipelines.core.backtest.replay import Difference, replay
from pipelines.core.errors import DaybotError
from pipelines.core.journal import Manifest, Record
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.engine import Engine
from pipelines.settings import Settings, load
from pipelines.vendors.alpaca import Alpaca
from pipelines.vendors.calendar import session_of
from pipelines.vendors.polygon import Polygon

ALIVE = {"new", "held", "accepted", "pending_new", "partially_filled", "pending_replace"}
PROTECTS = {"stop", "stop_limit", "trailing_stop", "market"}
OUTAGE = 40 * SECOND
"""After the broker answers again: so long nobody is held to anything."""


def scenario(seed: int, day: date, symbols: Sequence[str], *, faults: int = 8) -> list[dict[str, Any]]:
    """Faults of several kinds at random times of the session, sorted by time."""
    rng = Random(seed)
    hours = session_of(day)
    last = (hours.close - hours.open) // SECOND - 30 * 60

    def moment() -> str:
        at = hours.open + rng.randint(120, last) * SECOND
        return f"{datetime.fromtimestamp(at / SECOND, tz=UTC):%Y-%m-%dT%H:%M:%SZ}"

    def stream(*choices: str) -> str:
        return rng.choice(choices or ("market", "polygon", "trading"))

    def symbol() -> str:
        return rng.choice(list(symbols))

    bars = {"market": "b", "polygon": "AM"}
    data = stream("market", "polygon")
    kinds: list[dict[str, Any]] = [
        {"kind": "stream.mute", "stream": stream(), "for": rng.choice((30, 90, 300))},
        {"kind": "stream.drop", "stream": stream(), "probability": 0.5, "for": rng.choice((60, 300))},
        {"kind": "stream.slow", "stream": stream(), "seconds": rng.choice((0.5, 3, 20)), "for": 120},
        {"kind": "stream.duplicate", "stream": stream(), "copies": rng.choice((1, 3)), "for": 300},
        {"kind": "stream.reorder", "stream": "trading", "times": 5, "seconds": 5},
        {
            "kind": "stream.corrupt",
            "stream": data,
            "type": bars[data],
            "value": rng.choice(("nan", "negative", "inverted", "text", "zero")),
            "times": 5,
        },
        {"kind": "stream.scale", "stream": data, "type": bars[data], "symbol": symbol(), "percent": rng.choice((-4, 2, 8)), "for": 180},
        {"kind": "stream.malformed", "stream": stream("market", "polygon"), "times": 2},
        {"kind": "stream.revise", "stream": "market", "percent": rng.choice((0.05, -0.3)), "for": 300},
        {"kind": "stream.close", "stream": stream(), "code": rng.choice((1000, 1001, 1006, 1008, 1011))},
        {"kind": "stream.burst", "stream": data, "copies": 20, "for": 60},
        {"kind": "stream.set", "stream": "trading", "field": "event", "to": "restated_again", "times": 3},
        {"kind": "rest.reset", "stage": rng.choice(("before", "after")), "times": rng.choice((1, 4))},
        {"kind": "rest.status", "status": rng.choice((500, 502, 503, 504)), "stage": rng.choice(("before", "after")), "body": "html", "for": 20},
        {"kind": "rest.status", "status": 504, "stage": "after", "method": "POST", "path": "/v2/orders", "times": 2},
        {"kind": "rest.limit", "for": 15, "retry_after": 3},
        {"kind": "rest.hidden", "seconds": 4, "for": 600},
        {"kind": "rest.stale", "seconds": 8, "for": 300},
        {"kind": "rest.empty", "for": 30},
        {"kind": "rest.held", "seconds": 5, "for": 600},
        {"kind": "rest.refuse", "reason": rng.choice(("buying_power", "wash", "held", "other")), "times": 2},
        {"kind": "match.partial", "role": "entry", "shares": 1},
        {"kind": "match.cancel", "role": "stop_loss", "silent": rng.choice((True, False))},
        {"kind": "match.cancel_slow", "seconds": 5, "times": 3},
        {"kind": "match.cancel_fill", "times": 1},
        {"kind": "match.both", "times": 1},
        {"kind": "match.replace_reject", "times": 2},
        {"kind": "match.halt", "symbol": symbol(), "lasts": rng.choice((120, 600)), "gap": rng.choice((-3, 3))},
        {"kind": "match.jump", "symbol": symbol(), "percent": rng.choice((-6, 4))},
        {"kind": "clock.skew", "seconds": rng.choice((-3, 30)), "for": 900},
    ]
    chosen = rng.sample(kinds, faults)
    timed = {"stream.close", "match.cancel", "match.halt", "match.jump"}
    made = [{**fault, "at" if fault["kind"] in timed else "from": moment()} for fault in chosen]
    return sorted(made, key=lambda fault: str(fault.get("at", fault.get("from"))))


@dataclass
class Lived:
    """What came of a day. `naked` are the longest seconds without protection by symbol, `wrong` what no books may ever say."""

    faults: list[dict[str, Any]]
    path: Path
    books: dict[str, Any] = field(default_factory=dict)
    naked: dict[str, tuple[float, int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def records(self) -> list[Record]:
        return list(journal.read(self.path))

    @property
    def difference(self) -> Difference | None:
        """Where a replay parts from the journal."""
        records = self.records
        return replay(records, roster.restored(Manifest.model_validate(records[0].data))).difference

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [order for order in self.books["orders"] if order["client_order_id"].endswith("entry")]


class Witness:
    """Looks at the venue every second of a day. `outages` are times in which the broker was made not to answer."""

    def __init__(self, exchange: Hosted, lived: Lived, outages: Sequence[tuple[int, int]]) -> None:
        self._venue, self._lived, self._outages = exchange.core.venue, lived, outages
        self._since: dict[str, int] = {}
        self._seen = 0

    def look(self) -> None:
        venue, now = self._venue, self._venue.now
        naked = {symbol: gap for symbol in list(venue.desk.account.positions) if (gap := self._gap(symbol))}
        excused = any(start <= now < stop for start, stop in self._outages)
        for symbol in set(self._since) - set(naked):
            del self._since[symbol]
        for symbol in naked:
            if excused or venue.tape.halted(symbol, now):
                self._since[symbol] = now
            seconds = (now - self._since.setdefault(symbol, now)) / SECOND
            if seconds > self._lived.naked.get(symbol, (0.0, 0))[0]:
                self._lived.naked[symbol] = (seconds, now)
        self._turned()

    def _gap(self, symbol: str) -> int:
        held = int(venue_quantity(self._venue, symbol))
        out = "sell" if held > 0 else "buy"
        covered = sum(_left(order) for order in self._venue.desk.open(symbol) if order.side == out and _protects(order))
        return max(abs(held) - covered, 0) if held else 0

    def _turned(self) -> None:
        """An exit never makes a position of the other side."""
        fills = self._venue.desk.account.fills
        for fill in fills[self._seen :]:
            before = fill.position - (fill.qty if fill.order.side == "buy" else -fill.qty)
            if before * fill.position < 0:
                self._lived.wrong.append(f"{fill.order.symbol} turned from {before} to {fill.position} by {fill.order.client_order_id}")
        self._seen = len(fills)


def venue_quantity(venue: Any, symbol: str) -> Any:
    return venue.desk.account.positions[symbol].qty


def _left(order: Order) -> int:
    return int((order.qty or 0) - order.filled_qty)


def _protects(order: Order) -> bool:
    """A leg does once its entry is filled, before that it sleeps; of a pair of exits each is awake."""
    entry = order.parent if order.parent is not None and order.parent.side != order.side else None
    asleep = entry is not None and entry.status not in {"filled", "replaced"}
    return order.status in ALIVE and order.type in PROTECTS and not asleep


def live_day(
    home: Path, world: World, day: date, symbols: Sequence[str], faults: list[dict[str, Any]], *, seed: int, limits: Limits | None = None
) -> Lived:
    """The session from 09:29 to its end, at the latest ten minutes after the close."""
    random.seed(seed)  # alpaca-py's pauses between its tries are drawn from the global one
    hours = session_of(day)

    async def run() -> Lived:
        start = local(day, 9, 29)
        clock, venue_clock = LoopClock(start), VenueClock(start)
        clock.now()
        async with hosting(world, venue_clock, scenario=faults, partial_rate=0.1) as exchange:
            settings = _settings(home, exchange.url)
            manifest, engine = _engine(world, day, symbols, limits or settings.limits, seed)
            lived = Lived(faults, settings.journals / f"{day}-01-{seed:04d}.jsonl")
            runner = Runner(settings, engine, Journal(lived.path), clock, symbols=list(symbols), watch=lambda *_: None)
            _mount(exchange, runner)
            witness = Witness(exchange, lived, list(_outages(faults)))
            running = asyncio.create_task(runner.run(manifest, []))
            try:
                while not running.done() and clock.now() < hours.close + 600 * SECOND:
                    await asyncio.wait({running}, timeout=1.0)
                    witness.look()
            finally:
                runner.stop()
                await asyncio.wait({running})
            error = running.exception()
            lived.error = f"{type(error).__name__}: {error}" if error is not None else ""
            if error is not None and not isinstance(error, DaybotError):
                raise error
            lived.books = exchange.books()
        return lived

    with asyncio.Runner(loop_factory=VirtualLoop) as loop:
        return loop.run(run())


def _settings(home: Path, url: str) -> Settings:
    keys = {"alpaca_api_key": "SIM", "alpaca_secret_key": "SIM", "polygon_api_key": "SIM"}
    return load(
        daybot_mode="sim", daybot_home=home, alpaca_base_url=url, alpaca_feed="sip", polygon_rate=10_000, strategies="momentum,orb,reversion", **keys
    )


def _engine(world: World, day: date, symbols: Sequence[str], limits: Limits, seed: int) -> tuple[Manifest, Engine]:
    opens = {symbol: float(world.day(day)[symbol].o[0]) for symbol in symbols}
    briefs = {symbol: symbol_brief(symbol, close=price, atr=price / 50) for symbol, price in opens.items()}
    hours = session_of(day)
    at = {"session": day, "open": datetime.fromtimestamp(hours.open / SECOND, tz=UTC), "close": datetime.fromtimestamp(hours.close / SECOND, tz=UTC)}
    briefing = briefing_of(symbols).model_copy(update={**at, "symbols": briefs})
    employed = roster.employ("momentum,orb,reversion")
    run = f"{seed:04d}"
    named = tuple(roster.employed(allocation) for allocation in employed)
    manifest = Manifest(session=day, run=run, mode="sim", account="PA", code="", strategies=named, limits=limits, briefing=briefing)
    return manifest, Engine(briefing, limits, employed, run=run)


def _mount(exchange: Hosted, runner: Runner) -> None:
    """Synchronous clients cannot share their thread with the exchange over a socket."""
    for routes in runner.broker.lanes.routes.values():
        for route in routes:
            exchange.mount(route._session)
    for history in runner.feed._backfill._histories.values():
        if isinstance(history, Alpaca):
            exchange.mount(history._session)
        else:
            assert isinstance(history, Polygon)
            history._pool._pool = _InProcess(exchange)


def _outages(faults: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, int]]:
    """When requests were made to fail, and some time after."""
    for fault in faults:
        if fault["kind"] in {"rest.reset", "rest.status", "rest.limit", "rest.empty"} and "from" in fault:
            start = round(datetime.fromisoformat(fault["from"]).timestamp()) * SECOND
            yield start, start + round(fault.get("for", 60)) * SECOND + OUTAGE
