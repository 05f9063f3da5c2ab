"""A session in virtual time: alpaca-py's two streams over sockets, its REST in process. Prints figures and one digest of all that was heard."""

import asyncio
import hashlib
import json
import random
import sys
import time
from datetime import date
from typing import Any

from alpaca.data.live import StockDataStream
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce, TradeEvent
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest
from alpaca.trading.stream import TradingStream

from live.sim.clock import LoopClock, local, new_york
from live.sim.inloop import Hosted, hosting
from live.sim.virtual import VirtualLoop
from live.sim.worlds.generated import GeneratedWorld

DAY = date(2026, 11, 20)
TRADED = ("AAPL", "MSFT", "KO", "GE")


class Trader:
    """Buys and sells a little every ten minutes, rests a limit order, cancels what is left: enough for every kind of event."""

    def __init__(self, exchange: Hosted) -> None:
        self.client = TradingClient("SIM", "SIM", url_override=exchange.url)
        exchange.mount(self.client._session)
        self.digest = hashlib.sha256()
        self.counts = {"bars": 0, "minutes": 0, "updates": 0, "fills": 0, "partials": 0}
        self.core = exchange.core
        self._last = 0

    def note(self, *what: Any) -> None:
        self.digest.update(f"{self.core.clock.now()} {what}\n".encode())

    async def bar(self, bar: Any) -> None:
        self.note("bar", bar.symbol, bar.timestamp, bar.open, bar.high, bar.low, bar.close, bar.volume)
        self.counts["bars"] += 1
        at = int(bar.timestamp.timestamp()) // 60
        if at != self._last:
            self._last, self.counts["minutes"] = at, self.counts["minutes"] + 1
            if at % 10 == 0:
                self.trade(at // 10, bar.close)

    def trade(self, turn: int, price: float) -> None:
        symbol, side = TRADED[turn % len(TRADED)], OrderSide.BUY if turn % 8 < 4 else OrderSide.SELL
        held = {position.symbol: position for position in self.client.get_all_positions()}
        self.client.cancel_orders()
        if side is OrderSide.BUY or symbol in held:
            order = MarketOrderRequest(symbol=symbol, qty=3, side=side, time_in_force=TimeInForce.DAY)
            self.note("sent", self.client.submit_order(order).model_dump_json())
        resting = LimitOrderRequest(symbol="SPY", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, limit_price=1)
        self.note("sent", self.client.submit_order(resting).model_dump_json(), self.client.get_account().model_dump_json())

    async def update(self, update: Any) -> None:
        self.note("update", update.model_dump_json())
        self.counts["updates"] += 1
        self.counts["fills"] += update.event == TradeEvent.FILL
        self.counts["partials"] += update.event == TradeEvent.PARTIAL_FILL


async def play() -> dict[str, Any]:
    world = GeneratedWorld(day=DAY, seed=7)
    clock = LoopClock(local(DAY, 9, 29))
    async with hosting(world, clock) as exchange:
        trader = Trader(exchange)
        market = StockDataStream("SIM", "SIM", url_override=exchange.stream.replace("iex", "sip"))
        trading = TradingStream("SIM", "SIM", url_override=exchange.trading_stream)
        market.subscribe_bars(trader.bar, "*")
        trading.subscribe_trade_updates(trader.update)
        running = [asyncio.create_task(stream._run_forever()) for stream in (market, trading)]
        await asyncio.sleep((local(DAY, 16, 1) - clock.now()) / 1e9)
        at = new_york(clock.now()).isoformat()
        books = exchange.books()
        trader.note(json.dumps(books))
        await market.stop_ws()
        await trading.stop_ws()
        await asyncio.gather(*running)
    return {**trader.counts, "booked": len(books["fills"]), "orders": len(books["orders"]), "ended": at, "digest": trader.digest.hexdigest()}


if __name__ == "__main__":
    random.seed(1)  # alpaca-py draws its pauses between reconnections from here
    began = time.process_time()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        found = runner.run(play())
    sys.stdout.write(json.dumps({**found, "seconds": time.process_time() - began}))
