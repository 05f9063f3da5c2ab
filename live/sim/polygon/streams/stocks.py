"""The stocks stream, `/stocks`: connected, authenticated, subscribed; then what the venue tells, to every client that wants it."""

import asyncio
from functools import partial
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from live.sim.clock import MINUTE, SECOND
from live.sim.polygon.markets import PLACES, first, market, sequence
from live.sim.polygon.streams.line import StocksLine, encoded
from live.sim.polygon.streams.messages import CHANNELS, band, minute, quote, second, status, trade
from live.sim.polygon.terms import Terms
from live.sim.venue.agenda import BOUNDARY
from live.sim.venue.venue import Venue
from live.sim.worlds.tape import Print
from live.sim.worlds.world import Bars

_TICKS = ("T", "Q", "A")
_DELAYED = "You don't have access real-time data. Please visit https://polygon.io/pricing to upgrade."
_FULL = "Maximum number of websocket connections exceeded. You have reached the connection limit for your account."


class Stream:
    """Clients by their lines. Hears bars and trades of the venue, and asks to be woken at the end of a second that has trades."""

    def __init__(self, venue: Venue, terms: Terms) -> None:
        self._venue = venue
        self._terms = terms
        self._lines: list[StocksLine] = []
        self._gone = 0
        self._due: set[tuple[str, int]] = set()

    @property
    def lines(self) -> tuple[StocksLine, ...]:
        return tuple(self._lines)

    @property
    def sent(self) -> int:
        """Market messages written since the start, closed connections included."""
        return self._gone + sum(line.sent for line in self._lines)

    @property
    def clients(self) -> int:
        """Connections that have subscribed to something: from then on they miss nothing."""
        return sum(line.open and any(line.chosen.values()) for line in self._lines)

    def kick(self) -> None:
        """Start writing what waits."""
        for line in self._lines:
            line.kick()

    async def flush(self) -> None:
        """Write what waits, all clients at the same time."""
        await asyncio.gather(*(line.flush() for line in self._lines))

    async def stop(self) -> None:
        await asyncio.gather(*(line.close(1001) for line in self._lines))

    # What the venue tells

    def watches(self, symbol: str) -> bool:
        return any(line.wants(channel, symbol) for line in self._lines for channel in _TICKS)

    def bars(self, rows: list[tuple[str, Bars, int]]) -> None:
        """The minutes that have just ended, and the price bands that hold from now on, one frame a client."""
        wanted = [row for row in rows if any(line.wants("AM", row[0]) for line in self._lines)]
        session, days = self._venue.session, self._venue.tape.columns
        made = {symbol: encoded(minute(symbol, bars, row, day=days[symbol], session=session)) for symbol, bars, row in wanted}
        bands = [(symbol, self._band(symbol)) for symbol, _, _ in rows if any(line.wants("LULD", symbol) for line in self._lines)]
        for line in self._lines if made or bands else ():
            found = [message for symbol, message in made.items() if line.wants("AM", symbol)]
            line.tell([*found, *(message for symbol, message in bands if line.wants("LULD", symbol))])

    def trade(self, symbol: str, found: Print) -> None:
        if not self._lines:
            return
        at, number = market(self._venue.world.assets[symbol]), self._number(symbol, found)
        messages = {"T": encoded(trade(symbol, at, found, number))} if found.traded else {}
        messages |= {"Q": encoded(quote(symbol, at, found, number))} if found.quoted else {}
        for line in self._lines:
            line.tell([message for channel, message in messages.items() if line.wants(channel, symbol)])
        end = found.at - found.at % SECOND + SECOND
        if found.traded and found.counts and (symbol, end) not in self._due and any(line.wants("A", symbol) for line in self._lines):
            self._due.add((symbol, end))
            self._venue.agenda.at(end, BOUNDARY, partial(self._second, symbol, end - SECOND))

    def late(self, symbol: str, found: Print) -> None:
        """A trade that is told after its time; its second and its minute are not sent again."""
        message = encoded(trade(symbol, market(self._venue.world.assets[symbol]), found, self._number(symbol, found)))
        for line in self._lines:
            if line.wants("T", symbol):
                line.tell([message])

    def _number(self, symbol: str, found: Print) -> int:
        tape = self._venue.tape
        return sequence(tape.path(symbol, found.at - found.at % MINUTE), found, tape.session.midnight)

    def _band(self, symbol: str) -> str:
        """Limit up, limit down, as it stands at the end of a minute that had trades."""
        tape, now = self._venue.tape, self._venue.now
        low, high = tape.band(symbol, now)
        at = market(self._venue.world.assets[symbol])
        return encoded(band(symbol, at, high=high / 10_000, low=low / 10_000, moment=now, number=first(tape.session.midnight, now) + PLACES - 1))

    def _second(self, symbol: str, start: int) -> None:
        self._due.discard((symbol, start + SECOND))
        tape = self._venue.tape
        path = tape.path(symbol, start - start % MINUTE)
        message = encoded(second(symbol, start, path=path, day=tape.columns[symbol], session=self._venue.session))
        for line in self._lines:
            if line.wants("A", symbol):
                line.tell([message])

    # Clients

    async def serve(self, socket: WebSocket) -> None:
        """Until the client leaves, or was sent away."""
        await socket.accept()
        line = StocksLine(socket, self._terms.slow_seconds)
        line.say(status("connected", "Connected Successfully"))
        talk, end = asyncio.create_task(self._talk(line)), asyncio.create_task(line.ended.wait())
        try:
            await asyncio.wait({talk, end}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            talk.cancel()
            end.cancel()
            line.open = False
            if line in self._lines:
                self._lines.remove(line)
                self._gone += line.sent
        if talk.done() and not talk.cancelled():
            talk.result()

    async def _talk(self, line: StocksLine) -> None:
        try:
            await line.flush()
            if await self._authenticated(line):
                while True:
                    line.say(*self._answers(line, await line.read()))
                    await line.flush()
        except WebSocketDisconnect:
            pass

    async def _authenticated(self, line: StocksLine) -> bool:
        try:
            async with asyncio.timeout(self._terms.auth_seconds):
                message = await line.read()
                while not (isinstance(message, dict) and message.get("action") == "auth"):
                    line.say(status("error", "not authenticated"))
                    await line.flush()
                    message = await line.read()
        except TimeoutError:
            await line.part("auth_timeout", "authentication timed out")
            return False
        key: object = message.get("params")
        if not self._terms.accepts(key):
            await line.part("auth_failed", "authentication failed")
            return False
        line.key = key
        return await self._admitted(line)

    async def _admitted(self, line: StocksLine) -> bool:
        """One connection too many: the oldest dies, or this one."""
        same = [other for other in self._lines if other.open and other.key == line.key]
        extra = max(len(same) + 1 - self._terms.connections, 0)
        if extra and self._terms.loser == "newer":
            await line.part("max_connections", _FULL)
            return False
        self._lines.append(line)
        line.say(status("auth_success", "authenticated"))
        await line.flush()
        if not self._terms.realtime:
            line.say(status("error", _DELAYED))
            await line.flush()
        await asyncio.gather(*(loser.part("max_connections", _FULL) for loser in same[:extra]))
        return True

    def _answers(self, line: StocksLine, message: Any) -> list[dict[str, Any]]:
        """One status for each parameter."""
        action, params = (message.get("action"), message.get("params")) if isinstance(message, dict) else (None, None)
        if action == "auth":
            return [status("error", "already authenticated")]
        if action not in ("subscribe", "unsubscribe") or not isinstance(params, str):
            return [status("error", "invalid message")]
        return [self._changed(line, action, name.strip()) for name in params.split(",")]

    def _changed(self, line: StocksLine, action: str, name: str) -> dict[str, Any]:
        channel, dot, symbol = name.partition(".")
        if not (channel and dot and symbol):
            return status("error", f"invalid subscription: {name}")
        if channel not in CHANNELS or not self._terms.realtime:
            return status("error", "not authorized")
        if action == "unsubscribe":
            line.chosen[channel].discard(symbol)
            return status("success", f"unsubscribed to: {name}")
        line.chosen[channel].add(symbol)
        if channel in _TICKS:
            for each in self._venue.world.assets if symbol == "*" else (symbol,):
                self._venue.watch(each)
        return status("success", f"subscribed to: {name}")
