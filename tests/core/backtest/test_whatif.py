"""A session under other limits: the same market, other answers of the gate."""

import msgspec
import pytest
from market import SECTORS, briefing_of, day_bars

from pipelines.core.backtest.run import run
from pipelines.core.backtest.whatif import tape, whatif
from pipelines.core.errors import JournalError
from pipelines.core.journal import Employed, Manifest, Record, encode
from pipelines.core.risk.limits import Limits
from pipelines.core.strategies.momentum import Momentum
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.seats import Allocation


def recorded(limits: Limits) -> tuple[list[Record], list[Allocation]]:
    """The journal of a session over the invented market."""
    briefing, employed = briefing_of(SECTORS), [Allocation(Momentum(), "v")]
    head = Manifest(
        session=briefing.session,
        run="t",
        mode="sim",
        account="A",
        code="c",
        strategies=(Employed(name="momentum", parameters={}, version="v"),),
        limits=limits,
        briefing=briefing,
    )
    steps = run(Engine(briefing, limits, employed, run="t"), day_bars(), equity=100_000)
    said = [("session", encode(head)), *(("event", encode(step.event)) for step in steps)]
    return [Record(n, 0, kind, msgspec.json.decode(data)) for n, (kind, data) in enumerate(said, start=1)], employed


def test_the_same_limits_give_the_same_session() -> None:
    records, employed = recorded(Limits())
    was, again = whatif(records, employed, Limits())
    assert was == again
    assert was.entries
    assert was.profit == pytest.approx(sum(trade.profit for trade in was.closed))


def test_a_tighter_limit_refuses_what_it_is_for_and_nothing_else_changes_before() -> None:
    records, employed = recorded(Limits())
    was, tight = whatif(records, employed, Limits(max_sector_exposure=0.015))
    assert len(tight.entries) < len(was.entries)
    assert tight.refused["SECTOR"] > was.refused.get("SECTOR", 0)


def test_a_journal_without_an_account_cannot_be_run_again() -> None:
    records, _ = recorded(Limits())
    with pytest.raises(JournalError, match="expected an account and bars"):
        tape(record for record in records if record.data.get("kind") != "account")
