"""Every order and every refusal can be walked back to the bars that sized it, from the journal alone."""

from collections.abc import Callable

import pytest
from sealed import journaled

from pipelines.core.analytics.session.explain import Journaled, candidates, explained
from pipelines.core.errors import MissingData
from pipelines.core.trading.decisions import Refused, Submit
from pipelines.core.trading.orders import Role


@pytest.fixture(scope="module")
def found() -> Journaled:
    return explained(journaled(max_sector_exposure=0.025))


def first(found: Journaled, true: Callable[[object], bool]) -> int:
    return next(number for number, walk in enumerate(found.walks) if true(walk.decision))


def test_an_order_leads_back_to_its_bars_sizes_and_controls(found: Journaled) -> None:
    walk = found.walks[first(found, lambda d: isinstance(d, Submit))]
    assert isinstance(walk.decision, Submit)
    assert walk.lineage is not None
    assert len(walk.bars) == 5
    deciding = walk.bars[-1].bar
    assert (deciding.symbol, deciding.start, deciding.close) == (walk.symbol, walk.lineage.bar, walk.lineage.arrival)
    assert [seen.seq for seen in walk.bars] == sorted(seen.seq for seen in walk.bars)
    assert walk.bars[-1].seq < walk.seq
    assert walk.lineage.sizing
    assert walk.lineage.checks
    assert walk.closed is not None
    assert walk.closed.trade == walk.decision.trade
    filled = [deed for deed in walk.deeds if f"{walk.decision.order.quantity} in all" in deed.words]
    assert filled[0].order == walk.decision.order.id


def test_each_of_a_trades_orders_and_its_record_lead_to_the_same_walk(found: Journaled) -> None:
    walk = found.walks[first(found, lambda d: isinstance(d, Submit))]
    assert isinstance(walk.decision, Submit)
    members = [name for name, _, _ in walk.decision.order.members(Role.ENTRY)]
    for name in (*members, walk.decision.trade, str(walk.seq)):
        assert found.of(name) == (walk,)
    assert walk in found.of(walk.symbol)


def test_a_refusal_says_which_limit_first_stopped_it(found: Journaled) -> None:
    walk = found.walks[first(found, lambda d: isinstance(d, Refused) and d.check.code == "SECTOR")]
    assert isinstance(walk.decision, Refused)
    assert walk.lineage is not None
    assert next(check for check in walk.lineage.checks if not check.passed).code == "SECTOR"
    rows = candidates(found).rows(named=True)
    row = next(row for row in rows if row["seq"] == walk.seq)
    assert (row["outcome"], row["quantity"], row["code"], row["limit"]) == ("refused", 0, "SECTOR", 0.025)
    assert row["value"] > row["limit"]


def test_every_candidate_is_a_row_and_what_was_cut_names_its_limit(found: Journaled) -> None:
    rows = candidates(explained(journaled(max_sector_exposure=0.03))).rows(named=True)
    assert {row["outcome"] for row in rows} == {"entered", "reduced", "refused"}
    for row in rows:
        assert (row["code"] is None) == (row["outcome"] == "entered")
        assert 0 < row["quantity"] < row["wanted"] or row["outcome"] != "reduced"
    assert candidates(found).height == len(found.walks)


def test_what_is_not_in_the_journal_is_told_with_what_is(found: Journaled) -> None:
    with pytest.raises(MissingData, match=r"NOPE.*JPM"):
        found.of("NOPE")
