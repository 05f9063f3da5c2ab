"""Money and positions, exact: cash, cost of what is held, realised profit, fees, and the check that they always add up."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

from live.sim.errors import BooksError
from live.sim.venue.fees import NONE, Fees
from live.sim.venue.orders import ZERO, Order
from live.sim.worlds.actions import Action
from live.sim.worlds.world import Asset

_NANO = Decimal("1e-9")
_CENT = Decimal("0.01")
MAINTENANCE = Decimal("0.25")  # of market value: makes (equity - maintenance) x 4 what a four-times account can still buy
INITIAL = Decimal("0.5")  # Regulation T


@dataclass(slots=True)
class Position:
    """Costs are signed like `qty`: negative for a short position, whose proceeds they are. `today` counts shares held overnight at the last close."""

    asset: Asset
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    today: Decimal = ZERO

    @property
    def average(self) -> Decimal:
        return self.cost / self.qty if self.qty else ZERO


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. `position` is the signed quantity after it."""

    id: str
    order: Order
    at: int
    price: Decimal
    qty: Decimal
    position: Decimal
    status: str
    cumulative: Decimal
    leaves: Decimal


@dataclass(frozen=True, slots=True)
class Entry:
    """What changed shares or cash without a trade: a split (`SPLIT`), a dividend (`DIV`) or a fee (`FEE`), which belongs to no symbol."""

    id: str
    kind: str
    at: int
    symbol: str
    qty: Decimal  # change of the signed quantity
    cash: Decimal
    held: Decimal  # signed quantity it applied to
    rate: Decimal | None = None
    part: str = ""  # of a fee: REG, TAF or CAT
    text: str = ""


@dataclass(slots=True)
class Account:
    """One margin account. Cash moves at the fill, fees are charged at the day's end; there is no interest and no settlement delay."""

    id: str
    number: str
    created_at: int
    start: Decimal
    cash: Decimal
    last_equity: Decimal
    last_maintenance: Decimal = ZERO
    realised: Decimal = ZERO
    received: Decimal = ZERO  # dividends, negative when short positions owed more
    charged: Decimal = ZERO  # fees
    multiplier: int = 4
    fees: Fees = field(default_factory=lambda: Fees(NONE))  # what today's trades owe
    entries: list[Entry] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    settings: dict[str, object] = field(
        default_factory=lambda: {
            "disable_overnight_trading": False,
            "fractional_trading": True,
            "max_margin_multiplier": "4",
            "no_shorting": False,
            "suspend_trade": False,
            "trade_confirm_email": "all",
            "ptp_no_exception_entry": False,
            "max_options_trading_level": 0,
        }
    )

    def position(self, symbol: str) -> Decimal:
        held = self.positions.get(symbol)
        return held.qty if held else ZERO

    def book(self, order: Order, qty: Decimal, price: Decimal) -> Decimal:
        """Enter an execution; answers the signed position after it."""
        signed, value = qty * order.sign, qty * price
        self.cash -= value * order.sign
        self.fees.accrue(order.side, qty, price)
        held = self.positions.setdefault(order.symbol, Position(order.asset))
        closed = min(qty, abs(held.qty)) if held.qty * order.sign < 0 else ZERO
        if closed:
            released = _part(held.cost, closed, abs(held.qty))
            self.realised += -released - closed * price * order.sign
            held.cost -= released
            held.today -= _part(held.today, closed, abs(held.qty))
        held.cost += (qty - closed) * price * order.sign
        held.today += (qty - closed) * price * order.sign
        held.qty += signed
        if not held.qty:
            del self.positions[order.symbol]
        self.audit()
        return held.qty

    def split(self, action: Action, entry: str, at: int) -> None:
        """New shares for old ones at the same cost. What is less than a billionth of a share is lost, and nothing is paid for it."""
        held = self.positions.get(action.symbol)
        if held is None:
            return
        after = (held.qty * action.new / action.old).quantize(_NANO, ROUND_DOWN)
        self.entries.append(Entry(entry, "SPLIT", at, action.symbol, after - held.qty, ZERO, held.qty))
        held.qty = after
        if not after:
            self.realised -= held.cost
            del self.positions[action.symbol]
        self.audit()

    def pay(self, action: Action, entry: str, at: int) -> None:
        """A dividend to the holder, or from the short seller."""
        held = self.positions.get(action.symbol)
        if held is None:
            return
        amount = (held.qty * action.rate).quantize(_CENT)
        self.entries.append(Entry(entry, "DIV", at, action.symbol, ZERO, amount, held.qty, action.rate))
        self.cash += amount
        self.received += amount
        self.audit()

    def charge(self, identify: Callable[[], str], at: int, day: str) -> None:
        """Take what the day's trades owe, one entry a kind; the next day begins with nothing owed."""
        for kind, amount, text in self.fees.due():
            self.entries.append(Entry(identify(), "FEE", at, "", ZERO, -amount, ZERO, part=kind, text=f"{text} on {day} by {self.number}"))
            self.cash -= amount
            self.charged += amount
        self.fees = Fees(self.fees.rates)
        self.audit()

    @property
    def balance(self) -> Decimal:
        """What cash and cost of positions must add up to."""
        return self.start + self.realised + self.received - self.charged

    def audit(self) -> None:
        """Raises BooksError unless cash and cost of positions equal the start plus what was realised and received, less what was charged."""
        cost = sum((held.cost for held in self.positions.values()), ZERO)
        if self.cash + cost != self.balance:
            raise BooksError(
                f"cash {self.cash} + cost {cost} != start {self.start} + realised {self.realised} + received {self.received} - charged {self.charged}"
            )
        if any(not held.qty or (held.qty > 0) != (held.cost > 0) for held in self.positions.values()):
            raise BooksError("a position without quantity, or with cost of the wrong sign, is on the books")

    def recount(self) -> None:
        """Rebuild cash and quantities from executions and entries alone and compare. Raises BooksError."""
        cash, held = self.start, dict[str, Decimal]()
        for fill in self.fills:
            cash -= fill.qty * fill.price * fill.order.sign
            held[fill.order.symbol] = held.get(fill.order.symbol, ZERO) + fill.qty * fill.order.sign
        for entry in self.entries:
            cash += entry.cash
            held[entry.symbol] = held.get(entry.symbol, ZERO) + entry.qty
        quantities = {symbol: qty for symbol, qty in held.items() if qty}
        if cash != self.cash or quantities != {symbol: position.qty for symbol, position in self.positions.items()}:
            raise BooksError(f"the executions give cash {cash} and {quantities}, the books say {self.cash}")


@dataclass(frozen=True, slots=True)
class Valuation:
    """The account at the prices of one moment."""

    cash: Decimal
    long: Decimal
    short: Decimal  # <= 0
    reserved: Decimal
    multiplier: int

    @property
    def equity(self) -> Decimal:
        return self.cash + self.long + self.short

    @property
    def gross(self) -> Decimal:
        return self.long - self.short

    @property
    def initial(self) -> Decimal:
        return self.gross * INITIAL

    @property
    def maintenance(self) -> Decimal:
        return self.gross * MAINTENANCE

    @property
    def regt(self) -> Decimal:
        return max((self.equity - self.initial) * 2 - self.reserved, ZERO)

    @property
    def buying_power(self) -> Decimal:
        if self.multiplier == 1:
            return max(self.cash - self.reserved, ZERO)
        if self.multiplier == 2:
            return self.regt
        return max((self.equity - self.maintenance) * 4 - self.reserved, ZERO)

    @property
    def settled(self) -> Decimal:
        """Non-marginable buying power."""
        return max(self.cash + self.short - self.reserved, ZERO)


def valuation(account: Account, prices: Mapping[str, Decimal], *, reserved: Decimal) -> Valuation:
    """Raises BooksError when equity by market value and equity by profit and loss disagree."""
    values = {symbol: held.qty * prices[symbol] for symbol, held in account.positions.items()}
    found = Valuation(
        account.cash,
        sum((value for value in values.values() if value > 0), ZERO),
        sum((value for value in values.values() if value < 0), ZERO),
        reserved + account.fees.owed,
        min(int(str(account.settings["max_margin_multiplier"])), account.multiplier),
    )
    unrealised = sum((values[symbol] - held.cost for symbol, held in account.positions.items()), ZERO)
    if found.equity != account.balance + unrealised:
        raise BooksError(f"equity {found.equity} != balance {account.balance} + unrealised {unrealised}")
    return found


def _part(cost: Decimal, closed: Decimal, whole: Decimal) -> Decimal:
    """Rounded, so that sums stay exact; all of it when all is closed."""
    return cost if closed == whole else (cost * closed / whole).quantize(_NANO)


def held_quantity(symbol: str, position: Decimal, open_orders: Iterable[Order]) -> Decimal:
    """Shares that open exits hold: a pair of exits holds them once, nothing holds more than there is."""
    held, groups = ZERO, set[str]()
    for order in open_orders:
        if order.symbol != symbol or order.sign * position >= 0:
            continue
        if order.group is None:
            held += order.claim
        elif order in order.group.exits and order.group.id not in groups:
            groups.add(order.group.id)
            held += order.group.held()
    return min(held, abs(position))
