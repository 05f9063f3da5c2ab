"""The terminal shows a session as it stands: its state, what is held and where it is protected, and why something was refused."""

from io import StringIO
from types import SimpleNamespace
from typing import Any

from market import SECTORS, briefing_of, day_bars
from rich.console import Console

from live.session.screen import Screen
from pipelines.core.backtest.run import run
from pipelines.core.risk.limits import Limits
from pipelines.core.strategies.momentum import Momentum
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import FeedStatus
from pipelines.core.trading.orders import Role
from pipelines.core.trading.seats import Allocation


def drawn(screen: Screen, engine: Engine, at: int) -> str:
    console = Console(width=160, record=True, file=StringIO())
    runner: Any = SimpleNamespace(engine=engine, clock=SimpleNamespace(now=lambda: at))
    console.print(screen.panel(runner))
    return console.export_text()


def test_it_shows_what_is_held_with_its_stop_and_what_was_refused_by_which_limit() -> None:
    engine = Engine(briefing_of(SECTORS), Limits(max_sector_exposure=0.021), [Allocation(Momentum(), "v")], run="t")
    screen = Screen("SIM", "PA1")
    screen.watch(FeedStatus("iex", True, "", 1), engine.process(FeedStatus("iex", True, "", 1)))
    assert "the account is not known yet" in drawn(screen, engine, engine.hours.open)
    for step in run(engine, day_bars(), equity=100_000):
        screen.watch(step.event, step.decisions)
        held = [trade for trade in engine.trades.values() if trade.held]
        if held and screen._refused["SECTOR"]:
            break
    text = drawn(screen, engine, step.event.at)
    assert "SIM PA1" in text
    assert "ACTIVE" in text
    assert f"{held[0].symbol}" in text
    assert f"{held[0].stop:.2f}" in text
    assert "SECTOR" in text
    assert "iex   healthy" in text
    book, portfolio = engine.book(step.event.at), engine.portfolio
    assert portfolio is not None
    assert f"heat {sum(e.heat for e in book.exposures) / portfolio.equity:.2%} of 1.00%" in text
    live = [order for trade in engine.trades.values() for order in trade.orders.values() if order.live]
    assert f"orders {len(live)}" in text
    assert any(order.role is Role.STOP and f"{order.price:.2f}" in text for order in live)
    assert "answered in 0.00 s, 0.00 s at most" in text, "a backtest's broker answers at once"
