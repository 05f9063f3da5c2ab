"""What the venue tells, written to every websocket that wants it, each frame in the encoding its client asked for and made only once."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgpack

from live.sim.alpaca import channels
from live.sim.alpaca.history import History
from live.sim.alpaca.lines import FAKE, MarketLine, TradingLine
from live.sim.alpaca.wire import update_json
from live.sim.clock import MINUTE
from live.sim.venue.account import Fill
from live.sim.venue.agenda import BOUNDARY
from live.sim.venue.orders import Order
from live.sim.venue.venue import Venue
from live.sim.worlds.halts import Change
from live.sim.worlds.slips import Slip
from live.sim.worlds.tape import Print
from live.sim.worlds.world import Bars

_DELAY = 15 * MINUTE  # of the feed that costs nothing

Messages = list[tuple[str, str, Callable[[bool], Any]]]
"""Channel, symbol, and what encodes the message, packed or not."""


class Streams:
    """Hears the venue and keeps the register of clients. Implements the desk's audience."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._history = History(venue.world, venue.slips)
        self.market: list[MarketLine] = []
        self.trading: list[TradingLine] = []
        self._gone = {"market": 0, "trading": 0}
        venue.desk.audience = self

    @property
    def sent(self) -> dict[str, int]:
        """Messages written since the start, closed connections included."""
        return {
            "market": self._gone["market"] + sum(line.sent for line in self.market),
            "trading": self._gone["trading"] + sum(line.sent for line in self.trading),
        }

    @property
    def clients(self) -> dict[str, int]:
        """Connections that have subscribed to something or are listening: from then on they miss nothing."""
        return {
            "market": sum(line.open and any(line.channels.values()) for line in self.market),
            "trading": sum(line.open and line.listens for line in self.trading),
        }

    def enter(self, line: MarketLine | TradingLine) -> None:
        if isinstance(line, MarketLine):
            self.market.append(line)
        else:
            self.trading.append(line)

    def leave(self, line: MarketLine | TradingLine) -> None:
        """Also of a client that was never let in."""
        line.open = False
        lines: list[Any] = self.market if isinstance(line, MarketLine) else self.trading
        if line in lines:
            lines.remove(line)
            self._gone["market" if isinstance(line, MarketLine) else "trading"] += line.sent

    def kick(self) -> None:
        """Start writing what waits."""
        for line in (*self.market, *self.trading):
            line.kick()

    async def flush(self) -> None:
        """Write what waits, all clients at the same time; returns when it is written or the slow are cut off."""
        await asyncio.gather(*(line.flush() for line in (*self.market, *self.trading)))

    async def stop(self) -> None:
        await asyncio.gather(*(line.close(1001) for line in (*self.market, *self.trading)))

    # What the venue tells

    def watches(self, symbol: str) -> bool:
        return any(line.wants("trades", symbol) or line.wants("quotes", symbol) for line in self.market)

    def bars(self, rows: list[tuple[str, Bars, int]]) -> None:
        """One frame a client: the minute's bars, and the running days and price bands for those who asked."""
        found: Messages = [("bars", symbol, _bar("b", symbol, bars, row)) for symbol, bars, row in rows]
        if any(line.channels.get("dailyBars") for line in self.market):
            days = ((symbol, self._history.running(symbol, self._venue.session, self._venue.now)) for symbol, _, _ in rows)
            found += [("dailyBars", symbol, _bar("d", symbol, day, 0)) for symbol, day in days if len(day)]
        if any(line.channels.get("lulds") for line in self.market):
            found += [("lulds", symbol, self._band(symbol)) for symbol, _, _ in rows]
        self._tell(found)

    def trade(self, symbol: str, trade: Print) -> None:
        tape = self._tape(symbol)
        self._tell(
            [
                ("trades", symbol, lambda packed: channels.trade_message(symbol, trade, tape, packed=packed)),
                ("quotes", symbol, lambda packed: channels.quote_message(symbol, trade, tape, packed=packed)),
            ]
        )

    def fake(self, trade: Print, bars: Bars | None) -> None:
        """Of the test feed's stock, which is on no exchange."""
        found: Messages = [
            ("trades", FAKE, lambda packed: channels.trade_message(FAKE, trade, "C", packed=packed)),
            ("quotes", FAKE, lambda packed: channels.quote_message(FAKE, trade, "C", packed=packed)),
        ]
        self._tell(found if bars is None else [*found, ("bars", FAKE, _bar("b", FAKE, bars, 0))])

    def halt(self, symbol: str, change: Change) -> None:
        tape = self._tape(symbol)
        self._tell([("statuses", symbol, lambda packed: channels.status_message(symbol, change, tape, packed=packed))])

    def amend(self, symbol: str, slip: Slip, bars: Bars, row: int) -> None:
        """A trade that was told late or wrongly is put right, and with it the minute's bar."""
        tape, found = self._tape(symbol), Messages()
        if slip.kind == "late":
            found.append(("trades", symbol, lambda packed: channels.trade_message(symbol, slip.trade, tape, packed=packed)))
        elif slip.kind == "correction":
            found.append(("corrections", symbol, lambda packed: channels.correction_message(symbol, slip, tape, packed=packed)))
        else:
            found.append(("cancelErrors", symbol, lambda packed: channels.cancel_message(symbol, slip, tape, packed=packed)))
        self._tell([*found, ("updatedBars", symbol, _bar("u", symbol, bars, row))])

    def update(self, event: str, event_id: str, order: Order, fill: Fill | None, *, at: int) -> None:
        execution = fill.id if fill is not None else _execution(event_id)
        settles = self._venue.world.calendar.after(self._venue.session.date).date.isoformat()
        listening = [line for line in self.trading if line.listens]
        if listening:
            body = update_json(event, event_id, order, fill, at=at, execution=execution, settles=settles)
            for line in listening:
                line.say(body, 1)

    def _tape(self, symbol: str) -> str:
        return self._venue.world.assets[symbol].tape

    def _band(self, symbol: str) -> Callable[[bool], Any]:
        now, tape = self._venue.now, self._tape(symbol)
        band = self._venue.tape.band(symbol, now)
        return lambda packed: channels.band_message(symbol, band, now, tape, packed=packed)

    def _tell(self, messages: Messages) -> None:
        """Each message is encoded once a kind of encoding; a client's frame is the array of those it wants."""
        made: dict[tuple[int, bool], Any] = {}
        frames: dict[tuple[bool, tuple[int, ...]], str | bytes] = {}
        for line in self.market:
            wanted = tuple(n for n, (channel, symbol, _) in enumerate(messages) if line.wants(channel, symbol))
            if not wanted:
                continue
            if (line.packed, wanted) not in frames:
                for n in wanted:
                    if (n, line.packed) not in made:
                        made[n, line.packed] = messages[n][2](line.packed)
                frames[line.packed, wanted] = _array([made[n, line.packed] for n in wanted], packed=line.packed)
            self._put(line, frames[line.packed, wanted], len(wanted))

    def _put(self, line: MarketLine, frame: str | bytes, count: int) -> None:
        """Delayed feeds get everything a quarter of an hour later."""
        if line.feed == "delayed_sip":
            self._venue.agenda.at(self._venue.now + _DELAY, BOUNDARY, lambda: line.put(frame, count))
        else:
            line.put(frame, count)


def _bar(kind: str, symbol: str, bars: Bars, row: int) -> Callable[[bool], Any]:
    return lambda packed: channels.bar_message(kind, symbol, bars, row, packed=packed)


def _array(messages: Iterable[Any], *, packed: bool) -> str | bytes:
    """Messages are encoded already: an array is their header and their concatenation."""
    every = list(messages)
    if not packed:
        return "[" + ",".join(every) + "]"
    head: bytes = msgpack.Packer().pack_array_header(len(every))
    return head + b"".join(every)


def _execution(event_id: str) -> str:
    """Events that are no executions carry an execution id too; it is made from the event's."""
    return str(uuid5(NAMESPACE_OID, event_id))
