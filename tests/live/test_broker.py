"""Orders through alpaca-py against the simulated exchange: what the venue's books say, and what we were told."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from live.brokers.alpaca import AlpacaBroker
from live.clock import SteppedClock
from live.direct import flatten
from live.sim.embedded import Exchange
from live.tasks import end
from pipelines.core.errors import OrderRejected
from pipelines.core.trading.events import Answer, Event, OrderUpdate, Outcome
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status, leg
from pipelines.settings import Settings, load


def settings(url: str, home: Path) -> Settings:
    return load(daybot_mode="sim", daybot_home=home, alpaca_base_url=url, alpaca_api_key="SIM", alpaca_secret_key="SIM")


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(stepped=True, partial_rate=0.0) as running:
        running.step_to(10, 0)
        yield running


class Desk:
    """A broker with its stream up and everything that it said."""

    def __init__(self, settings: Settings) -> None:
        self.said: list[Event] = []
        self.moved = asyncio.Event()
        self.broker = AlpacaBroker(settings, emit=self.hear, heard=self.moved.set, clock=SteppedClock(0))

    def hear(self, event: Event) -> None:
        self.said.append(event)
        self.moved.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():
                self.moved.clear()
                await self.moved.wait()

    def status(self, order_id: str) -> Status | None:
        return next((e.status for e in reversed(self.said) if isinstance(e, OrderUpdate) and e.id == order_id), None)

    def answers(self, order_id: str) -> list[Outcome]:
        return [e.outcome for e in self.said if isinstance(e, Answer) and e.id == order_id]


def play(settings: Settings, act: Callable[[Desk], object]) -> Desk:
    """Run a coroutine function on a desk whose order stream is up."""

    async def run() -> Desk:
        desk = Desk(settings)
        stream = asyncio.create_task(desk.broker.updates.follow())
        try:
            async with asyncio.timeout(10):
                await desk.broker.updates.listening.wait()
            await act(desk)  # type: ignore[misc]
        finally:
            await end([stream])
            await desk.broker.updates.close()
            desk.broker.close()
        return desk

    return asyncio.run(run())


def bracket(exchange: Exchange, order_id: str = "t-entry", quantity: int = 5, symbol: str = "AAPL") -> Order:
    quote = httpx.get(f"{exchange.url}/v2/stocks/{symbol}/quotes/latest", headers={"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}).json()[
        "quote"
    ]
    price = quote["ap"]
    return Order(order_id, symbol, Side.BUY, quantity, Shape.BRACKET, target=round(price * 1.2, 2), stop=round(price * 0.8, 2))


def test_a_bracket_fills_and_its_legs_carry_our_names(exchange: Exchange, tmp_path: Path) -> None:
    async def act(desk: Desk) -> None:
        await desk.broker.submit(bracket(exchange))
        await asyncio.to_thread(exchange.step, 5)
        await desk.until(lambda: desk.status("t-entry") is Status.FILLED)
        await desk.broker.cancel(leg("t-entry", Role.TARGET))
        await asyncio.to_thread(exchange.step, 5)
        await desk.until(lambda: desk.status(leg("t-entry", Role.STOP)) is Status.CANCELED)

    desk = play(settings(exchange.url, tmp_path), act)
    assert desk.answers("t-entry") == [Outcome.ACCEPTED]
    assert desk.status(leg("t-entry", Role.TARGET)) is Status.CANCELED
    assert [(p["symbol"], p["qty"]) for p in exchange.books()["positions"]] == [("AAPL", "5")]


def test_a_refusal_carries_the_brokers_code(exchange: Exchange, tmp_path: Path) -> None:
    async def act(desk: Desk) -> None:
        await desk.broker.submit(bracket(exchange, quantity=1_000_000))

    desk = play(settings(exchange.url, tmp_path), act)
    (answer,) = [e for e in desk.said if isinstance(e, Answer)]
    assert (answer.outcome, answer.code) == (Outcome.REJECTED, 40310000)
    assert "insufficient buying power" in answer.message


def test_the_same_order_sent_twice_is_one_order(exchange: Exchange, tmp_path: Path) -> None:
    async def act(desk: Desk) -> None:
        order = bracket(exchange)
        await desk.broker.submit(order)
        await desk.broker.submit(order)

    desk = play(settings(exchange.url, tmp_path), act)
    assert desk.answers("t-entry") == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert len([o for o in exchange.books()["orders"] if o["client_order_id"] == "t-entry"]) == 1


@contextmanager
def lossy(url: str, swallow: int) -> Iterator[tuple[str, list[str]]]:
    """A proxy that passes every request on and swallows the answers to the first POSTs: the order arrives, its answer does not."""
    lost: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {k: v for k, v in self.headers.items() if k.lower() not in {"host", "content-length", "accept-encoding"}}
            answer = httpx.request(self.command, url + self.path, content=body, headers=headers)
            if self.command == "POST" and len(lost) < swallow:
                lost.append(self.path)
                self.close_connection = True
                return
            self.send_response(answer.status_code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_DELETE = pass_on

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", lost
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_lost_answer_is_unknown_until_the_broker_is_asked_and_never_a_second_order(exchange: Exchange, tmp_path: Path) -> None:
    with lossy(exchange.url, swallow=1) as (url, lost):

        async def act(desk: Desk) -> None:
            # The stream goes straight to the exchange: only the answer is lost.
            await desk.broker.submit(bracket(exchange))

        straight = settings(exchange.url, tmp_path)
        broken = straight.model_copy(update={"alpaca_base_url": url})

        async def with_lossy_rest(desk: Desk) -> None:
            desk.broker.client._base_url = broken.alpaca_base_url
            await act(desk)

        desk = play(straight, with_lossy_rest)
    assert lost == ["/v2/orders"]
    assert desk.answers("t-entry") == [Outcome.UNKNOWN, Outcome.ACCEPTED]
    assert len([o for o in exchange.books()["orders"] if o["client_order_id"] == "t-entry"]) == 1
    assert desk.status(leg("t-entry", Role.STOP)) is Status.WORKING


def test_break_glass_flattens_an_account_whose_shares_are_held_by_exits(tmp_path: Path) -> None:
    with Exchange(stepped=False, speed=20.0, start=(10, 0)) as running:

        async def act(desk: Desk) -> None:
            await desk.broker.submit(bracket(running))
            await desk.until(lambda: desk.status("t-entry") is Status.FILLED)

        ours = settings(running.url, tmp_path)
        play(ours, act)
        assert running.books()["positions"]
        from rich.console import Console

        assert flatten(ours, Console(quiet=True)) == []
        books = running.books()
    assert books["positions"] == []
    assert not [o for o in books["orders"] if o["history"][-1]["status"] in {"new", "held", "accepted", "pending_new", "partially_filled"}]


def test_a_broken_error_body_is_still_a_refusal() -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("Content-Length", "14")
            self.end_headers()
            self.wfile.write(b"<html>no</html"[:14])

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        from live.brokers.alpaca import connect

        with pytest.raises(OrderRejected) as refusal:
            connect(settings(f"http://127.0.0.1:{server.server_port}", Path("unused"))).get_account()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (refusal.value.status, refusal.value.code) == (401, None)
