"""What the running exchange shows of itself: a panel in a terminal, a line a minute in a log."""

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from live.sim.clock import MINUTE, SECOND, new_york, parse
from live.sim.server import Exchange
from live.sim.venue.ticket import plain

_LOG = logging.getLogger("daybot.exchange")
_REFRESH, _LOGGED = 0.5, 60.0  # wall seconds
_FILLS, _STRUCK, _FAULTS = 5, 3, 6  # rows shown of each
_FIELDS = {"kind", "id", "seen", "fired", "added", "spent"}


@dataclass(frozen=True, slots=True)
class Reading:
    """Counts at one moment of the event loop, by stream and by host."""

    at: float
    sent: Mapping[str, int]
    requests: int

    def rates(self, before: "Reading") -> tuple[dict[str, float], float]:
        """Messages a second by stream, and requests a second."""
        gone = max(self.at - before.at, 1e-9)
        return {name: (count - before.sent[name]) / gone for name, count in self.sent.items()}, (self.requests - before.requests) / gone


class View:
    """Over one exchange at one address; `hosts` are the addresses of single hosts."""

    def __init__(self, core: Exchange, url: str, hosts: Mapping[str, str]) -> None:
        self._core = core
        self._url = url
        self._hosts = hosts
        self._before = self._read()

    async def run(self, console: Console) -> None:
        """Until it is cancelled."""
        if not console.is_terminal:
            await self._log()
        with Live(self.panel(), console=console, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(_REFRESH)
                live.update(self.panel(), refresh=True)

    async def _log(self) -> None:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s", force=False)
        core, hosts = self._core, "".join(f" {name}={url}" for name, url in self._hosts.items())
        _LOG.info("the simulated exchange listens url=%s%s world=%s mode=%s seed=%d", self._url, hosts, core.world.name, core.mode, core.world.seed)
        while True:
            await asyncio.sleep(_LOGGED)
            _LOG.info("%s", self.line())

    def line(self) -> str:
        """All that the panel says in numbers, as key=value."""
        core = self._core
        rates, asked = self._rates()
        clients, registry = self._clients(), core.faults.registry
        streams = " ".join(f"{name}.clients={clients[name]} {name}.rate={rate:.1f}" for name, rate in rates.items())
        orders = f"orders={len(core.venue.desk.orders)} open={sum(1 for _ in core.venue.desk.open())} fills={len(core.venue.desk.account.fills)}"
        faults = f"faults={len(registry)} injected={registry.injected}"
        return f"SIMULATED now={new_york(core.venue.now).isoformat()} state={self._state()[0]} {streams} requests.rate={asked:.1f} {orders} {faults}"

    def panel(self) -> RenderableType:
        core = self._core
        rates, asked = self._rates()
        beside = Table.grid(padding=(0, 4))
        beside.add_row(self._streams(rates, asked), self._orders())
        parts: list[RenderableType] = [self._clock(), Text(), beside, *self._fills(), *self._faults()]
        where = "  ".join([self._url, *(f"{name} {url}" for name, url in self._hosts.items())])
        title = f"[bold]SIMULATED[/] {core.world.name}"
        return Panel(Group(*parts), title=title, subtitle=where, title_align="left", subtitle_align="left", border_style="cyan", padding=(0, 1))

    def _clock(self) -> Text:
        core = self._core
        state, until = self._state()
        speed = {"stepped": "stepped by hand", "real": "real time"}.get(core.mode, f"x{core.speed or 0:g}")
        line = Text(f"{new_york(core.venue.now):%a %Y-%m-%d %H:%M:%S} New York  ", style="bold")
        return line.append(state, style="green" if state == "open" else "yellow").append(f"{until}  {speed}", style="not bold")

    def _state(self) -> tuple[str, str]:
        """Of the session, and what comes next."""
        session, now = self._core.venue.session, self._core.venue.now
        if session.regular(now):
            return "open", f", closes in {_span(session.close - now)}"
        opening = self._core.world.calendar.opening(now)
        until = f", opens in {_span(opening.open - now)}" if opening.date == session.date else f", opens {opening.date:%a %Y-%m-%d}"
        return ("extended" if session.extended(now) else "closed"), until

    def _streams(self, rates: Mapping[str, float], asked: float) -> Table:
        table, clients = _table("stream", "clients", "msg/s", "sent"), self._clients()
        for name, rate in rates.items():
            table.add_row(name, str(clients[name]), f"{rate:,.0f}", f"{self._before.sent[name]:,}")
        return _closed(table, ("requests", "", f"{asked:,.1f}", f"{self._before.requests:,}"))

    def _orders(self) -> Table:
        states = Counter(order.status for order in self._core.venue.desk.orders.values())
        table = _table("orders", "")
        for state, count in states.most_common(4):
            table.add_row(state, f"{count:,}")
        for _ in range(4 - len(states)):
            table.add_row("", "")
        return table

    def _fills(self) -> list[RenderableType]:
        table = _table("fills", "", "", "", "")
        for fill in reversed(self._core.venue.desk.account.fills[-_FILLS:]):
            side, style = (fill.order.side, "green" if fill.order.side == "buy" else "red")
            table.add_row(f"{new_york(fill.at):%H:%M:%S}", Text(side, style=style), plain(fill.qty), fill.order.symbol, plain(fill.price))
        return [Text(), table] if table.row_count else []

    def _faults(self) -> list[RenderableType]:
        registry = self._core.faults.registry
        if not len(registry) and not registry.injected:
            return []
        table = _table("faults", "fired", aims=True)
        for active in list(registry)[-_FAULTS:]:
            shown = active.shown()
            aims = " ".join(f"{name}={value}" for name, value in shown.items() if name not in _FIELDS)
            spent = " spent" if shown["spent"] else ""
            table.add_row(Text(shown["kind"], style="dim" if spent else "yellow"), f"{shown['fired']:,}", Text(aims + spent, style="dim"))
        rows: list[RenderableType] = [Text(), table]
        for struck in registry.log()[-_STRUCK:]:
            hit = " ".join(f"{name}={value}" for name, value in struck["hit"].items())
            at = f"{new_york(parse(struck['at'])):%H:%M:%S}"
            rows.append(Text(f"{at} {struck['kind']} hit {hit}", style="red", no_wrap=True, overflow="ellipsis"))
        return rows

    def _clients(self) -> dict[str, int]:
        return {**self._core.streams.clients, "polygon": self._core.polygon.stream.clients}

    def _rates(self) -> tuple[dict[str, float], float]:
        """Since the last time somebody looked."""
        before, self._before = self._before, self._read()
        return self._before.rates(before)

    def _read(self) -> Reading:
        sent = {**self._core.streams.sent, "polygon": self._core.polygon.stream.sent}
        return Reading(asyncio.get_running_loop().time(), sent, self._core.requests.total())


def _table(first: str, *others: str, aims: bool = False) -> Table:
    """Numbers to the right of their names; `aims` adds a column of words."""
    table = Table(first, box=None, header_style="cyan", padding=(0, 2, 0, 0))
    for name in others:
        table.add_column(name, justify="right")
    if aims:
        table.add_column("")
    return table


def _closed(table: Table, row: tuple[str, ...]) -> Table:
    table.add_row(*row)
    return table


def _span(nanoseconds: int) -> str:
    hours, minutes = divmod(nanoseconds // MINUTE, 60)
    return f"{hours}:{minutes:02d}:{nanoseconds % MINUTE // SECOND:02d}"
