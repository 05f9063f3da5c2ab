"""Small markets with known prices, exchanges over them, and real clients: what the simulation tests share."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from pathlib import Path
from queue import Queue
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import polars as pl
import pytest
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.live import StockDataStream
from alpaca.trading.client import TradingClient
from alpaca.trading.stream import TradingStream
from commands import until

from live.sim.embedded import Exchange
from live.sim.worlds.generated import GeneratedWorld
from live.sim.worlds.recorded import RecordedWorld

NEW_YORK = ZoneInfo("America/New_York")
DAY = date(2026, 11, 20)
KEYS = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}


def frame(rows: list[tuple[str, datetime, float, float, float, float, int]]) -> pl.DataFrame:
    names = ["symbol", "timestamp", "open", "high", "low", "close", "volume"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("timestamp").dt.convert_time_zone("UTC"))


@pytest.fixture
def minutes(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of minutes from 09:30: each price is a minute's close, and the next one's open."""

    def write(
        prices: dict[str, list[float]], *, day: date = DAY, name: str = "minutes", volume: int = 1_000, hour: int = 9, minute: int = 30
    ) -> Path:
        begin = datetime(day.year, day.month, day.day, hour, minute, tzinfo=NEW_YORK)
        rows = []
        for symbol, closes in prices.items():
            for n, close in enumerate(closes):
                first = closes[n - 1] if n else close
                rows.append((symbol, begin + timedelta(minutes=n), first, max(first, close), min(first, close), close, volume))
        path = tmp_path / f"{name}.parquet"
        frame(rows).write_parquet(path)
        return path

    return write


@pytest.fixture
def history(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of flat daily bars for the week before."""

    def write(closes: dict[str, float], *, name: str = "daily") -> Path:
        days = [datetime(2026, 11, day, tzinfo=NEW_YORK) for day in (13, 16, 17, 18, 19)]
        path = tmp_path / f"{name}.parquet"
        frame([(symbol, day, close, close, close, close, 1_000_000) for symbol, close in closes.items() for day in days]).write_parquet(path)
        return path

    return write


@pytest.fixture
def market(minutes: Callable[..., Path], history: Callable[..., Path]) -> Callable[..., RecordedWorld]:
    """A recorded world of such minutes with a week of history at the first price."""

    def make(prices: dict[str, list[float]], **options: Any) -> RecordedWorld:
        return RecordedWorld(minutes=[minutes(prices, **options)], history=[history({symbol: closes[0] for symbol, closes in prices.items()})])

    return make


@pytest.fixture(scope="session")
def generated() -> GeneratedWorld:
    return GeneratedWorld(day=DAY, seed=7)


@pytest.fixture
def opened() -> Iterator[Callable[..., Exchange]]:
    """Start exchanges that are stopped after the test; without pieces unless a test asks for them."""
    with ExitStack() as stack:

        def start(world: Any, **options: Any) -> Exchange:
            return stack.enter_context(Exchange(world, **{"partial_rate": 0.0, "day": DAY, **options}))

        yield start


class Client:
    """The official clients and a raw one, all on one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.trading = TradingClient("SIM", "SIM", url_override=exchange.url)
        self.data = StockHistoricalDataClient("SIM", "SIM", url_override=exchange.url)
        self.raw = httpx.Client(base_url=exchange.url, headers=KEYS, trust_env=False)

    def status(self, order_id: object) -> str:
        return str(self.raw.get(f"/v2/orders/{order_id}").json()["status"])

    def send(self, symbol: str, side: str, qty: object, **more: Any) -> dict[str, Any]:
        """An order by raw JSON, market and day unless said otherwise."""
        body = {"symbol": symbol, "side": side, "qty": qty, "type": "market", "time_in_force": "day", **more}
        answer = self.raw.post("/v2/orders", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def client(opened: Callable[..., Exchange]) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def connect(world: Any, **options: Any) -> Client:
        made.append(Client(opened(world, **options)))
        return made[-1]

    yield connect
    for each in made:
        each.raw.close()
        each.trading._session.close()
        each.data._session.close()


class Heard:
    """What the two streams of alpaca-py delivered, in order."""

    def __init__(self) -> None:
        self.market: Queue[Any] = Queue()
        self.updates: Queue[Any] = Queue()

    def take(self, queue: "Queue[Any]", count: int) -> list[Any]:
        return [queue.get(timeout=10) for _ in range(count)]


@pytest.fixture
def listening() -> Iterator[Callable[..., Heard]]:
    """Run alpaca-py's streams in threads, and return once the exchange knows what they want."""
    running: list[tuple[Any, threading.Thread]] = []

    def start(
        exchange: Exchange, subscribe: Callable[[StockDataStream, Any], None] | None = None, *, updates: bool = False, feed: str | None = None
    ) -> Heard:
        heard = Heard()
        wanted = {"market": 0, "trading": 0}

        async def hear(message: Any) -> None:
            heard.market.put(message)

        async def hear_update(message: Any) -> None:
            heard.updates.put(message)

        streams: list[Any] = []
        if subscribe is not None:
            streams.append(StockDataStream("SIM", "SIM", url_override=exchange.stream if feed is None else exchange.stream.replace("sip", feed)))
            subscribe(streams[-1], hear)
            wanted["market"] = 1
        if updates:
            streams.append(TradingStream("SIM", "SIM", url_override=exchange.trading_stream))
            streams[-1].subscribe_trade_updates(hear_update)
            wanted["trading"] = 1
        for stream in streams:
            thread = threading.Thread(target=stream.run, daemon=True)
            thread.start()
            running.append((stream, thread))
        until(lambda: exchange.clock()["clients"] == wanted, f"{wanted} clients are connected", 10)
        return heard

    yield start
    for stream, _ in running:
        stream.stop()
    for stream, thread in running:
        loop = stream._loop
        if loop.is_running() and stream._ws is not None:
            loop.call_soon_threadsafe(lambda stream=stream: loop_close(stream))
        thread.join(timeout=10)


def loop_close(stream: Any) -> None:
    """Wake a receive that would otherwise wait its five seconds."""
    if stream._ws is not None:
        stream._loop.create_task(stream._ws.close())
