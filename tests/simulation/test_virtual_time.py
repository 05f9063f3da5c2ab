"""The exchange on the caller's own clock: a whole day of real clients in seconds, the same one in every process."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path

import httpx
import pytest
import requests
from alpaca.trading.client import TradingClient
from websockets.asyncio.client import connect

from live.sim.clock import MINUTE, LoopClock, local
from live.sim.errors import SimulationError
from live.sim.inloop import Hosted, hosting
from live.sim.virtual import VirtualLoop

ROOT = Path(__file__).parents[2]
DAY = date(2026, 11, 20)
OPEN = local(DAY, 9, 30)
KEYS = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}
BUY = {"symbol": "AAPL", "side": "buy", "qty": "3", "type": "market", "time_in_force": "day", "client_order_id": "one"}


def played(work: Callable[[], Awaitable[None]]) -> None:
    """On a loop of virtual time; a test that never ends would be ended by its own hour."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(work(), 3_600))


def asking(exchange: Hosted) -> requests.Session:
    session = requests.Session()
    session.headers.update(KEYS)
    exchange.mount(session)
    return session


def test_a_whole_day_of_the_real_clients_takes_seconds_and_is_the_same_in_every_process():
    command = [sys.executable, str(ROOT / "tests/simulation/wires/clients/day.py")]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment | {"PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]
    reports = []
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err[-2_000:]
        reports.append(json.loads(out))
    one, two = reports
    assert one.pop("seconds") < 60  # of CPU for 23,520 of the venue; about three
    two.pop("seconds")
    assert one == two
    assert (one["minutes"], one["bars"]) == (390, 390 * 41)
    assert one["ended"] == "2026-11-20T16:01:00-05:00"
    assert one["orders"] > 50
    assert one["fills"] + one["partials"] == one["booked"] > 30


def test_nothing_waits_on_a_loop_of_virtual_time_and_timers_keep_their_order():
    order: list[tuple[str, float]] = []

    async def nap(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append((name, asyncio.get_running_loop().time()))

    async def work() -> None:
        await asyncio.gather(nap("b", 7200.25), nap("a", 0.1), nap("c", 30 * 86_400))
        assert await asyncio.to_thread(lambda: 5) == 5
        with pytest.raises(ZeroDivisionError):
            await asyncio.get_running_loop().run_in_executor(None, lambda: 1 / 0)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work())
    assert order == [("a", 0.1), ("b", 7200.25), ("c", 30 * 86_400.0)]


def test_what_a_socket_has_to_say_comes_before_the_next_timer():
    async def work() -> None:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        asyncio.get_running_loop().call_later(1, theirs.sendall, b"x")
        assert await asyncio.wait_for(reader.readexactly(1), 1.5) == b"x"
        assert asyncio.get_running_loop().time() == 1
        theirs.close()
        writer.close()

    played(work)


def test_an_answer_in_process_is_the_answer_of_the_socket(generated):
    async def work() -> None:
        async with hosting(generated, LoopClock(OPEN + MINUTE)) as exchange, httpx.AsyncClient(headers=KEYS, trust_env=False) as wire:
            session = asking(exchange)
            for path in ("/v2/account", "/v2/clock", "/v2/assets/AAPL", "/v2/stocks/AAPL/bars?timeframe=1Min", "/v2/orders/none", "/v2/nothing"):
                near, far = session.get(exchange.url + path), await wire.get(exchange.url + path)
                assert (near.status_code, near.content) == (far.status_code, far.content)
                assert {**near.headers, "x-request-id": ""}.keys() == {**far.headers, "x-request-id": ""}.keys()
                assert near.headers["date"] == far.headers["date"] == "Fri, 20 Nov 2026 14:31:00 GMT"

    played(work)


def test_the_pump_wakes_at_the_moment_something_is_due_and_not_before_or_after(generated):
    """Bars leave exactly when their minute ends, on whoever's clock."""
    heard: list[int] = []

    async def work() -> None:
        clock = LoopClock(OPEN)
        async with hosting(generated, clock) as exchange, connect(exchange.stream, additional_headers=KEYS, proxy=None) as client:
            await client.recv()
            await client.recv()
            await client.send(json.dumps({"action": "subscribe", "bars": ["AAPL"]}))
            await client.recv()
            for _ in range(20):
                await client.recv()
                heard.append(clock.now())

    played(work)
    assert heard == [OPEN + (n + 1) * MINUTE for n in range(20)]


def test_a_synchronous_client_gets_its_fill_while_the_loop_goes_on(generated):
    async def work() -> None:
        async with hosting(generated, LoopClock(OPEN + MINUTE), partial_rate=0.0) as exchange:
            client = TradingClient("SIM", "SIM", url_override=exchange.url)
            exchange.mount(client._session)
            answer = client._session.post(f"{exchange.url}/v2/orders", json=BUY, headers=KEYS)
            assert answer.json()["status"] == "pending_new"
            await asyncio.sleep(30)
            assert client.get_order_by_client_id("one").status.value == "filled"
            assert [fill["qty"] for fill in exchange.books()["fills"]] == ["3"]

    played(work)


def test_a_lost_answer_in_process_is_a_lost_connection_and_the_order_stands(generated):
    async def work() -> None:
        async with hosting(generated, LoopClock(OPEN + MINUTE)) as exchange:
            session = asking(exchange)
            for kind, more in (("rest.reset", {}), ("rest.stall", {"seconds": 30})):
                name = exchange.inject(kind=kind, path="/v2/orders", method="POST", stage="after", **more)["id"]
                with pytest.raises(requests.ConnectionError):
                    session.post(f"{exchange.url}/v2/orders", json={**BUY, "client_order_id": kind})
                exchange.relent(name)
            assert [order["client_order_id"] for order in exchange.books()["orders"]] == ["rest.reset", "rest.stall"]
            assert session.post(f"{exchange.url}/v2/orders", json=BUY).status_code == 200
            async with connect(exchange.stream, additional_headers=KEYS, proxy=None) as client:
                assert "authenticated" in [await client.recv(), await client.recv()][1]
                with pytest.raises(SimulationError, match="has to wait"):  # it writes to the clients before it answers
                    session.post(f"{exchange.url}/sim/faults", json={"kind": "rest.reset"})

    played(work)


class Hand:
    """A clock that somebody else moves."""

    def __init__(self, at: int) -> None:
        self.at = at

    def now(self) -> int:
        return self.at

    def wait(self, until: int) -> float:
        return float("inf")


def test_a_clock_moved_by_hand_is_followed_when_it_has_moved(generated):
    async def work() -> None:
        clock = Hand(OPEN + MINUTE)
        async with hosting(generated, clock) as exchange:
            session = asking(exchange)
            order = session.post(f"{exchange.url}/v2/orders", json=BUY).json()
            told = session.get(f"{exchange.url}/sim/clock").json()
            assert (told["mode"], told["speed"], told["now"]) == ("external", None, "2026-11-20T14:31:00Z")
            assert session.post(f"{exchange.url}/sim/clock/step", json={"seconds": 1}).status_code == 409
            clock.at += MINUTE
            await exchange.settle()
            books = exchange.books()
            assert books["orders"][0]["id"] == order["id"]
            assert books["orders"][0]["history"][-1]["status"] == "filled"

    asyncio.run(work())


def test_another_thread_is_answered_by_the_loop_in_its_turn(generated):
    """On an ordinary loop, where executors are threads."""

    async def work() -> None:
        async with hosting(generated, LoopClock(OPEN)) as exchange:
            session = asking(exchange)
            answer = await asyncio.to_thread(session.get, f"{exchange.url}/v2/clock")
            assert answer.json()["is_open"] is True

    asyncio.run(work())
