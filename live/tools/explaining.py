"""The tools that explain, from an order, a trade or a refusal back to the bars that sized it: of a running session, or of any journal."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from live import journal as journals
from live.problems import finite, missing
from live.tools.asks import CandidatesRequest, ExplainRequest
from live.tools.desk import Desk
from live.tools.lines import check_line, checks, steps
from live.tools.reading import page
from live.tools.reports import BarLine, CandidateLine, Candidates, ClosedLine, DeedLine, Explained, WalkLine
from pipelines.core.analytics.session import explain as walking
from pipelines.core.analytics.session.explain import Journaled, Walk
from pipelines.core.errors import MissingData
from pipelines.core.market.session import moment
from pipelines.core.trading.decisions import Refused, Submit


class Source(NamedTuple):
    """What is told from: a session's walks, as of when, which journal holds them, and whether it still runs."""

    found: Journaled
    at: datetime
    journal: str
    running: bool

    @property
    def head(self) -> dict[str, object]:
        """What every answer says."""
        head = self.found.head
        return {"mode": head.label, "session": head.session, "at": self.at, "journal": self.journal, "running": self.running}


def written(path: Path) -> Source:
    """A journal that nobody has to be writing. Raises `MissingData` and `JournalError`."""
    records = list(journals.read(path))
    return Source(walking.explained(records), moment(records[-1].at if records else 0), path.name, running=False)


async def explain(desk: Desk, ask: ExplainRequest) -> Explained:
    """Why this order, this trade, or this refusal: what it stands on, sizes, every control, the bars, and what became of it."""
    return explained(_running(desk), ask)


async def candidates(desk: Desk, ask: CandidatesRequest) -> Candidates:
    """Every entry that somebody wanted: what it got, and the control that cut or stopped it with value and limit."""
    return await asyncio.to_thread(wanted, _running(desk), ask)


def explained(source: Source, ask: ExplainRequest) -> Explained:
    """The same of any source."""
    try:
        walks = source.found.of(ask.id)
    except MissingData as none:
        raise missing("NOT_FOUND", f"{none}; `daybot explain` and GET /candidates list what there is") from None
    return Explained(**source.head, walks=tuple(map(_line, walks)), code=source.found.head.code)


def wanted(source: Source, ask: CandidatesRequest) -> Candidates:
    """The same of any source."""
    rows = [row for row in walking.candidates(source.found).iter_rows(named=True) if ask.symbol in (None, row["symbol"])]
    counts = {name: sum(row["outcome"] == name for row in rows) for name in ("entered", "reduced", "refused")}
    found, after = page([row for row in reversed(rows) if ask.outcome in ("all", row["outcome"])], ask)
    lines = tuple(CandidateLine(**row | {n: finite(row[n]) for n in ("value", "limit")}) for row in found)
    return Candidates(**source.head, counts=counts, candidates=lines, next=after)


def _running(desk: Desk) -> Source:
    return Source(Journaled(desk.manifest, tuple(desk.walker.walks)), desk.now, desk.runner.journal.path.name, running=True)


def _line(walk: Walk) -> WalkLine:
    decision, lineage, closed = walk.decision, walk.lineage, walk.closed
    order = decision.order if isinstance(decision, Submit) else None
    exits = decision.order if isinstance(decision, Submit) else decision
    asked = decision.wanted if isinstance(decision, Refused) else None
    return WalkLine(
        record=walk.seq, at=moment(decision.at), outcome="submitted" if order else "refused", symbol=walk.symbol, side=walk.side.value,
        wanted=asked if asked is not None else lineage.wanted if lineage else None, quantity=order.quantity if order else 0,
        shape=order.shape.value if order else None, limit=order.limit if order else None, stop=exits.stop, target=exits.target,
        order=order.id if order else None, trade=decision.trade if isinstance(decision, Submit) else None, reason=decision.reason,
        refused=check_line(decision.check) if isinstance(decision, Refused) else None,
        strategy=lineage.strategy if lineage else None, version=lineage.version if lineage else None,
        briefing=lineage.briefing if lineage else None, feed=lineage.feed if lineage else None,
        bar=moment(lineage.bar) if lineage and lineage.bar else None, arrival=(lineage.arrival or None) if lineage else None,
        atr=lineage.atr if lineage else None,
        indicators=lineage.indicators if lineage else {}, sizing=steps(lineage), checks=checks(lineage),
        bars=tuple(
            BarLine(
                record=seen.seq, start=moment(seen.bar.start), open=seen.bar.open, high=seen.bar.high, low=seen.bar.low, close=seen.bar.close,
                volume=seen.bar.volume, late=seen.late,
            )
            for seen in walk.bars
        ),
        deeds=tuple(DeedLine(record=d.seq, at=moment(d.at), order=d.order, words=d.words) for d in walk.deeds),
        closed=ClosedLine(
            at=moment(closed.at), quantity=closed.quantity, entry=closed.entry, exit=closed.exit, profit=closed.profit, r=closed.r,
            reason=closed.reason,
        ) if closed else None,
    )  # fmt: skip
