"""Orders at Alpaca, by alpaca-py: requests in, the broker's words out as events. An answer that did not come is UNKNOWN, never "failed"."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import requests
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderClass, OrderSide, OrderType, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    OrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
)
from alpaca.trading.stream import TradingStream

from live.clock import Clock
from pipelines.core.errors import BrokerError, OrderRejected, Unreachable
from pipelines.core.market.session import moment
from pipelines.core.trading.decisions import Replace
from pipelines.core.trading.events import AccountState, Action, Answer, Event, Holding, OrderUpdate, Outcome
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status, leg
from pipelines.settings import Mode, Settings

TIMEOUT = (3.05, 10.0)
"""Seconds to connect and to read; alpaca-py has none of its own."""

STATUSES = {
    "filled": Status.FILLED,
    "canceled": Status.CANCELED,
    "replaced": Status.CANCELED,
    "expired": Status.EXPIRED,
    "done_for_day": Status.EXPIRED,
    "rejected": Status.REJECTED,
}
"""Alpaca's final statuses; every other, also one that we have never heard of, means that the order lives."""

T = TypeVar("T")


class Route(TradingClient):
    """TradingClient with a time-out, our errors, and no retry of its own: alpaca-py repeats even a POST, and only the runner may do that."""

    def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> Any:
        try:
            response = self._session.request(method, url, timeout=TIMEOUT, **opts)
        except requests.RequestException as error:
            raise Unreachable(f"{method} {url.partition('?')[0]}: no answer ({type(error).__name__})") from None
        if response.status_code >= 500:
            raise Unreachable(f"{method} {url.partition('?')[0]}: HTTP {response.status_code}; what became of it is unknown")
        if response.status_code >= 400:
            raise _refusal(response)
        return response.json() if response.text else None


def connect(settings: Settings) -> Route:
    """The REST client for the settings' account."""
    key, secret = settings.keys
    return Route(key, secret, paper=settings.daybot_mode is not Mode.LIVE, raw_data=True, url_override=settings.alpaca_base_url)


class Updates(TradingStream):
    """The order update stream. Messages are taken at `_dispatch`: alpaca-py's own handling drops an order status that it does not know."""

    def __init__(self, settings: Settings, hear: Callable[[dict[str, Any]], None]) -> None:
        key, secret = settings.keys
        super().__init__(key, secret, paper=settings.daybot_mode is not Mode.LIVE, raw_data=True, url_override=settings.trading_stream_url or "")
        self.received = 0
        self.listening = asyncio.Event()
        self._hear = hear
        self.subscribe_trade_updates(self._ignore)

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        if msg.get("stream") == "listening":
            self.listening.set()
        elif msg.get("stream") == "trade_updates":
            self.received += 1
            self._hear(msg["data"])

    async def follow(self) -> None:
        """Keep the stream up until cancelled; reconnecting is alpaca-py's part."""
        await self._run_forever()  # type: ignore[no-untyped-call]

    async def _ignore(self, _: object) -> None:
        """alpaca-py wants a handler for what is taken before it gets that far."""


class AlpacaBroker:
    """One account. `emit` takes every event; requests run one after the other in a thread of their own, in the order they were made."""

    def __init__(self, settings: Settings, *, emit: Callable[[Event], None], heard: Callable[[], None], clock: Clock) -> None:
        """`heard` is told of every message of the stream, also of one that says nothing new."""
        self.client = connect(settings)
        self.updates = Updates(settings, self._hear)
        self._emit, self._heard, self._clock = emit, heard, clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="broker")
        self._names: dict[str, str] = {}  # broker's id -> ours
        self._orders: dict[str, str] = {}  # ours -> broker's id
        self._superseded: dict[str, str] = {}
        """Broker's id of an order that was replaced -> our name, which its successor carries now."""
        self._last: dict[str, OrderUpdate] = {}
        self._early: list[dict[str, Any]] = []
        self._asking = self._submitting = 0

    # --- requests

    @property
    def busy(self) -> bool:
        """A request is on its way."""
        return self._asking > 0

    async def submit(self, order: Order) -> None:
        """Send an order; emits its `Answer`, and what the broker says of each member of its group."""
        self._submitting += 1
        try:
            await self._submit(order)
        finally:
            self._submitting -= 1
            early, self._early = self._early, []
            for data in early:
                self._hear(data)

    async def _submit(self, order: Order) -> None:
        try:
            body = await self._ask(lambda: self.client.submit_order(request(order)))
        except OrderRejected as refusal:
            if refusal.status == 422 and "client_order_id must be unique" in refusal.message:
                await self._adopt(order)
                return
            self._emit(Answer(order.id, Action.SUBMIT, Outcome.REJECTED, self._clock.now(), refusal.code, refusal.message))
            return
        except Unreachable as silence:
            self._emit(Answer(order.id, Action.SUBMIT, Outcome.UNKNOWN, self._clock.now(), message=str(silence)))
            await self._resolve(order)
            return
        self._accepted(order, body)

    async def cancel(self, order_id: str) -> None:
        """Cancel an order and so its group; emits an `Answer`. The final word comes as an update."""
        broker_id = self._orders.get(order_id)
        if broker_id is None:
            self._emit(Answer(order_id, Action.CANCEL, Outcome.REJECTED, self._clock.now(), message="the broker has not acknowledged it yet"))
            return
        try:
            await self._ask(lambda: self.client.cancel_order_by_id(broker_id))
        except OrderRejected as refusal:
            self._emit(Answer(order_id, Action.CANCEL, Outcome.REJECTED, self._clock.now(), refusal.code, refusal.message))
            await self.look(order_id)
        except Unreachable as silence:
            self._emit(Answer(order_id, Action.CANCEL, Outcome.UNKNOWN, self._clock.now(), message=str(silence)))
        else:
            self._emit(Answer(order_id, Action.CANCEL, Outcome.ACCEPTED, self._clock.now()))

    async def replace(self, wish: Replace) -> None:
        """Move a resting exit. The broker answers with a new order under a new id, which takes over our name; it may still take that back."""
        broker_id = self._orders.get(wish.id)
        if broker_id is None:
            self._emit(Answer(wish.id, Action.REPLACE, Outcome.REJECTED, self._clock.now(), message="the broker has not acknowledged it yet"))
            return
        change = ReplaceOrderRequest(stop_price=wish.price) if wish.role is Role.STOP else ReplaceOrderRequest(limit_price=wish.price)
        try:
            successor = await self._ask(lambda: self.client.replace_order_by_id(broker_id, change))
        except OrderRejected as refusal:
            self._emit(Answer(wish.id, Action.REPLACE, Outcome.REJECTED, self._clock.now(), refusal.code, refusal.message))
            await self.look(wish.id)
        except Unreachable as silence:
            self._emit(Answer(wish.id, Action.REPLACE, Outcome.UNKNOWN, self._clock.now(), message=str(silence)))
        else:
            self._superseded[broker_id] = wish.id
            self._bind(wish.id, successor["id"])
            self._emit(Answer(wish.id, Action.REPLACE, Outcome.ACCEPTED, self._clock.now()))

    async def look(self, order_id: str) -> None:
        """Ask for one order's present state and emit it; silence if the broker does not answer (the next poll asks again)."""
        broker_id = self._orders.get(order_id)
        if broker_id is None:
            return
        try:
            self._say(await self._ask(lambda: self.client.get_order_by_id(broker_id)), "asked")
        except BrokerError:
            return

    async def poll(self, since: int) -> None:
        """Ask for every order since a moment and emit what is known of ours: any update that the stream lost arrives here."""
        query = GetOrdersRequest(status=QueryOrderStatus.ALL, after=moment(since), limit=500, nested=True)
        for order in await self._ask(lambda: self.client.get_orders(query)):
            for member in (order, *(order.get("legs") or [])):
                if member["id"] in self._names:
                    self._say(member, "polled")

    async def account(self) -> tuple[str, AccountState]:
        """Account number, and the account as an event. Raises `Unreachable`: a query that failed is never "flat"."""
        body, positions = await self._ask(self.client.get_account), await self._ask(self.client.get_all_positions)
        holdings = tuple(Holding(p["symbol"], int(float(p["qty"])), float(p["avg_entry_price"])) for p in positions)
        state = AccountState(float(body["equity"]), float(body["cash"]), float(body["buying_power"]), holdings, self._clock.now())
        return str(body["account_number"]), state

    def close(self) -> None:
        """Let go of the request thread; what is on its way is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    # --- joining the stream and the answers

    def _hear(self, data: dict[str, Any]) -> None:
        """An update may come before the answer to the request that caused it: then it waits until its order has a name."""
        order = data["order"]
        if order["id"] not in self._names and self._submitting:
            self._early.append(data)
        else:
            self._say(order, str(data["event"]))
        self._heard()

    def _accepted(self, order: Order, body: dict[str, Any]) -> None:
        self._name(order, body)
        self._emit(Answer(order.id, Action.SUBMIT, Outcome.ACCEPTED, self._clock.now()))
        for member in (body, *(body.get("legs") or [])):
            self._say(member, "answered")

    def _name(self, order: Order, body: dict[str, Any]) -> None:
        """Give the broker's ids our names."""
        self._bind(order.id, body["id"])
        for member in body.get("legs") or []:
            is_stop = member["type"] in {"stop", "stop_limit"}
            self._bind(leg(order.id, Role.STOP if is_stop else Role.TARGET), member["id"])

    def _bind(self, ours: str, theirs: str) -> None:
        self._names[theirs], self._orders[ours] = ours, theirs

    def _say(self, order: dict[str, Any], event: str) -> None:
        """Emit what is known of an order, unless it is what was last said of it."""
        if order["id"] in self._superseded:
            self._of_superseded(order, event)
            return
        average = order.get("filled_avg_price")
        update = OrderUpdate(
            id=self._names.get(order["id"], order["client_order_id"]),
            symbol=order["symbol"],
            side=Side(order["side"]),
            status=STATUSES.get(order["status"], Status.WORKING),
            filled=int(float(order["filled_qty"] or 0)),
            average=float(average) if average is not None else None,
            at=self._clock.now(),
            broker_id=order["id"],
            event=event,
            price=_resting(order),
        )
        last = self._last.get(update.id)
        if last is None or _news(last) != _news(update):
            self._last[update.id] = update
            self._emit(update)

    def _of_superseded(self, order: dict[str, Any], event: str) -> None:
        """The last words of an order that was replaced: that it is gone, or that it lives on because the replacement failed after all."""
        if order["status"] == "replaced":
            return
        name = self._superseded.pop(order["id"])
        self._bind(name, order["id"])
        self._emit(Answer(name, Action.REPLACE, Outcome.REJECTED, self._clock.now(), message=f"{event}: the old order lives on"))
        self._say(order, event)

    # --- when no answer came

    async def _resolve(self, order: Order) -> None:
        """Find out what became of a request: ask, wait, ask again; send the same id once more; keep asking while nobody answers."""
        resent = False
        for attempt in range(60):
            await asyncio.sleep(min(0.5 * 2**attempt, 10.0))
            try:
                await self._adopt(order)
                return
            except OrderRejected as refusal:
                if refusal.status != 404 or attempt < 3:
                    continue
                if resent:
                    self._emit(Answer(order.id, Action.SUBMIT, Outcome.REJECTED, self._clock.now(), 404, "it never reached the broker"))
                    return
                resent = True
                await self._send_again(order)
            except Unreachable:
                continue

    async def _send_again(self, order: Order) -> None:
        try:
            await self._ask(lambda: self.client.submit_order(request(order)))
        except BrokerError:
            return  # whatever it was, the next look tells

    async def _adopt(self, order: Order) -> None:
        """The broker has an order under our id: take it as ours if it is what we asked for, else refuse it as a stranger's."""
        body = await self._ask(lambda: self.client.get_order_by_client_id(order.id))
        found = (body["symbol"], body["side"], int(float(body["qty"] or 0)))
        if found != (order.symbol, order.side.value, order.quantity):
            message = f"the id is taken by another order: {found}"
            self._emit(Answer(order.id, Action.SUBMIT, Outcome.REJECTED, self._clock.now(), 422, message))
            return
        whole = await self._ask(lambda: self.client.get_order_by_id(body["id"], GetOrderByIdRequest(nested=True)))
        self._accepted(order, whole)

    async def _ask(self, call: Callable[[], T]) -> Any:
        self._asking += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)
        finally:
            self._asking -= 1


def request(order: Order) -> OrderRequest:
    """Our order in alpaca-py's words. Whole shares, day orders, our id; the exits' prices are on the tick already."""
    common: dict[str, Any] = {
        "symbol": order.symbol,
        "qty": order.quantity,
        "side": OrderSide(order.side.value),
        "time_in_force": TimeInForce.DAY,
        "client_order_id": order.id,
    }
    if order.target is not None and order.shape in {Shape.BRACKET, Shape.OCO}:
        common["take_profit"] = TakeProfitRequest(limit_price=order.target)
    if order.stop is not None and order.shape in {Shape.BRACKET, Shape.OTO, Shape.OCO}:
        common["stop_loss"] = StopLossRequest(stop_price=order.stop)
    if order.shape is Shape.STOP:
        return StopOrderRequest(**common, stop_price=order.stop)
    if order.shape is Shape.OCO:
        return LimitOrderRequest(**common, order_class=OrderClass.OCO, type=OrderType.LIMIT, limit_price=order.target)
    if order.shape is not Shape.SIMPLE:
        common["order_class"] = OrderClass(order.shape.value)
    return MarketOrderRequest(**common) if order.limit is None else LimitOrderRequest(**common, limit_price=order.limit)


def _resting(order: dict[str, Any]) -> float | None:
    """The price that an order rests at: a stop's trigger, a limit order's limit."""
    price = order.get("stop_price") or order.get("limit_price")
    return float(price) if price is not None else None


def _news(update: OrderUpdate) -> tuple[object, ...]:
    """What makes one word about an order differ from the last."""
    return (update.status, update.filled, update.average, update.price, update.broker_id)


def _refusal(response: requests.Response) -> OrderRejected:
    """The broker's refusal, whatever its body is: JSON with a code, JSON without, or a proxy's HTML page."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    code = body.get("code")
    extra = {k: v for k, v in body.items() if k not in {"code", "message"}}
    return OrderRejected(response.status_code, code if isinstance(code, int) else None, str(body.get("message", response.text[:200])), extra)
