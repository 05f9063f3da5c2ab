"""What watches a session breaks: a picture costs itself, books cost the entries, and neither costs a position its stop."""

from floor import Floor, play

from live.session.watchers import Watchers
from live.sim.embedded import Exchange
from pipelines.core.trading.commands import Resume
from pipelines.core.trading.decisions import Decision, Noticed, TradingState
from pipelines.core.trading.events import Event
from pipelines.settings import Settings


class Breaking:
    """A watcher that works until it is told to break."""

    def __init__(self) -> None:
        self.broken, self.steps = False, 0

    def watch(self, event: Event, decisions: list[Decision]) -> None:
        self.steps += 1
        if self.broken:
            raise ValueError("no such column")


def test_a_picture_that_breaks_is_taken_out_and_books_that_break_halt_entries_and_protect_on(exchange: Exchange, known: Settings) -> None:
    picture, ledger = Breaking(), Breaking()

    async def act(floor: Floor) -> None:
        watchers = Watchers(books={"test": floor._watch, "ledger": ledger.watch}, shows={"screen": picture.watch}, emit=floor.runner.emit)
        floor.runner._watch = watchers.watch
        await floor.held("AAA")
        picture.broken = True
        seen = picture.steps
        await floor.held("BBB")
        assert (picture.steps, floor.state) == (seen + 1, TradingState.ACTIVE)
        ledger.broken = True
        await floor.step(3)
        assert floor.state is TradingState.HALTED
        assert watchers.failed == dict.fromkeys(("screen", "ledger"), "ValueError: no such column")
        exchange.inject(kind="match.cancel", symbol="AAA", role="stop_loss")
        await floor.step(15)
        assert floor.protected("AAA")
        floor.tell(Resume(), "again")
        await floor.step(3)
        assert floor.state is TradingState.HALTED, "it fails still"
        ledger.broken = False
        floor.tell(Resume(), "mended")
        await floor.step(3)
        assert floor.state is TradingState.ACTIVE
        floor.close("AAA")
        await floor.step(5)
        assert floor.books.positions == {"BBB": 100}

    floor = play(exchange, known, act)
    told = [d.detail.partition(":")[0] for d in floor.decisions if isinstance(d, Noticed) and d.code == "WATCHER_FAILED"]
    assert told == ["screen", "ledger", "ledger"]
