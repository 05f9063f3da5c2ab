"""The tool that explains: from an order, a trade or a refusal back to the bars that sized it."""

from live.tools.asks import ExplainRequest
from live.tools.desk import Desk
from live.tools.lines import check_line, checks, steps
from live.tools.problems import missing
from live.tools.reports import BarLine, DeedLine, Explained, WalkLine
from pipelines.core.analytics.session.explain import Walk
from pipelines.core.market.session import moment
from pipelines.core.trading.decisions import Refused, Submit


async def explain(desk: Desk, ask: ExplainRequest) -> Explained:
    """Why this order, this trade, or this refusal: what it stands on, sizes, every control, the bars, and what became of it."""
    walks = [walk for walk in desk.walker.walks if ask.id in walk.names]
    if not walks:
        known = ", ".join(sorted({walk.symbol for walk in desk.walker.walks})) or "none"
        raise missing("NOT_FOUND", f"expected an order, a trade, a symbol or a record's number, found {ask.id!r}; symbols with candidates: {known}")
    return Explained(**desk.head, walks=tuple(map(_line, walks)), code=desk.manifest.code)


def _line(walk: Walk) -> WalkLine:
    decision, lineage, closed = walk.decision, walk.lineage, walk.closed
    order = decision.order if isinstance(decision, Submit) else None
    return WalkLine(
        record=walk.seq, at=moment(decision.at), outcome="submitted" if order else "refused", symbol=walk.symbol, side=walk.side.value,
        quantity=order.quantity if order else 0, order=order.id if order else None,
        trade=decision.trade if isinstance(decision, Submit) else None, reason=decision.reason,
        refused=check_line(decision.check) if isinstance(decision, Refused) else None,
        strategy=lineage.strategy if lineage else None, version=lineage.version if lineage else None,
        briefing=lineage.briefing if lineage else None, feed=lineage.feed if lineage else None,
        bar=moment(lineage.bar) if lineage else None, arrival=lineage.arrival if lineage else None, atr=lineage.atr if lineage else None,
        indicators=lineage.indicators if lineage else {}, sizing=steps(lineage), checks=checks(lineage),
        bars=tuple(
            BarLine(
                record=seen.seq, start=moment(seen.bar.start), open=seen.bar.open, high=seen.bar.high, low=seen.bar.low, close=seen.bar.close,
                volume=seen.bar.volume, late=seen.late,
            )
            for seen in walk.bars
        ),
        deeds=tuple(DeedLine(record=d.seq, at=moment(d.at), order=d.order, words=d.words) for d in walk.deeds),
        profit=closed.profit if closed else None, r=closed.r if closed else None,
    )  # fmt: skip
