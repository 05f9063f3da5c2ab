"""What the venue tells, written to every websocket that wants it, each frame in the encoding its client asked for and made only once."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgpack

from live.sim.alpaca.data.history import History
from live.sim.alpaca.data.ticks import Place, place_of
from live.sim.alpaca.streams import channels
from live.sim.alpaca.streams.lines import FAKE, MarketLine, TradingLine
from live.sim.alpaca.trading.wire import update_json
from live.sim.venue.account import Fill
from live.sim.venue.agenda import SESSION
from live.sim.venue.feed import Feed
from live.sim.venue.orders import Order
from live.sim.venue.venue import Venue
from live.sim.worlds.halts import Change
from live.sim.worlds.slips import Slip
from live.sim.worlds.tape import Print
from live.sim.worlds.world import Bars

Messages = list[tuple[str, str, Callable[[bool], Any]]]
"""Channel, symbol, and what encodes the message, packed or not."""


class Streams:
    """Hears the venue and keeps the register of clients. Implements the desk's audience."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._history = {name: History(feed.world, feed.slips) for name, feed in venue.feeds.items()}
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

    def hears(self, feed: Feed) -> bool:
        return bool(self._lines(feed))

    def watches(self, feed: Feed, symbol: str) -> bool:
        return any(line.wants("trades", symbol) or line.wants("quotes", symbol) for line in self._lines(feed))

    def bars(self, feed: Feed, rows: list[tuple[str, Bars, int]]) -> None:
        """One frame a client: the minute's bars, and the running days and price bands for those who asked."""
        lines = self._lines(feed)
        found: Messages = [("bars", symbol, _bar("b", symbol, bars, row)) for symbol, bars, row in rows]
        if any(line.channels.get("dailyBars") for line in lines):
            days = ((symbol, self._history[feed.name].running(symbol, self._venue.session, feed.now)) for symbol, _, _ in rows)
            found += [("dailyBars", symbol, _bar("d", symbol, day, 0)) for symbol, day in days if len(day)]
        if any(line.channels.get("lulds") for line in lines):
            found += [("lulds", symbol, self._band(feed, symbol)) for symbol, _, _ in rows]
        self._tell(lines, found)

    def trade(self, feed: Feed, symbol: str, trade: Print) -> None:
        place, found = self._place(feed, symbol), Messages()
        if trade.traded:
            found.append(("trades", symbol, lambda packed: channels.trade_message(symbol, trade, place, packed=packed)))
        if trade.quoted:
            found.append(("quotes", symbol, lambda packed: channels.quote_message(symbol, trade, place, packed=packed)))
        self._tell(self._lines(feed), found)

    def fake(self, trade: Print, bars: Bars | None) -> None:
        """Of the test feed's stock, which is on no exchange."""
        place = Place("C", "V")
        found: Messages = [
            ("trades", FAKE, lambda packed: channels.trade_message(FAKE, trade, place, packed=packed)),
            ("quotes", FAKE, lambda packed: channels.quote_message(FAKE, trade, place, packed=packed)),
        ]
        self._tell(self.market, found if bars is None else [*found, ("bars", FAKE, _bar("b", FAKE, bars, 0))])

    def halt(self, symbol: str, change: Change) -> None:
        """On every feed; the delayed one hears of it later."""
        place = self._place(self._venue.feeds["sip"], symbol)
        self._everyplace([("statuses", symbol, lambda packed: channels.status_message(symbol, change, place, packed=packed))])

    def band(self, symbol: str, prices: tuple[int, int]) -> None:
        self._everyplace([("lulds", symbol, self._banded(self._venue.feeds["sip"], symbol, prices))])

    def _everyplace(self, messages: Messages) -> None:
        for feed in dict.fromkeys(self._venue.feeds.values()):
            if feed.lag:
                self._venue.agenda.at(self._venue.now + feed.lag, SESSION, partial(self._late, feed, messages))
            else:
                self._tell(self._lines(feed), messages)

    def _late(self, feed: Feed, messages: Messages) -> None:
        self._tell(self._lines(feed), messages)

    def amend(self, feed: Feed, symbol: str, slip: Slip, bars: Bars, row: int) -> None:
        """A trade that was told late or wrongly is put right, and with it the minute's bar."""
        place, found = self._place(feed, symbol), Messages()
        if slip.kind == "late":
            found.append(("trades", symbol, lambda packed: channels.trade_message(symbol, slip.trade, place, packed=packed)))
        elif slip.kind == "correction":
            found.append(("corrections", symbol, lambda packed: channels.correction_message(symbol, slip, place, packed=packed)))
        else:
            found.append(("cancelErrors", symbol, lambda packed: channels.cancel_message(symbol, slip, place, packed=packed)))
        self._tell(self._lines(feed), [*found, ("updatedBars", symbol, _bar("u", symbol, bars, row))])

    def update(self, event: str, event_id: str, order: Order, fill: Fill | None, *, at: int) -> None:
        execution = fill.id if fill is not None else _execution(event_id)
        settles = self._venue.world.calendar.after(self._venue.session.date).date.isoformat()
        listening = [line for line in self.trading if line.listens]
        if listening:
            body = update_json(event, event_id, order, fill, at=at, execution=execution, settles=settles)
            for line in listening:
                line.say(body, 1)

    def _lines(self, feed: Feed) -> list[MarketLine]:
        return [line for line in self.market if self._venue.feeds.get(line.feed) is feed]

    def _place(self, feed: Feed, symbol: str) -> Place:
        return place_of(self._venue.world.assets[symbol], feed.name)

    def _band(self, feed: Feed, symbol: str) -> Callable[[bool], Any]:
        """Of the whole market, whatever the feed."""
        return self._banded(feed, symbol, self._venue.tape.band(symbol, feed.now))

    def _banded(self, feed: Feed, symbol: str, prices: tuple[int, int]) -> Callable[[bool], Any]:
        place, at = self._place(feed, symbol), feed.now
        return lambda packed: channels.band_message(symbol, prices, at, place, packed=packed)

    def _tell(self, lines: list[MarketLine], messages: Messages) -> None:
        """Each message is encoded once a kind of encoding; a client's frame is the array of those it wants."""
        made: dict[tuple[int, bool], Any] = {}
        frames: dict[tuple[bool, tuple[int, ...]], str | bytes] = {}
        for line in lines:
            wanted = tuple(n for n, (channel, symbol, _) in enumerate(messages) if line.wants(channel, symbol))
            if not wanted:
                continue
            if (line.packed, wanted) not in frames:
                for n in wanted:
                    if (n, line.packed) not in made:
                        made[n, line.packed] = messages[n][2](line.packed)
                frames[line.packed, wanted] = _array([made[n, line.packed] for n in wanted], packed=line.packed)
            line.put(frames[line.packed, wanted], len(wanted))


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
