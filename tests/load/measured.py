"""A runner on an exchange of its own, for what is measured: limits that let everything in, and a strategy that enters whatever has a bar."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from desk import DAY, now, settings, world
from flood import SYMBOLS
from market import briefing_of

from live.clock import SteppedClock
from live.journal import Journal
from live.runner import Runner
from live.sim.embedded import Exchange
from pipelines.core.journal import Manifest
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.orders import Side
from pipelines.core.trading.seats import Allocation
from pipelines.core.trading.strategy import Enter, Intent, Strategy, View


class EveryBar(Strategy):
    """Enters whatever has a bar."""

    name = "every"

    def on_bar(self, view: View) -> Intent | None:
        return Enter(Side.BUY, "a bar", stop=2.0, target=4.0) if not view.position and not view.entries else None


@contextmanager
def running(tmp_path: Path, url: str = "", strategies: tuple[Allocation, ...] = (), **more: Any) -> Iterator[tuple[Runner, Manifest]]:
    """A runner at 10:00 on an exchange of its own; its market data come from `url`, or from the exchange too."""
    tmp_path.mkdir(parents=True, exist_ok=True)
    prices = {symbol: [100.0] * 60 for symbol in SYMBOLS}
    with Exchange(world(tmp_path, prices), stepped=True, start=(9, 59), partial_rate=0.0, rate_limit=0) as exchange:
        exchange.step_to(10, 0)
        known = settings(exchange.url, tmp_path / "home", alpaca_feed="sip", alpaca_stream_url=url, broker_rate=10_000, feed_canary="", **more)
        limits = Limits(
            max_position_size=0.004,
            max_positions=500,
            max_sector_exposure=4.0,
            max_correlated_exposure=4.0,
            max_concentration=4.0,
            max_portfolio_heat=1.0,
            max_entries=1000,
            max_order_rate=200,
            max_beta_exposure=4.0,
            max_net_exposure=4.0,
        )
        briefing = briefing_of(SYMBOLS)
        engine = Engine(briefing, limits, strategies, run="test")
        manifest = Manifest(session=DAY, run="test", mode="sim", account="PA", code="", strategies=(), limits=limits, briefing=briefing)
        clock = SteppedClock(now(exchange))
        yield Runner(known, engine, Journal(known.journals / "2026-11-20-01-test.jsonl"), clock, symbols=SYMBOLS, watch=lambda *_: None), manifest


async def armed(runner: Runner, manifest: Manifest) -> asyncio.Task[None]:
    task = asyncio.create_task(runner.run(manifest, [], conducted=True))
    await asyncio.wait_for(runner.armed.wait(), 60)
    return task
