"""What a door costs: a tool called over the local socket against the same call on the engine, and against a route that does nothing, in one run."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desk import world
from manned import Manned

from live.sim.embedded import Exchange
from live.tools.asks import PreviewRequest
from live.tools.desk import Caller
from live.tools.trading import wish

pytestmark = pytest.mark.benchmark

CALLS, ROUNDS = 100, 5
BODY = {"symbol": "AAA", "side": "buy", "quantity": 100, "stop_loss_price": 95.0, "take_profit_price": 110.0}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manned]:
    folder: Path = tmp_path_factory.mktemp("bench")
    with Exchange(world(folder, {"AAA": [100.0] * 390, "BBB": [100.0] * 390}), stepped=True, partial_rate=0.0, rate_limit=0) as exchange:
        exchange.step_to(9, 40)
        with Manned(exchange, folder / "home", bounds={"max_entries": 10_000}) as running:
            yield running


def least(*works: Callable[[], object]) -> list[float]:
    """Wall seconds a call of each work's fastest round; rounds are interleaved, so that all see the same machine."""
    best = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for i, work in enumerate(works):
            begin = time.perf_counter()
            for _ in range(CALLS):
                work()
            best[i] = min(best[i], (time.perf_counter() - begin) / CALLS)
    return best


def test_a_tool_costs_little_more_than_a_route_that_does_nothing(session: Manned) -> None:
    engine, now = session.desk.runner.engine, session.desk.runner.clock.now()
    asked = wish(session.desk, PreviewRequest(**BODY), Caller("a person"))
    bare, nothing, gate, look, command = least(
        lambda: engine.preview(asked, now),
        lambda: session.get("/healthz"),
        lambda: session.post("/preview", BODY),
        lambda: session.get("/positions"),
        lambda: session.post("/tools/record_trade", {"event_type": "note", "symbol": "AAA"}),
    )
    print(
        f"\nengine {bare * 1e6:.0f} us, empty route {nothing * 1e6:.0f} us; through the door, in empty routes: preview {gate / nothing:.2f}, "
        f"positions {look / nothing:.2f}, a command on the queue and back {command / nothing:.2f}; preview in engine calls {gate / bare:.1f}"
    )
    assert gate - bare < 4 * nothing
    assert look < 3 * nothing
    assert command < 5 * nothing
