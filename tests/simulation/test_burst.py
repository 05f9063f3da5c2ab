"""A burst repeats what each client was sent last, exactly so many messages, in its own encoding, and real clients can read it."""

import asyncio
import json
import threading

import httpx
import msgpack
import pytest
from alpaca.data.live import StockDataStream
from websockets.sync.client import connect

from live.sim.alpaca.streams.market import Plan

KEYS = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}


@pytest.fixture
def venue(opened, generated):
    return opened(generated, start=(9, 45), plan=Plan(connections=0))


def subscribed(client, *channels: str) -> None:
    client.recv(timeout=5)
    client.recv(timeout=5)
    client.send(json.dumps({"action": "subscribe", **{channel: ["AAPL", "KO"] for channel in channels}}))
    client.recv(timeout=5)


def sip(venue) -> str:
    return venue.stream.replace("iex", "sip")


@pytest.mark.parametrize(("messages", "per_frame"), [(1, 8), (1_000, 1), (1_003, 8), (5_000, 64), (100_000, 500)])
def test_a_burst_is_exactly_so_many_of_the_messages_heard_before(venue, messages, per_frame):
    with connect(sip(venue), additional_headers=KEYS, proxy=None, max_size=None, max_queue=None) as client:
        subscribed(client, "trades", "quotes")
        sent = venue.step(20)["sent"]["market"]
        before = []
        while len(before) < sent:
            before += json.loads(client.recv(timeout=5))
        told: dict = {}
        asking = threading.Thread(target=lambda: told.update(venue.burst(messages, per_frame=per_frame)))
        asking.start()
        frames = []
        while sum(map(len, frames)) < messages:
            frames.append(json.loads(client.recv(timeout=10)))
        asking.join(timeout=10)
        assert (told["clients"], told["complete"], told["messages"]) == (1, 1, messages)
        assert all(len(frame) == per_frame for frame in frames[:-1])
        assert len(frames[-1]) == (messages % per_frame or per_frame)
        assert all(message in before for message in frames[0] + frames[-1])
        assert venue.clock()["sent"]["market"] == sent + messages
        venue.step(60)  # and time goes on as before
        assert json.loads(client.recv(timeout=5))[0]["t"] > before[-1]["t"]


def test_every_client_gets_it_in_its_own_words(venue):
    packed = {**KEYS, "Content-Type": "application/msgpack"}
    address = venue.polygon_stream
    with connect(sip(venue), additional_headers=packed, proxy=None) as binary, connect(address, proxy=None) as polygon:
        venue.step(1)
        subscribed(binary, "bars")
        polygon.recv(timeout=5)
        polygon.send(json.dumps({"action": "auth", "params": "K"}))
        polygon.recv(timeout=5)
        polygon.send(json.dumps({"action": "subscribe", "params": "AM.AAPL"}))
        polygon.recv(timeout=5)
        venue.step(61)
        first, second = msgpack.unpackb(binary.recv(timeout=5)), json.loads(polygon.recv(timeout=5))
        assert venue.burst(40, per_frame=20)["messages"] == 80
        for _ in range(2):
            found = msgpack.unpackb(binary.recv(timeout=5))
            assert len(found) == 20
            assert found[0] == first[0]
            assert isinstance(found[0]["t"], msgpack.Timestamp)
            assert json.loads(polygon.recv(timeout=5)) == second * 20


def test_the_speed_can_be_held_down(venue):
    with connect(sip(venue), additional_headers=KEYS, proxy=None, max_queue=None) as client:
        subscribed(client, "bars")
        venue.step(61)
        assert 0.45 < venue.burst(1_000, per_second=2_000)["seconds"] < 5


def test_the_official_client_reads_a_burst(venue):
    heard = asyncio.Event()
    count = 0

    async def work() -> None:
        stream = StockDataStream("SIM", "SIM", url_override=sip(venue))

        async def hear(trade) -> None:
            nonlocal count
            count += 1
            if count >= 2_000:
                heard.set()

        stream.subscribe_trades(hear, "AAPL")
        running = asyncio.create_task(stream._run_forever())
        while not venue.clock()["clients"]["market"]:
            await asyncio.sleep(0.01)
        sent = venue.step(20)["sent"]["market"]
        asyncio.get_running_loop().run_in_executor(None, lambda: venue.burst(2_000 - sent, per_frame=50))
        async with asyncio.timeout(20):
            await heard.wait()
        await stream.stop_ws()
        await stream._ws.close()
        await running

    asyncio.run(work())
    assert count == 2_000


def test_what_cannot_be_repeated_is_refused(venue):
    with httpx.Client(base_url=venue.url, trust_env=False) as client:
        assert client.post("/sim/burst", json={"messages": 5}).status_code == 409
        for body in ({}, {"messages": 0}, {"messages": "5"}, {"messages": True}, {"messages": 5, "per_frame": 0}, {"messages": 5, "speed": 1}):
            answer = client.post("/sim/burst", json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, 40010001), body
