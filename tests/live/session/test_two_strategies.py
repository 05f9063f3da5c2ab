"""Two strategies on one symbol at the broker: a bracket is taken beside the exits of another, and what frees one does not free the other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk, bracket, oco, play, sale, settings, world

from live.sim.embedded import Exchange
from pipelines.core.trading.events import Outcome
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status
from pipelines.settings import Settings

ONE, TWO = "d-0001-entry", "d-0002-entry"


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """100 dollars until 10:05, 94 after it."""
    prices = [100.0] * 35 + [94.0] * 355
    with Exchange(world(tmp_path, {"AAA": prices}), stepped=True, partial_rate=0.0, rate_limit=0) as running:
        running.step_to(10, 0)
        yield running


@pytest.fixture
def known(exchange: Exchange, tmp_path: Path) -> Settings:
    return settings(exchange.url, tmp_path)


def resting(desk: Desk) -> dict[str, int]:
    """Shares of the open orders by type and price."""
    return {f"{o['type']} {o['stop_price'] or o['limit_price']}": int(o["qty"]) for o in desk.books.open}


async def both(desk: Desk) -> None:
    desk.submit(bracket(ONE, 10, stop=90.0, target=110.0))
    await desk.step(2)
    desk.submit(bracket(TWO, 7, stop=95.0, target=112.0))
    await desk.step(2)
    assert (desk.status(ONE), desk.status(TWO)) == (Status.FILLED, Status.FILLED)
    assert desk.books.positions == {"AAA": 17}


def test_a_second_bracket_is_taken_beside_the_exits_of_the_first(exchange: Exchange, known: Settings) -> None:
    desk = play(exchange, known, both)
    assert resting(desk) == {"limit 110": 10, "stop 90": 10, "limit 112": 7, "stop 95": 7}


def test_a_bracket_is_taken_beside_a_lone_stop_of_another_trade(exchange: Exchange, known: Settings) -> None:
    """The wash-trade rule refuses a plain buy there; a bracket is exempt."""

    async def act(desk: Desk) -> None:
        desk.submit(Order(ONE, "AAA", Side.BUY, 10, Shape.SIMPLE))
        await desk.step(2)
        desk.submit(Order("d-0001-protect1", "AAA", Side.SELL, 10, Shape.STOP, stop=90.0), Role.STOP)
        await desk.step(2)
        desk.submit(bracket(TWO, 7))
        await desk.step(2)

    desk = play(exchange, known, act)
    assert desk.answers(TWO) == [Outcome.ACCEPTED]
    assert desk.books.positions == {"AAA": 17}


def test_the_exits_of_one_go_and_free_its_shares_alone(exchange: Exchange, known: Settings) -> None:
    async def act(desk: Desk) -> None:
        await both(desk)
        desk.cancel(f"{ONE}/target")
        await desk.step(2)
        assert resting(desk) == {"limit 112": 7, "stop 95": 7}
        desk.submit(sale("d-0001-exit1", 10), Role.EXIT)
        await desk.step(2)

    desk = play(exchange, known, act)
    assert desk.status("d-0001-exit1") is Status.FILLED
    assert desk.books.positions == {"AAA": 7}
    assert resting(desk) == {"limit 112": 7, "stop 95": 7}


def test_the_stop_of_one_sells_its_shares_and_the_other_stays_protected(exchange: Exchange, known: Settings) -> None:
    async def act(desk: Desk) -> None:
        await both(desk)
        await desk.step(400, by=100.0)

    desk = play(exchange, known, act)
    assert desk.status(f"{TWO}/stop") is Status.FILLED
    assert desk.books.positions == {"AAA": 10}
    assert resting(desk) == {"limit 110": 10, "stop 90": 10}


def test_a_part_of_one_is_sold_and_the_rest_protected_beside_the_other(exchange: Exchange, known: Settings) -> None:
    """Scaling out: its exits go, what stays gets new ones and what goes is sold in the same breath."""

    async def act(desk: Desk) -> None:
        await both(desk)
        desk.cancel(f"{ONE}/target")
        await desk.step(2)
        desk.submit(oco("d-0001-protect1", 6), Role.STOP)
        desk.submit(sale("d-0001-exit2", 4), Role.EXIT)
        await desk.settle()
        await desk.step(3)

    desk = play(exchange, known, act)
    assert desk.books.positions == {"AAA": 13}
    assert resting(desk) == {"limit 110": 6, "stop 90": 6, "limit 112": 7, "stop 95": 7}
