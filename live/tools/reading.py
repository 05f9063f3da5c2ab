"""The tools that only look: what is held, ordered, risked, refused and known, as of now."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any, TypeVar

import msgspec

from live.problems import finite, missing
from live.tools.answers import (
    Account,
    FeedLine,
    Feeds,
    Health,
    HealthLine,
    LimitLine,
    LimitsAnswer,
    OrderLine,
    Orders,
    PositionLine,
    Positions,
    Previewed,
    RiskStatus,
)
from live.tools.asks import Empty, EventsRequest, LogRequest, OrdersRequest, Page, PreviewRequest
from live.tools.desk import Caller, Desk
from live.tools.lines import check_line, checks, steps
from live.tools.reports import EventsAnswer, Happened, LogLine, TradeLog
from live.tools.trading import wish
from pipelines.core.market.bars import SECOND
from pipelines.core.market.session import moment
from pipelines.core.risk.limits import Limits, source_of
from pipelines.core.trading.decisions import TradingState
from pipelines.core.trading.orders import FINAL

OLD = 60 * SECOND
"""Age of the broker's last word beyond which the account counts as unread."""

Row = TypeVar("Row")


async def positions(desk: Desk, ask: Empty) -> Positions:
    """All that is held: each owner's shares with stop and target, and beside them what the broker says."""
    engine, last = desk.runner.engine, desk.runner.oversight.last
    broker = {s: h.quantity for s, h in last.held.items()} if last else {}
    lines = tuple(_held(desk))
    ours: dict[str, int] = {}
    for line in lines:
        ours[line.symbol] = ours.get(line.symbol, 0) + line.quantity
    moved = desk.ledger.fills[-1]["at"] if desk.ledger.fills else None
    known = last is not None and not engine.account.pending and (moved is None or moment(last.at) >= moved)
    agree = broker == {s: q for s, q in ours.items() if q} if known else None
    return Positions(**desk.head, positions=lines, broker=broker, broker_at=moment(last.at) if last else None, agree=agree)


def _held(desk: Desk) -> Iterator[PositionLine]:
    account = desk.runner.engine.account
    prices = account.portfolio.prices if account.portfolio is not None else {}
    for trade in account.trades.values():
        if not trade.held:
            continue
        price, quantity = prices.get(trade.symbol), trade.held * trade.side.sign
        yield PositionLine(
            symbol=trade.symbol, owner=trade.strategy, quantity=quantity, average=trade.paid / trade.entered, price=price,
            value=None if price is None else quantity * price, profit=None if price is None else trade.profit(price),
            stop=trade.stop, target=trade.target, trail=trade.trail, stage=trade.stage.value, trade=trade.id,
        )  # fmt: skip
    for other in account.external.values():
        price = prices.get(other.symbol)
        worth, gain = (None, None) if price is None else (other.quantity * price, other.quantity * (price - other.average))
        yield PositionLine(
            symbol=other.symbol, owner="external", quantity=other.quantity, average=other.average, price=price, value=worth, profit=gain, stop=None,
            target=None, trail=None, stage="external", trade=None,
        )  # fmt: skip


async def orders(desk: Desk, ask: OrdersRequest) -> Orders:
    """Orders by status, the newest first: this session's, and other people's that are open."""
    final = {status.value for status in FINAL}
    rows = [
        OrderLine(
            id=row["order"], trade=row["trade"], symbol=row["symbol"], side=row["side"], role=row["role"], shape=row["shape"],
            quantity=row["quantity"], filled=row["filled"], average=row["average"], status=row["status"], strategy=row["strategy"],
            price=row["limit"] if row["role"] == "entry" else row.get(row["role"]), submitted_at=row["submitted_at"],
            updated_at=row["updated_at"], reason=row["reason"],
        )
        for row in reversed(desk.ledger.orders.values())
        if ask.status == "all" or (row["status"] in final) == (ask.status == "closed")
    ]  # fmt: skip
    if ask.status != "closed":
        rows += [
            OrderLine(
                id=r.client_id, trade=None, symbol=r.symbol, side=r.side.value, role="external", shape=r.type, quantity=r.left, filled=0,
                average=None, status=r.status, price=None, strategy=None, submitted_at=None, updated_at=None, reason="not of this session",
            )
            for r in desk.runner.oversight.reconciler.external
        ]  # fmt: skip
    found, after = page([row for row in rows if ask.symbol in (None, row.symbol)], ask)
    return Orders(**desk.head, orders=tuple(found), next=after)


async def account(desk: Desk, ask: Empty) -> Account:
    """The account by the broker's last word, and the session's own count."""
    last, book = desk.runner.oversight.last, desk.runner.engine.portfolio
    return Account(
        **desk.head, number=desk.manifest.account, broker_at=moment(last.at) if last else None, equity=last.equity if last else None,
        cash=last.cash if last else None, buying_power=last.power if last else None, restrictions=last.restrictions if last else (),
        start=book.start if book else None, own_equity=book.equity if book else None, realised=book.realised if book else None,
        open=book.open_profit if book else None,
    )  # fmt: skip


async def risk_status(desk: Desk, ask: Empty) -> RiskStatus:
    """Profit and loss of the day, drawdown, heat, and how much of each limit is in use."""
    engine, now = desk.runner.engine, desk.runner.clock.now()
    book = engine.portfolio
    known: dict[str, Any] = dict.fromkeys(("equity", "start", "profit", "realised", "open", "loss", "drawdown", "heat", "gross", "net"))
    known |= {"usage": (), "stopped": {}, "positions": 0}
    if book is not None:
        seen = engine.book(now)
        values = [e.value for e in seen.exposures]
        known |= {
            "equity": book.equity, "start": book.start, "profit": book.equity - book.start, "realised": book.realised, "open": book.open_profit,
            "loss": max(1 - book.equity / book.start, 0.0), "drawdown": max(1 - book.equity / book.peak, 0.0),
            "heat": sum(e.heat for e in seen.exposures) / book.equity, "gross": sum(map(abs, values)), "net": sum(values),
            "positions": len(book.positions), "stopped": dict(seen.stopped), "usage": tuple(map(check_line, engine.usage(now))),
        }  # fmt: skip
    return RiskStatus(
        **desk.head, state=engine.state.value, doubts=engine.briefing.doubts, max_daily_loss=engine.limits.max_daily_loss,
        regime=engine.briefing.regime.name.value, **known,
    )  # fmt: skip


async def healthcheck(desk: Desk, ask: Empty) -> Health:
    """Account, clock, feeds, journal and briefing: each as it stands, with its numbers."""
    runner, engine, now = desk.runner, desk.runner.engine, desk.runner.clock.now()
    last, portfolio = runner.oversight.last, engine.portfolio
    age = None if last is None else (now - last.at) / SECOND
    feeds = [name for name, healthy in engine.feeds.items() if healthy]
    waiting = runner.queue.qsize()
    lines = (
        HealthLine(name="account", ok=portfolio is not None, detail="known" if portfolio is not None else "not known yet"),
        HealthLine(
            name="broker",
            ok=last is not None and now - last.at < OLD and not last.restrictions,
            detail="not read yet" if last is None else f"read {age:.0f} s ago" + "".join(f"; {why}" for why in last.restrictions),
        ),
        HealthLine(name="order stream", ok=runner.broker.updates.listening.is_set(), detail=f"{runner.broker.updates.received} messages"),
        HealthLine(name="market data", ok=bool(feeds), detail=f"healthy: {', '.join(feeds) or 'none'}"),
        HealthLine(name="queue", ok=waiting < desk.settings.feed_queue // 2, detail=f"{waiting} events wait"),
        HealthLine(name="journal", ok=runner.error is None, detail=f"{runner.journal.seq} records in {runner.journal.path.name}"),
        HealthLine(name="trading", ok=engine.state is TradingState.ACTIVE, detail=engine.state.value),
        HealthLine(name="briefing", ok=not engine.briefing.doubts, detail="; ".join(engine.briefing.doubts) or "no doubts"),
    )
    return Health(
        **desk.head, ok=all(line.ok for line in lines), state=engine.state.value, account=desk.manifest.account,
        market_open=engine.hours.contains(now), version=desk.manifest.code, briefing=engine.briefing.version, checks=lines,
    )  # fmt: skip


async def limits(desk: Desk, ask: Empty) -> LimitsAnswer:
    """Every limit with the rule that it answers to, and how much of it is in use."""
    engine, known = desk.runner.engine, desk.runner.engine.limits
    lines = tuple(
        LimitLine(name=name.upper(), value=getattr(known, name), source=source_of(name), meaning=field.description or "")
        for name, field in Limits.model_fields.items()
    )
    used = engine.usage(desk.runner.clock.now()) if engine.portfolio is not None else []
    return LimitsAnswer(**desk.head, limits=lines, used=tuple(map(check_line, used)))


async def preview(desk: Desk, ask: PreviewRequest, *, who: Caller) -> Previewed:
    """The gate without the order: what an entry would come to now, with every control. Nothing changes by asking."""
    desk.armed()
    plan = desk.runner.engine.preview(wish(desk, ask, who), desk.runner.clock.now())
    if plan is None:
        raise missing("BRIEFING", f"{ask.symbol} is not in the briefing {desk.manifest.briefing.version}")
    by = plan.refused or plan.lineage.cut(plan.reason)
    word = "refused" if plan.refused is not None else "approved" if by is None else "reduced"
    risk = plan.quantity * abs(plan.price - plan.stop) if plan.stop else None
    return Previewed(
        **desk.head, outcome=word, symbol=ask.symbol, side=ask.side, wanted=plan.wanted, quantity=plan.quantity, price=finite(plan.price) or None,
        stop=finite(plan.stop) or None, target=finite(plan.target), risk=finite(risk), by=check_line(by) if by else None,
        checks=checks(plan.lineage), sizing=steps(plan.lineage), detail=by.detail if by else plan.reason,
    )  # fmt: skip


async def feeds(desk: Desk, ask: Empty) -> Feeds:
    """Where prices come from: who leads, who is healthy, how late they are."""
    feed = desk.runner.feed
    lines = tuple(
        FeedLine(
            name=name, leads=name == feed.lead, healthy=fault is None, symbols=len(health.granted),
            newest=moment(health.minute) if health.minute else None, lag=health.lag,
            detail=health.numbers() if fault is None else f"{fault[0]}: {fault[1]}",
        )
        for name, health, fault in feed.standing(desk.runner.clock.now())
    )  # fmt: skip
    return Feeds(**desk.head, leading=feed.lead, feeds=lines)


async def trade_log(desk: Desk, ask: LogRequest) -> TradeLog:
    """What was decided, the newest first: orders, refusals with value and limit, changes of state, round trips, notes."""
    names = ("seq", "at", "kind", "symbol", "code", "value", "limit", "detail")
    rows = [
        {name: row[name] for name in names}
        for row in reversed(desk.ledger.decisions)
        if ask.kind in ("all", row["kind"]) and ask.symbol in (None, row["symbol"])
    ]
    found, after = page(rows, ask)
    entries = tuple(LogLine(**row | {n: finite(row[n]) for n in ("value", "limit")}) for row in found)
    return TradeLog(**desk.head, entries=entries, next=after)


async def events(desk: Desk, ask: EventsRequest) -> EventsAnswer:
    """What happened since a number, oldest first; bars and ticks are too many to be told."""
    found = happened(desk, ask.after)[: ask.limit]
    return EventsAnswer(**desk.head, events=tuple(found), missed=ask.after < desk.dropped, last=found[-1].id if found else ask.after)


def happened(desk: Desk, after: int) -> list[Happened]:
    """All that is kept since this number, oldest first."""
    kept = list(takewhile(lambda item: item[0] > after, reversed(desk.happened)))
    return [Happened(id=seq, at=moment(at), kind=kind, data=msgspec.to_builtins(what)) for seq, at, kind, what in reversed(kept)]


def page(rows: Sequence[Row], ask: Page) -> tuple[list[Row], str | None]:
    """The part of the rows (newest first) that was asked for, and the cursor of the next one: how many are older, so that new rows move nothing."""
    begin = len(rows) - int(ask.cursor) if ask.cursor is not None else 0
    begin = max(begin, 0)
    left = len(rows) - begin - ask.limit
    return list(rows[begin : begin + ask.limit]), str(left) if left > 0 else None
