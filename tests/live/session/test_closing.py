"""How a session ends: flat by the broker's word, with what belongs to others left alone."""

from floor import Floor, play

from live.sim.embedded import Exchange
from pipelines.settings import Settings

MANUAL = {"symbol": "BBB", "side": "buy", "qty": "7", "type": "market", "time_in_force": "day"}


def test_shares_of_somebody_else_in_a_symbol_of_ours_are_left_alone_at_the_close_and_it_ends(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        await floor.held("BBB")
        exchange.inject(kind="match.manual", order=MANUAL)
        await floor.step(10)
        assert floor.books.positions == {"BBB": 107}
        await floor.step_to(15, 44, by=600)
        await floor.step(17 * 60 + 20, by=10)
        assert floor.books.positions == {"BBB": 7}
        assert floor.runner.over

    play(exchange, known, act)


def test_a_broker_that_gives_no_answer_after_the_close_is_not_flat_and_it_waits_for_its_word(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        await floor.held()
        await floor.step_to(15, 44, by=600)
        await floor.step(15 * 60, by=10)
        assert floor.books.positions == {}
        silent = exchange.inject(kind="rest.status", status=503, path="/v2/*", times=0)
        await floor.step(180, by=10)
        assert floor.runner.engine.flat
        assert not floor.runner.over
        exchange.relent(silent["id"])
        await floor.step(20, by=5)
        assert floor.runner.over

    play(exchange, known, act)
