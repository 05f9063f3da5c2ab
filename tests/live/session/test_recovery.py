"""A run that dies is gone on with: at every boundary of the journal (F39), by what the venue's books say; and never beside a living one (F40)."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from floor import Floor, resumed

from live import journal
from live.session import recovery
from live.sim.embedded import Exchange
from pipelines.core.backtest.replay import replay
from pipelines.core.errors import JournalError, SettingsError
from pipelines.core.trading.decisions import TradingState
from pipelines.settings import Settings

Act = Callable[[Floor], Awaitable[None]]


def lives(exchange: Exchange, known: Settings, *acts: Act) -> list[Floor]:
    """One run after the other on the same session: each dies as by kill -9 when its act is done, the last one ends."""

    async def run() -> list[Floor]:
        floors: list[Floor] = []
        async with asyncio.timeout(120):
            for n, act in enumerate(acts):
                floor = resumed(exchange, known) if n else Floor(exchange, known)
                floors.append(floor)
                try:
                    await act(floor)
                finally:
                    if n < len(acts) - 1:
                        floor.die()
                        await floor.bury()
                    else:
                        floor.runner.stop()
                        if floor.task is not None:
                            await asyncio.wait({floor.task})
                if floor.task is not None and n == len(acts) - 1:
                    floor.task.result()
        return floors

    return asyncio.run(run())


async def begin(floor: Floor) -> None:
    await floor.open()
    await floor.step(61)


async def rest(floor: Floor) -> None:
    """The successor: it settles down, then closes everything."""
    await floor.open()
    await floor.step(20)
    assert floor.protected()
    await floor.step(61)


def test_the_session_of_another_account_is_never_gone_on_with(exchange: Exchange, known: Settings) -> None:
    """Paper and real money in one home: what one has begun is nobody else's."""
    (floor,) = lives(exchange, known, begin)
    head = floor.manifest
    assert recovery.find(known.journals, head.session, head.account) == floor.runner.journal.path
    assert recovery.find(known.journals, head.session, f"{head.account}-LIVE") is None


def whole(known: Settings) -> None:
    """The journal of all runs together verifies, and replays to the same decisions."""
    path = journal.latest(known.journals)
    journal.verify(path)
    assert replay(list(journal.read(path)), ()).difference is None


def entered(floor: Floor) -> list[str]:
    return [o["client_order_id"] for o in floor.books.raw["orders"] if o["client_order_id"].endswith("-entry")]


# --- where it dies


def before_write(floor: Floor) -> None:
    """The decision is made, and nothing of it is on the disk."""

    def dies() -> None:
        floor.die()
        raise asyncio.CancelledError

    floor.runner.journal.barrier = dies  # type: ignore[method-assign]


def before_send(floor: Floor) -> None:
    """The decision is durable, and nothing was sent."""

    def dies(request: object) -> None:
        floor.die()
        raise asyncio.CancelledError

    floor.runner.broker.send = dies  # type: ignore[method-assign]


def before_response(floor: Floor) -> None:
    """The broker has the order; its answer was not read, nor any update."""

    def dies(*_: object) -> None:
        floor.die()
        raise asyncio.CancelledError

    floor.runner.broker._accepted = floor.runner.broker.updates._hear = dies  # type: ignore[method-assign, assignment]


@pytest.mark.parametrize(("boundary", "bought"), [(before_write, 0), (before_send, 0), (before_response, 1)])
def test_f39_an_entry_that_a_death_cuts_off_is_at_most_one_position(
    exchange: Exchange, known: Settings, boundary: Callable[[Floor], None], bought: int
) -> None:
    async def dies(floor: Floor) -> None:
        await begin(floor)
        boundary(floor)
        floor.buy()
        await floor.step(3)
        assert floor.dead.is_set()

    async def goes_on(floor: Floor) -> None:
        await rest(floor)
        assert floor.books.positions == ({"AAA": 100} if bought else {})
        floor.flatten()
        await floor.step(15)
        await floor.step(0 if bought else 330, by=10)

    _, second = lives(exchange, known, dies, goes_on)
    assert len(entered(second)) == bought
    assert second.books.positions == {}
    assert second.books.open == []
    assert second.runner.engine.flat
    whole(known)


@pytest.mark.parametrize("boundary", [before_write, before_send, before_response])
def test_f39_an_exit_that_a_death_cuts_off_is_one_sale(exchange: Exchange, known: Settings, boundary: Callable[[Floor], None]) -> None:
    async def dies(floor: Floor) -> None:
        await begin(floor)
        await floor.held()
        boundary(floor)
        floor.close()
        await floor.step(6)
        assert floor.dead.is_set()

    async def goes_on(floor: Floor) -> None:
        await floor.open()
        await floor.step(61)
        if boundary is before_write:
            assert floor.protected(), "the command was never written: it was never given"
            floor.close()
            await floor.step(15)

    _, second = lives(exchange, known, dies, goes_on)
    assert second.books.positions == {}
    assert second.books.open == []
    assert [f["qty"] for f in second.books.raw["fills"] if f["side"] == "sell"] == ["100"]
    whole(known)


def test_f39_a_death_in_the_middle_of_recovering_is_recovered_from(exchange: Exchange, known: Settings) -> None:
    async def dies(floor: Floor) -> None:
        await begin(floor)
        before_response(floor)
        floor.buy()
        await floor.step(3)

    async def dies_again(floor: Floor) -> None:
        async def never(*_: object) -> None:
            floor.die()
            await asyncio.Event().wait()

        floor.runner.oversight.begin = never  # type: ignore[method-assign, assignment]
        await floor.open()
        assert floor.dead.is_set()

    *_, last = lives(exchange, known, dies, dies_again, dies_again, rest)
    assert last.books.positions == {"AAA": 100}
    assert len(entered(last)) == 1
    assert last.protected()
    whole(known)


def test_f39_what_happened_while_nobody_was_there_is_taken_in(exchange: Exchange, known: Settings) -> None:
    """The entry fills and its stop is hit between two runs."""

    async def dies(floor: Floor) -> None:
        await begin(floor)
        await floor.held()

    async def goes_on(floor: Floor) -> None:
        exchange.inject(kind="match.jump", symbol="AAA", percent=-10)
        exchange.step(180)
        floor.clock.set(floor.clock.now() + 180 * 10**9)
        await floor.open()
        await floor.step(10)

    _, second = lives(exchange, known, dies, goes_on)
    assert second.books.positions == {}
    assert [c.reason for c in second.closed] == ["stop"]
    whole(known)


def test_a_session_that_was_halted_stays_halted_and_new_orders_get_new_names(exchange: Exchange, known: Settings) -> None:
    async def dies(floor: Floor) -> None:
        await begin(floor)
        await floor.held()
        floor.flatten()
        await floor.step(10)

    async def goes_on(floor: Floor) -> None:
        await rest(floor)
        assert floor.state is TradingState.HALTED
        floor.buy()
        await floor.step(3)

    _, second = lives(exchange, known, dies, goes_on)
    assert second.books.positions == {}
    assert len(entered(second)) == 1


def test_a_session_that_goes_on_trades_on(exchange: Exchange, known: Settings) -> None:
    async def dies(floor: Floor) -> None:
        await begin(floor)
        await floor.held()

    async def goes_on(floor: Floor) -> None:
        await rest(floor)
        floor.buy("BBB")
        await floor.step(5)

    _, second = lives(exchange, known, dies, goes_on)
    assert second.books.positions == {"AAA": 100, "BBB": 100}
    assert len(set(entered(second))) == 2
    assert second.protected("AAA")
    assert second.protected("BBB")
    whole(known)


def test_a_torn_end_is_cut_off_and_said(exchange: Exchange, known: Settings) -> None:
    async def dies(floor: Floor) -> None:
        await begin(floor)
        await floor.held()

    async def goes_on(floor: Floor) -> None:
        await rest(floor)

    lives(exchange, known, dies, goes_on)
    path = journal.latest(known.journals)
    with path.open("ab") as file:
        file.write(b'{"hash":"torn')

    async def run() -> None:
        floor = resumed(exchange, known)
        await rest(floor)
        floor.runner.stop()
        assert floor.task is not None
        await asyncio.wait({floor.task})
        assert floor.books.positions == {"AAA": 100}

    asyncio.run(run())
    assert list(path.parent.glob("*.torn"))
    whole(known)


def test_a_journal_that_was_changed_or_that_this_code_does_not_follow_is_refused(exchange: Exchange, known: Settings) -> None:
    async def dies(floor: Floor) -> None:
        await begin(floor)
        await floor.held()

    async def ends(floor: Floor) -> None:
        await rest(floor)

    lives(exchange, known, dies, ends)
    path = journal.latest(known.journals)
    text = path.read_bytes()
    path.write_bytes(text.replace(b'"quantity":100', b'"quantity":101', 1))
    with pytest.raises(JournalError, match="the hash does not fit"):
        recovery.recover(path)


def test_f40_a_second_runner_is_refused(exchange: Exchange, known: Settings) -> None:
    from live.session.assemble import _only_runner

    lock = _only_runner(known)
    try:
        with pytest.raises(SettingsError, match="only runner"):
            _only_runner(known)
    finally:
        lock.release()
