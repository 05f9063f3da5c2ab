"""The tools that act: each is one command on the session's queue, passes its gate, lands in its journal, and is waited for until it has an outcome.

`key` names the command: the same one again asks for its outcome and does nothing twice. `who` is told in the journal.
"""

import asyncio
import math
from typing import TypeVar

from msgspec.structs import replace

from live.problems import ToolError, invalid, missing, refused, unready
from live.tools.answers import Accepted, Answer, Closed, Entered, Managed, Recorded
from live.tools.asks import (
    Ask,
    CloseRequest,
    EnterRequest,
    FlatRequest,
    HaltRequest,
    ManageRequest,
    RecordRequest,
    ReleaseRequest,
    ResumeRequest,
)
from live.tools.desk import PREFIX, Caller, Desk, Given
from live.tools.lines import check_line, checks, steps
from live.tools.verified import account_flat, symbol_flat
from pipelines.core.trading.commands import Close, Flatten, Instruction, Manage, Note, Open, Release, Resume, Stand
from pipelines.core.trading.decisions import Decision, Kept, Noticed, Refused, Submit
from pipelines.core.trading.events import Outcome
from pipelines.core.trading.orders import Role, Side
from pipelines.core.trading.trades import Stage, Trade

Final = TypeVar("Final", bound=Answer)

AGAIN = "no outcome yet: ask again with the same Idempotency-Key, which does nothing twice"


async def enter_trade(desk: Desk, ask: EnterRequest, *, who: Caller, key: str | None = None) -> Entered:
    """Open a position with its stop and target, through the gate. Raises the refusal with its numbers."""
    desk.armed()
    name, known, final = _asked(desk, ask, key, Entered, wish(desk, ask, who) if ask.risk_percent is None else None)
    if final is not None:
        return final
    begun = asyncio.get_running_loop().time()
    given = await desk.tell(name, known.instruction if known else wish(desk, ask, who), ask, who, ask.wait)
    if given.decisions is None:
        return _unheard(desk, ask, name)
    order = next((d for d in given.decisions if isinstance(d, Submit) and d.role is Role.ENTRY), None)
    if order is None:
        raise _no(given.decisions, ask)
    left = ask.wait - (asyncio.get_running_loop().time() - begun)
    await desk.until(lambda: order.order.id in desk.answers, max(left, 0.0))
    answer = _entered(desk, ask, name, order)
    if answer.broker in {"accepted", "rejected"}:
        given.answer = answer
    return answer


async def manage_trade(desk: Desk, ask: ManageRequest, *, who: Caller, key: str | None = None) -> Managed:
    """Move a stop or a target, trail the stop, sell a part. A stop further away is refused beyond MAX_PORTFOLIO_HEAT; what reduces risk never is."""
    desk.armed()
    name, known, final = _asked(desk, ask, key, Managed)
    if final is not None:
        return final
    instruction = known.instruction if known else _change(desk, ask)
    given = await desk.tell(name, instruction, ask, who, ask.wait)
    if given.decisions is None:
        return Managed(
            **desk.head, id=_key(name), outcome="unknown", symbol=ask.symbol, action=ask.action, trades=(), quantity=0, stop=None, target=None,
            detail=AGAIN,
        )  # fmt: skip
    if _noticed(given, "NOTHING_HELD"):
        raise _nothing(ask.symbol)
    if (kept := next((d for d in given.decisions if isinstance(d, Kept)), None)) is not None:
        raise refused(kept.check, f"{ask.action} {ask.symbol} to {kept.wanted:.2f}")
    trades = _of(desk, ask.symbol, ask.strategy)
    stop, target = (trades[0].stop, trades[0].target) if trades else (None, None)
    going = sum(max(trade.held - max(trade.wanted, 0), 0) for trade in trades) if ask.action == "partial_exit" else 0
    words = {
        "adjust_stop": f"the stop goes to {stop}",
        "adjust_target": f"the target goes to {target}",
        "trail_stop": f"the stop follows {ask.trail_amount} behind the best price",
        "partial_exit": f"{going} shares are being sold; the rest keeps its protection",
    }
    answer = Managed(
        **desk.head, id=_key(name), outcome="done", symbol=ask.symbol, action=ask.action, trades=tuple(t.id for t in trades), quantity=going,
        stop=stop, target=target, detail=words[ask.action],
    )  # fmt: skip
    given.answer = answer
    return answer


async def close_symbol(desk: Desk, ask: CloseRequest, *, who: Caller, key: str | None = None) -> Closed:
    """Close what is held in a symbol, and say whether the broker's own books show it flat. Closing what is flat does nothing."""
    desk.armed()
    name, known, final = _asked(desk, ask, key, Closed)
    if final is not None:
        return final
    given = await desk.tell(name, known.instruction if known else _closing(desk, ask), ask, who, ask.wait)
    if isinstance(given.instruction, Manage):
        word = "unknown" if given.decisions is None else "done"
        detail = AGAIN if given.decisions is None else f"{ask.quantity:.0f} shares are being sold; the rest keeps its protection"
        return Closed(**desk.head, id=_key(name), outcome=word, flat="no", symbols=(ask.symbol,), detail=detail)
    return await _until_flat(desk, ask, name, given, ask.symbol)


async def flat_all(desk: Desk, ask: FlatRequest, *, who: Caller, key: str | None = None) -> Closed:
    """Halt, cancel every order, close every position, and say whether the broker's own books show it. Never refused, needs no price."""
    name, _, final = _asked(desk, ask, key, Closed)
    if final is not None:
        return final
    return await _until_flat(desk, ask, name, await desk.tell(name, Flatten(), ask, who, ask.wait), None)


async def halt(desk: Desk, ask: HaltRequest, *, who: Caller, key: str | None = None) -> Accepted:
    """No more entries; what is held keeps its protection."""
    return _accepted(desk, desk_name := desk.key(key), await desk.tell(desk_name, Stand(), ask, who, ask.wait), "no more entries")


async def resume(desk: Desk, ask: ResumeRequest, *, who: Caller, key: str | None = None) -> Accepted:
    """Trade again: a person's word, after a look at why it stood. Raises where the day's loss or its end forbids it."""
    name = desk.key(key)
    given = await desk.tell(name, Resume(), ask, who, ask.wait)
    if (no := _noticed(given, "RESUME_REFUSED")) is not None:
        raise ToolError(409, "RESUME_REFUSED", "refused", no.detail)
    return _accepted(desk, name, given, "entries are allowed again")


async def release(desk: Desk, ask: ReleaseRequest, *, who: Caller, key: str | None = None) -> Accepted:
    """Let a strategy go on that a throttle or a losing streak has stopped."""
    name = desk.key(key)
    given = await desk.tell(name, Release(ask.strategy), ask, who, ask.wait)
    if (no := _noticed(given, "UNKNOWN_STRATEGY")) is not None:
        raise missing("UNKNOWN_STRATEGY", no.detail)
    return _accepted(desk, name, given, f"{ask.strategy} may enter again")


async def record_trade(desk: Desk, ask: RecordRequest, *, who: Caller, key: str | None = None) -> Recorded:
    """Write a note into the journal."""
    name = desk.key(key)
    words = " ".join(f"{n} {v}" for n, v in (("order", ask.order_id), ("side", ask.side), *ask.metadata.items()) if v is not None)
    numbers = {n: float(v) for n, v in (("price", ask.price), ("quantity", ask.quantity), ("pnl", ask.pnl)) if v is not None}
    note = Note(ask.event_type, ask.symbol, "; ".join(part for part in (ask.reason, words) if part) or "noted", numbers)
    given = await desk.tell(name, note, ask, who, ask.wait)
    seq = next((s for s, _, _, what in reversed(desk.happened) if what in (given.decisions or ())), None)
    return Recorded(**desk.head, id=_key(name), record=seq, detail="in the journal" if given.decisions is not None else AGAIN)


def _asked(
    desk: Desk, ask: Ask, key: str | None, kind: type[Final], instruction: Instruction | None = None
) -> tuple[str, Given | None, Final | None]:
    """The command's name, what was given under it before, and the final answer to that."""
    name = desk.key(key)
    known = desk.before(name, ask, instruction)
    return name, known, known.answer if known is not None and isinstance(known.answer, kind) else None


def wish(desk: Desk, ask: EnterRequest, who: Caller) -> Open:
    """A request as the engine takes it; a risk of the caller's own becomes a quantity here, whole shares."""
    quantity = None if ask.quantity is None else int(ask.quantity)
    made = Open(
        ask.symbol, Side(ask.side), quantity, ask.entry_price if ask.order_type == "limit" else None, ask.stop_loss_price,
        ask.take_profit_price, ask.reason, ask.strategy, who.model,
    )  # fmt: skip
    if ask.risk_percent is None:
        return made
    engine, now = desk.runner.engine, desk.runner.clock.now()
    plan = engine.preview(made, now)
    away = abs(plan.price - plan.stop) if plan is not None and plan.stop else math.nan
    if not away > 0 or engine.portfolio is None:
        raise invalid("NO_PRICE", f"expected a price and a stop of {ask.symbol} to size {ask.risk_percent:.2%} by, found none; name the quantity")
    shares = math.floor(ask.risk_percent * engine.portfolio.equity / away)
    if shares < 1:
        raise invalid("RISK_TOO_SMALL", f"{ask.risk_percent:.3%} of equity over a stop {away:.2f} away is less than one share")
    return replace(made, quantity=shares)


def _change(desk: Desk, ask: ManageRequest) -> Manage:
    """A change as the engine takes it, once it can be meant."""
    trades = _of(desk, ask.symbol, ask.strategy)
    if not trades:
        raise _nothing(ask.symbol)
    prices = desk.runner.engine.account.book_open.prices
    for trade in trades:
        sign, price = trade.side.sign, prices.get(ask.symbol)
        if ask.new_stop_price is not None and price is not None and (price - ask.new_stop_price) * sign <= 0:
            text = f"expected a stop on the losing side of {price:.2f}, found {ask.new_stop_price:.2f}; close_symbol gets out at once"
            raise invalid("WRONG_SIDE", text)
        if ask.new_target_price is not None and trade.target is None:
            raise invalid("NO_TARGET", f"{trade.id} has no target that could be moved")
        if ask.action == "partial_exit" and trade.stage is not Stage.OPEN:
            raise ToolError(409, "NOT_OPEN", "not now", f"{trade.id} is {trade.stage}: a part of it can be sold while it is open")
    share = ask.exit_fraction
    if ask.exit_quantity is not None:
        share = _share(trades, int(ask.exit_quantity))
    return Manage(ask.symbol, ask.new_stop_price, ask.new_target_price, ask.trail_amount, share, ask.strategy)


def _closing(desk: Desk, ask: CloseRequest) -> Instruction:
    trades = _of(desk, ask.symbol, ask.strategy)
    if ask.quantity is None or not trades:
        return Close(ask.symbol, ask.strategy)
    share = _share(trades, int(ask.quantity))
    return Close(ask.symbol, ask.strategy) if share == 1.0 else Manage(ask.symbol, scale_out=share, strategy=ask.strategy)


def _share(trades: list[Trade], shares: int) -> float:
    """Shares as a part of what is held."""
    held = sum(trade.held for trade in trades)
    if len(trades) > 1:
        owners = ", ".join(trade.strategy for trade in trades)
        raise invalid("SEVERAL_OWNERS", f"expected one owner to sell {shares} shares of, found {owners}; name one as strategy")
    if shares > held:
        raise invalid("MORE_THAN_HELD", f"expected at most {held} shares, found {shares}")
    return shares / held


async def _until_flat(desk: Desk, ask: CloseRequest | FlatRequest, name: str, given: Given, symbol: str | None) -> Closed:
    """Look at the broker's books until they are flat or the time is over."""
    if given.decisions is None:
        symbols = (symbol,) if symbol else ()
        return Closed(**desk.head, id=_key(name), outcome="unknown", flat="pending", symbols=symbols, detail=AGAIN)
    found = await (symbol_flat(desk, symbol, ask.wait) if symbol else account_flat(desk, ask.wait))
    answer = Closed(**desk.head, id=_key(name), outcome="done", flat=found.flat, symbols=found.symbols, detail=found.detail)
    if found.flat == "yes":
        given.answer = answer
    return answer


def _entered(desk: Desk, ask: EnterRequest, name: str, made: Submit) -> Entered:
    order, lineage = made.order, made.lineage
    cut = lineage.cut(made.reason) if lineage is not None else None
    said = desk.answers.get(order.id)
    broker = {None: "pending", Outcome.ACCEPTED: "accepted", Outcome.REJECTED: "rejected", Outcome.UNKNOWN: "unknown"}[said]
    wanted = lineage.wanted if lineage is not None else None
    wanted = order.quantity if wanted is None else wanted
    words = f"{order.side} {order.quantity} {order.symbol} as {order.id}; the broker: {broker}"
    return Entered(
        **desk.head, id=_key(name), outcome="reduced" if cut else "approved", symbol=order.symbol, side=ask.side, wanted=wanted,
        quantity=order.quantity, order=order.id, trade=made.trade, price=lineage.arrival if lineage else None, stop=order.stop,
        target=order.target, cut=check_line(cut) if cut else None, checks=checks(lineage), sizing=steps(lineage), broker=broker,
        detail=f"{words}. {made.reason}",
    )  # fmt: skip


def _unheard(desk: Desk, ask: EnterRequest, name: str) -> Entered:
    return Entered(
        **desk.head, id=_key(name), outcome="unknown", symbol=ask.symbol, side=ask.side, wanted=None, quantity=0, order=None, trade=None,
        price=None, stop=None, target=None, cut=None, checks=(), sizing=(), broker="unknown", detail=AGAIN,
    )  # fmt: skip


def _no(decisions: list[Decision], ask: EnterRequest) -> ToolError:
    no = next((d for d in decisions if isinstance(d, Refused)), None)
    if no is None:
        return unready("the engine made nothing of it: the account is not known yet")
    return refused(no.check, f"{no.side} {no.wanted or ask.quantity or ''} {no.symbol}".replace("  ", " "))


def _accepted(desk: Desk, name: str, given: Given, words: str) -> Accepted:
    heard = given.decisions is not None
    state = desk.runner.engine.state.value
    return Accepted(**desk.head, id=_key(name), outcome="done" if heard else "unknown", state=state, detail=words if heard else AGAIN)


def _noticed(given: Given, code: str) -> Noticed | None:
    return next((d for d in given.decisions or () if isinstance(d, Noticed) and d.code == code), None)


def _nothing(symbol: str) -> ToolError:
    return missing("NOTHING_HELD", f"{symbol} is flat: there is no trade to change; `daybot positions` and GET /positions list what is held")


def _of(desk: Desk, symbol: str, strategy: str | None) -> list[Trade]:
    return desk.runner.engine.account.of(symbol, strategy)


def _key(name: str) -> str:
    return name.removeprefix(PREFIX)
