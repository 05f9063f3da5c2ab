"""Orders at Alpaca: requests out, the broker's words in as events. An answer that did not come is UNKNOWN, never "failed"."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from alpaca.trading.requests import GetOrderByIdRequest, ReplaceOrderRequest

from live.brokers import reading
from live.brokers.forms import differences, form
from live.brokers.hearing import Emit, Hearing, Note
from live.brokers.lanes import Lane, Lanes, Raw
from live.brokers.reading import Standing
from live.brokers.refusals import Patience
from live.brokers.route import Route
from live.brokers.unknown import Question, Sent, is_duplicate
from live.brokers.updates import Updates
from live.brokers.words import Body, Words
from live.clock import SECOND, Clock
from live.tasks import end
from pipelines.core.errors import BrokerError, OrderRejected, Unreachable
from pipelines.core.trading.decisions import Cancel, Replace, Request, Submit
from pipelines.core.trading.events import AccountState, Action, Answer, Event, Holding, Outcome, Taint
from pipelines.core.trading.orders import Order, Role
from pipelines.settings import Settings

STALE = 5 * SECOND
"""How long an entry may wait for its turn: after that it is another trade than the one that was decided."""

FOR_THE_DAY = 24 * 3600 * SECOND

T = TypeVar("T")


class AlpacaBroker:
    """One account. `send` takes requests and never waits; every answer comes as an event. Cancel what `run` runs in, then `close`."""

    def __init__(
        self,
        settings: Settings,
        *,
        emit: Emit,
        heard: Callable[[], None],
        clock: Clock,
        note: Note | None = None,
        missed: Callable[[], None] | None = None,
        raw: Raw | None = None,
    ) -> None:
        """`heard` is told of all that moves here; `missed`, that the stream has or may have lost something: `catch_up` finds it."""
        self.lanes = Lanes(settings, clock, heard, raw)
        self.words = Words(clock)
        self._note, missed = note or _unnoted, missed or _nothing
        self.hearing = Hearing(self.words, emit=emit, note=self._note, heard=heard, missed=missed, unwanted=lambda id: self._begin(self._drop(id)))
        self.updates = Updates(settings, self.hearing.hear, missed, None if raw is None else lambda frame: raw("trading", frame, clock.now()))
        self._emit, self._clock = emit, clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, Order] = {}
        """Entries that have not been sent yet: they can still be taken back."""
        self._failed = asyncio.Event()
        self._fault: BaseException | None = None

    async def run(self) -> None:
        """Follow the update stream until cancelled; raises what broke in here."""
        following, failed = asyncio.ensure_future(self.updates.follow()), asyncio.ensure_future(self._failed.wait())
        try:
            await asyncio.wait({following, failed}, return_when=asyncio.FIRST_COMPLETED)
            if self._fault is not None:
                raise self._fault
            await following
        finally:
            await end([following, failed])

    def witness(self, event: Event) -> None:
        """The runner has this event next. Nothing to do: the market itself fills our orders."""

    # --- requests

    @property
    def busy(self) -> bool:
        """Something is on its way. What waits for time to pass, such as the next look for a lost order, is not."""
        return self.lanes.busy

    @property
    def waits(self) -> bool:
        """Something that was asked waits for time to pass, until the rate limit has room."""
        return self.lanes.asleep

    def send(self, request: Request) -> None:
        """Send an order, move or cancel one. Its `Answer` comes as an event."""
        if isinstance(request, Submit):
            self.words.expect(request.order)
            self._waiting[request.order.id] = request.order
            self._begin(self._submit(request))
        elif isinstance(request, Replace):
            self._begin(self._replace(request))
        else:
            self._begin(self._cancel(request))

    def resume(self, sent: Iterable[Order], unanswered: Iterable[Submit]) -> None:
        """Take over from a run that died: its orders are ours, and those without an answer are UNKNOWN. Of these an entry is not sent again."""
        sent = list(sent)
        for order in sent:
            self.words.expect(order)
        self.hearing.wait_for({order.symbol for order in sent})
        for wish in unanswered:
            self._begin(self._prove(wish, resend=wish.role is not Role.ENTRY))

    async def _submit(self, wish: Submit) -> None:
        with self.hearing.unnamed(wish.order.symbol):
            await self._try(wish)

    async def _try(self, wish: Submit) -> None:
        order, lane = wish.order, Lane.ENTRY if wish.role is Role.ENTRY else Lane.URGENT
        patience, since = Patience(self._clock), self._clock.now()
        while True:
            try:
                async with self.lanes.turn(lane) as route:
                    late = self._late(wish, since)
                    if not late:
                        self._note("sent", {"id": order.id})
                        self._accepted(order, await self.lanes.run(lane, route, lambda route: route.submit_order(form(wish))))
                if late:
                    self._answer(order.id, Action.SUBMIT, Outcome.REJECTED, message=late)
                return
            except OrderRejected as refusal:
                if is_duplicate(refusal):
                    await self._prove(wish, resend=False, known=True)
                    return
                pause = patience.again(refusal) if lane is Lane.URGENT else None
                if pause is None:
                    self._answer(order.id, Action.SUBMIT, Outcome.REJECTED, refusal)
                    return
                self._waiting[order.id] = order
                await self._make_way(refusal, order)
                await self.lanes.sleep(pause)
            except Unreachable as silence:
                self._answer(order.id, Action.SUBMIT, Outcome.UNKNOWN, message=str(silence))
                await self._prove(wish, resend=True)
                return

    def _late(self, wish: Submit, since: int) -> str:
        """Its turn has come: why it is not sent after all; empty where it is."""
        taken_back = self._waiting.pop(wish.order.id, None) is None
        if taken_back:
            return "taken back before it was sent"
        if wish.role is Role.ENTRY and self._clock.now() - since > STALE:
            return "no room in the rate limit within five seconds"
        return ""

    async def _make_way(self, refusal: OrderRejected, order: Order) -> None:
        """Cancel what holds the shares of an exit, as far as it belongs to the same trade or protects in its place."""
        named = refusal.extra.get("related_orders") or [refusal.extra.get("existing_order_id")]
        for broker_id in named if isinstance(named, list) else []:
            name = self.words.holder(str(broker_id))
            if name is not None and (name.startswith("guard-") or _trade(name) == _trade(order.id)):
                await self._drop(str(broker_id))

    async def _cancel(self, wish: Cancel) -> None:
        """The final word comes as an update."""
        if self._waiting.pop(wish.id, None) is not None:
            self._answer(wish.id, Action.CANCEL, Outcome.ACCEPTED, message="it was not sent")
            return
        try:
            broker_id = self.words.id_of(wish.id) or await self._find(wish.id)
            await self.lanes.ask(Lane.URGENT, lambda route: route.cancel_order_by_id(broker_id))
        except OrderRejected as refusal:
            self._answer(wish.id, Action.CANCEL, Outcome.REJECTED, refusal)
            await self._look(wish.id)
        except Unreachable as silence:
            self._answer(wish.id, Action.CANCEL, Outcome.UNKNOWN, message=str(silence))
        else:
            self._answer(wish.id, Action.CANCEL, Outcome.ACCEPTED)

    async def _replace(self, wish: Replace) -> None:
        """The broker answers with a new order under a new id, which takes over our name; it may still take that back."""
        change = ReplaceOrderRequest(stop_price=wish.price) if wish.role is Role.STOP else ReplaceOrderRequest(limit_price=wish.price)
        broker_id = self.words.id_of(wish.id)
        try:
            broker_id = broker_id or await self._find(wish.id)
            successor = await self.lanes.ask(Lane.URGENT, lambda route: route.replace_order_by_id(broker_id, change))
        except OrderRejected as refusal:
            self._answer(wish.id, Action.REPLACE, Outcome.REJECTED, refusal)
            await self._look(wish.id)
        except Unreachable as silence:
            self._answer(wish.id, Action.REPLACE, Outcome.UNKNOWN, message=str(silence))
            await self._prove_replaced(wish, broker_id)
        else:
            self.words.successor(wish.id, successor)
            self._answer(wish.id, Action.REPLACE, Outcome.ACCEPTED)

    # --- asking

    async def catch_up(self, since: int) -> None:
        """Ask for every order since a moment and tell what is news: any update that the stream lost arrives here. Raises BrokerError."""
        for body in await self._working(self.lanes.ask(Lane.QUERY, lambda route: reading.orders(route, status="all", since=since))):
            self.hearing.say(body, "polled")
        self.hearing.caught_up()

    async def audit(self, since: int) -> None:
        """Ask for every execution since a moment; of an order that nobody has told us of, ask for the order. Raises BrokerError."""
        rows = await self._working(self.lanes.ask(Lane.QUERY, lambda route: reading.executions(route, since)))
        for broker_id in dict.fromkeys(str(row["order_id"]) for row in rows):
            if not self.words.knows(broker_id):
                self.hearing.say(await self._working(self._by_id(broker_id)), "executed")

    async def standing(self) -> Standing:
        """Account, positions and open orders at this moment. Raises BrokerError: a query that failed is never "flat"."""
        return await self._working(self.lanes.ask(Lane.QUERY, lambda route: reading.standing(route, self._clock.now())))

    async def time(self) -> tuple[int, int, int]:
        """The broker's clock, and ours before and after it was asked. Raises BrokerError."""
        now = self._clock.now
        asked, theirs, answered = await self._working(self.lanes.ask(Lane.QUERY, lambda route: (now(), reading.time(route), now())))
        return theirs, asked, answered

    async def urgently(self, call: Callable[[Route], Any]) -> Any:
        """One request of the caller's own, past all that is not urgent. Raises BrokerError."""
        return await self._working(self.lanes.ask(Lane.URGENT, call))

    def close(self) -> None:
        """End what is under way and let go of the threads."""
        for task in self._tasks:
            task.cancel()
        self.lanes.close()

    def _accepted(self, order: Order, body: Body) -> None:
        """The broker has the order: if it is what we asked for it is ours, else somebody is very wrong and it has to go."""
        wrong = differences(order, body)
        if wrong:
            self._doubt(order, f"the broker's order is not what was asked for: {'; '.join(wrong)}")
        self.words.name(body)
        self._answer(order.id, Action.SUBMIT, Outcome.ACCEPTED)
        self.hearing.tell(body, "answered")
        if wrong:
            self._begin(self._drop(body["id"]))

    # --- when no answer came

    async def _prove(self, wish: Submit, *, resend: bool, known: bool = False) -> None:
        """Find out what became of an order; `known`: the broker has said that it has one of this id."""
        order = wish.order
        question = Question(order, self._clock, urgent=wish.role is not Role.ENTRY, resend=resend)
        lane = Lane.URGENT if question.urgent else Lane.QUERY

        async def look() -> Body:
            return await self._by_name(order.id, lane)

        with self.hearing.unnamed(order.symbol):
            try:
                found = await look() if known else None
            except BrokerError as error:
                found = None
                self._answer(order.id, Action.SUBMIT, Outcome.UNKNOWN, message=str(error))
            if found is None:
                found = await question.settle(
                    look=look,
                    again=lambda: self._again(wish, lane),
                    doubt=lambda: self._doubt(order, f"what became of {order.id} is unknown"),
                    sleep=self.lanes.sleep,
                )
            if found is not None:
                self._accepted(order, found)
            elif question.absent:
                self.hearing.give_up(order.id)
                self._answer(order.id, Action.SUBMIT, Outcome.REJECTED, message="the broker has said for minutes that it has no such order")

    async def _again(self, wish: Submit, lane: Lane) -> Sent:
        """The same id once more."""
        try:
            self._accepted(wish.order, await self.lanes.ask(lane, lambda route: route.submit_order(form(wish))))
        except OrderRejected as refusal:
            if is_duplicate(refusal) or refusal.status == 429:
                return Sent.OPEN
            self._answer(wish.order.id, Action.SUBMIT, Outcome.REJECTED, refusal)
            return Sent.REFUSED
        except Unreachable:
            return Sent.OPEN
        return Sent.TAKEN

    async def _prove_replaced(self, wish: Replace, broker_id: str | None) -> None:
        """Find out whether an order was replaced: it says so itself, and by whom."""
        for pause in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0) if broker_id is not None else ():
            await self.lanes.sleep(pause)
            try:
                body = await self._by_id(str(broker_id), Lane.URGENT)
            except BrokerError:
                continue
            if body["status"] == "pending_replace":
                continue
            self.hearing.say(body, "asked")
            taken = body["status"] == "replaced"
            self._answer(wish.id, Action.REPLACE, Outcome.ACCEPTED if taken else Outcome.REJECTED, message="" if taken else "it never arrived")
            await self._look(wish.id)
            return

    def _doubt(self, order: Order, why: str) -> None:
        """Nothing more is opened in this symbol today."""
        now = self._clock.now()
        self._emit(Taint(order.symbol, f"quarantined: {why}", now + FOR_THE_DAY, now))

    # --- small parts

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        async def watched() -> None:
            try:
                await work
            finally:
                self.lanes.ended()

        self.lanes.began()
        task = asyncio.create_task(watched())
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        """A fault of ours in here must not pass unseen: it ends `run`."""
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._fault = fault
            self._failed.set()

    async def _find(self, name: str) -> str:
        """The broker's id of an order that it has not acknowledged yet, by the id that we gave it. Raises OrderRejected where it has none."""
        parent = name.partition("/")[0]
        body = await self._by_name(parent, Lane.URGENT)
        self.words.name(body)
        found = self.words.id_of(name)
        if found is None:
            raise OrderRejected(404, None, f"{name} is not at the broker")
        return found

    async def _by_name(self, name: str, lane: Lane) -> Body:
        """With its legs, for which Alpaca has to be asked by its own id."""
        body = await self.lanes.ask(lane, lambda route: route.get_order_by_client_id(name))
        return await self._by_id(str(body["id"]), lane)

    async def _by_id(self, broker_id: str, lane: Lane = Lane.QUERY) -> Body:
        nested = GetOrderByIdRequest(nested=True)
        found: Body = await self.lanes.ask(lane, lambda route: route.get_order_by_id(broker_id, nested))
        return found

    async def _look(self, name: str) -> None:
        """Ask for one order's present state; silence where the broker does not answer (the next `catch_up` asks again)."""
        broker_id = self.words.id_of(name)
        if broker_id is None:
            return
        try:
            self.hearing.say(await self._by_id(broker_id, Lane.URGENT), "asked")
        except BrokerError as error:
            self._note("unanswered", {"id": name, "error": str(error)})

    async def _drop(self, broker_id: str) -> None:
        """Cancel what should not be there; the next look tells whether it helped."""
        try:
            await self.lanes.ask(Lane.URGENT, lambda route: route.cancel_order_by_id(broker_id))
        except BrokerError as error:
            self._note("unanswered", {"error": str(error)})

    async def _working(self, work: Awaitable[T]) -> T:
        self.lanes.began()
        try:
            return await work
        finally:
            self.lanes.ended()

    def _answer(self, name: str, request: Action, outcome: Outcome, refusal: OrderRejected | None = None, message: str = "") -> None:
        code = refusal.code if refusal is not None else None
        self._emit(Answer(name, request, outcome, self._clock.now(), code, refusal.message if refusal is not None else message))


def account_state(found: Standing) -> AccountState:
    """The account as the engine takes it."""
    holdings = tuple(Holding(h.symbol, h.quantity, h.average) for h in found.held.values())
    return AccountState(found.equity, found.cash, found.power, holdings, found.at)


def _trade(name: str) -> str:
    """The trade that an order of ours belongs to."""
    return name.partition("/")[0].rpartition("-")[0]


def _nothing() -> None:
    """For those whom nobody has to be told."""


def _unnoted(_: str, __: dict[str, Any]) -> None:
    """The same."""
