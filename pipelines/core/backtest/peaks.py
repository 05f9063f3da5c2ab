"""How near a recorded session came to each limit: its events through a fresh engine, which is asked for the use of its limits as it goes."""

from collections.abc import Sequence

from msgspec import Struct

from pipelines.core.backtest.replay import rebuild
from pipelines.core.journal import Record, event_of, manifest
from pipelines.core.market.bars import MINUTE
from pipelines.core.risk.checks import Check, Code
from pipelines.core.trading.events import OrderUpdate
from pipelines.core.trading.seats import Allocation


class Peak(Struct, frozen=True):
    """The greatest use of one limit: the check as it stood, when (nanoseconds UTC), and what is in use at the end, None where nothing is."""

    check: Check
    at: int
    last: float | None


def peaks(records: Sequence[Record], strategies: Sequence[Allocation]) -> list[Peak]:
    """One a limit, and one a sector; looked at once a minute, and after every word of the broker's."""
    engine = rebuild(manifest(records[0]), strategies)
    highest: dict[tuple[Code, str], tuple[Check, int]] = {}
    last: list[Check] = []
    looked = 0
    for record in records[1:]:
        if record.kind != "event":
            continue
        event = event_of(record)
        decisions = engine.process(event)
        if engine.portfolio is None or not (decisions or isinstance(event, OrderUpdate) or event.at - looked >= MINUTE):
            continue
        looked, last = event.at, engine.usage(event.at)
        for check in last:
            before = highest.get(_subject(check))
            if before is None or _share(check) > _share(before[0]):
                highest[_subject(check)] = check, event.at
    present: dict[tuple[Code, str], float] = {}
    for check in last:
        present[_subject(check)] = max(check.value, present.get(_subject(check), check.value))
    return [Peak(check, at, present.get(subject)) for subject, (check, at) in highest.items()]


def _subject(check: Check) -> tuple[Code, str]:
    """What a limit is counted for: sectors one by one, all else by its control."""
    return check.code, check.detail.partition(":")[0] if check.code is Code.SECTOR else ""


def _share(check: Check) -> float:
    return check.value / check.limit if check.limit else check.value
