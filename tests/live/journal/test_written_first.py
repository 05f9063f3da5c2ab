"""Journal before act, also for those who act past the queue: at the moment of each request what it does is on the disk already."""

import json
import os
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from floor import Floor, left_behind, play
from rich.console import Console
from urllib3 import BaseHTTPResponse, HTTPConnectionPool

from live import journal
from live.guards.direct import flatten
from live.runner import CROWD
from live.sim.embedded import Exchange
from pipelines import journals
from pipelines.core.journal import encode, records
from pipelines.core.market.bars import Quote
from pipelines.core.trading.events import MarketQuote
from pipelines.journals import DIRECT
from pipelines.settings import Settings


@dataclass(frozen=True)
class Sent:
    """A request that changes something at the broker, and what a power cut would have left of our journals at that moment."""

    method: str
    path: str
    body: dict[str, Any]
    disk: list[bytes]

    def written(self, kind: str) -> list[Any]:
        """The data of the records of this kind."""
        return [record.data for part in self.disk for record in records(part.splitlines()) if record.kind == kind]


class Wire:
    """Listens to what goes out, and to what is made durable."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._durable: dict[Path, int] = {}
        self.sent: list[Sent] = []

    def synced(self, file: int) -> None:
        path = Path(f"/proc/self/fd/{file}").readlink()
        if path.suffix == ".jsonl" and path.is_relative_to(self._home):
            self._durable[path] = os.fstat(file).st_size

    def request(self, method: str, url: str, body: Any) -> None:
        if method != "GET" and "/v2/" in url:
            self.sent.append(Sent(method, url.partition("/v2/")[2], body or {}, [p.read_bytes()[:size] for p, size in self._durable.items()]))


@pytest.fixture
def wire(known: Settings, monkeypatch: pytest.MonkeyPatch) -> Wire:
    seen = Wire(known.daybot_home)
    sync, send = os.fdatasync, HTTPConnectionPool.urlopen

    def synced(file: int) -> None:
        sync(file)
        seen.synced(file)

    def sending(self: HTTPConnectionPool, method: str, url: str, **more: Any) -> BaseHTTPResponse:
        seen.request(method, url, json.loads(more.get("body") or "null"))
        return send(self, method, url, **more)

    monkeypatch.setattr(os, "fdatasync", synced)
    monkeypatch.setattr(HTTPConnectionPool, "urlopen", sending)
    return seen


def test_a_guards_stop_and_its_sale_are_on_the_disk_before_they_are_at_the_venue(exchange: Exchange, known: Settings, wire: Wire) -> None:
    exchange.inject(kind="match.partial", role="entry", shares=40)
    exchange.inject(kind="rest.status", status=503, client_order_id="2026*protect*", times=0)
    exchange.inject(kind="rest.refuse", reason="other", client_order_id="2026*exit*", times=0)

    async def act(floor: Floor) -> None:
        floor.buy()
        await floor.step(60)
        assert floor.protected()
        await floor.step_to(15, 49, by=600)
        await floor.step(360, by=10)

    floor = play(exchange, known, act)
    books = floor.books
    assert (books.positions, books.open) == ({}, [])
    entries = stops = sales = 0
    for sent in wire.sent:
        name = str(sent.body.get("client_order_id", ""))
        if name.startswith("guard-"):
            stops += 1
            assert any(r["act"] == "protect" and (r["id"], r["shares"]) == (name, int(sent.body["qty"])) for r in sent.written("guard"))
        elif name:
            entries += name.endswith("-entry")
            assert any(r["kind"] == "submit" and r["order"]["id"] == name for r in sent.written("decision"))
        elif sent.path.startswith("positions/"):
            sales += 1
            assert sum(r["act"] == "close" and "error" not in r for r in sent.written("guard")) >= sales
    assert (entries, stops) == (1, 1)
    assert sales >= 1
    at_venue = {o["client_order_id"] for o in books.raw["orders"] if o["client_order_id"].startswith("guard-")}
    written = {r.data.get("id") for r in journal.read(journal.latest(known.journals)) if r.kind == "guard" and r.data["act"] == "protect"}
    assert at_venue == written


def test_in_a_flood_the_journal_is_written_though_events_wait(exchange: Exchange, known: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[int] = []
    write = os.write

    def writing(file: int, text: bytes) -> int:
        together.append(text.count(b"\n"))
        return write(file, text)

    async def act(floor: Floor) -> None:
        monkeypatch.setattr(os, "write", writing)
        at = floor.clock.now()
        for _ in range(5 * CROWD):
            floor.runner.emit(MarketQuote(Quote("AAA", 99.99, 100.01, 1, 1, at), "sim", at))
        await floor.settle()
        monkeypatch.setattr(os, "write", write)

    play(exchange, known, act)
    assert sum(together) >= 5 * CROWD
    assert max(together) <= CROWD


def test_an_order_that_was_decided_in_a_crowd_goes_out_before_the_crowd_is_worked_off(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        at = floor.clock.now()
        floor.buy(name="early")
        for _ in range(CROWD):
            floor.runner.emit(MarketQuote(Quote("AAA", 99.99, 100.01, 1, 1, at), "sim", at))
        await floor.settle()

    floor = play(exchange, known, act)
    (entry,) = floor.entries
    told = list(journal.read(journal.latest(known.journals)))
    sent = next(r.seq for r in told if r.kind == "sent" and r.data["id"] == entry.order.id)
    assert sum(r.kind == "event" and r.data["kind"] == "quote" and r.seq > sent for r in told) >= CROWD - 1


def test_break_glass_writes_a_journal_of_its_own_before_each_act(exchange: Exchange, known: Settings, wire: Wire) -> None:
    left_behind(exchange, known)
    wire.sent.clear()
    assert flatten(known, Console(quiet=True), sleep=exchange.step) == []
    done: list[tuple[str, str]] = []
    for sent in wire.sent:
        assert sent.method == "DELETE"
        what, _, which = sent.path.partition("/")
        done.append((what, which))
        acts = [r for r in sent.written("direct") if r["act"] in {"cancel", "close"}]
        assert [("orders", r["order"]) if r["act"] == "cancel" else ("positions", r["symbol"]) for r in acts] == done
    assert {which for what, which in done if what == "positions"} == {"AAA", "BBB"}
    (path,) = journals.sessions(known.journals / DIRECT)
    assert journal.verify(path).data == {"act": "end", "left": []}


def test_break_glass_closes_also_where_nothing_can_be_written(exchange: Exchange, known: Settings) -> None:
    left_behind(exchange, known)
    (known.journals / DIRECT).write_bytes(encode("no folder"))
    said = StringIO()
    assert flatten(known, Console(file=said), sleep=exchange.step) == []
    assert "not written down" in said.getvalue()
    assert exchange.books()["positions"] == []
