"""A session's journal of the tests' own making: the engine over an invented day, sealed line by line as the runner does it."""

from collections.abc import Iterator

from market import SECTORS, briefing_of, day_bars

from pipelines import roster
from pipelines.core.backtest.costs import Costs
from pipelines.core.backtest.fills import Venue
from pipelines.core.backtest.run import run
from pipelines.core.journal import GENESIS, Manifest, Record, encode, records, seal
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.engine import Engine


def lines(costs: Costs | None = None, **limits: float) -> Iterator[bytes]:
    """The lines of the journal's file, without their newlines."""
    briefing, strategies = briefing_of(SECTORS), roster.employ("momentum,reversion")
    known = Limits.model_validate(limits)
    engine = Engine(briefing, known, strategies, run="t")
    employed = tuple(map(roster.employed, strategies))
    head = Manifest(session=briefing.session, run="t", mode="sim", account="A", code="c", strategies=employed, limits=known, briefing=briefing)
    line, previous = seal(GENESIS, 1, 0, "session", encode(head))
    yield line
    seq = 1
    for step in run(engine, day_bars(), equity=100_000, venue=Venue(costs, briefing) if costs else None):
        for kind, data in (("event", step.event), *(("decision", d) for d in step.decisions)):
            seq += 1
            line, previous = seal(previous, seq, step.event.at, kind, encode(data))
            yield line


def journaled(costs: Costs | None = None, **limits: float) -> list[Record]:
    """The records, read back."""
    return list(records(lines(costs, **limits)))
