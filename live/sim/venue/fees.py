"""Regulatory fees: what trading costs although the broker takes no commission. Exact during the day, rounded up to the cent when it is charged.

How (Alpaca, docs.alpaca.markets/docs/regulatory-fees): accrued during the day and kept back from buying power, charged once a day after the extended
hours, each kind's total rounded up to the cent. Paper accounts pay them too: one was charged REG 3.82 for sales of $185271.37, TAF 0.31 for 1572
shares sold and CAT 0.01 for 174 trades on 2026-09-08, which is what the rates below give.
"""

from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal, InvalidOperation

from live.sim.errors import WorldError
from live.sim.venue.orders import ZERO
from live.sim.venue.ticket import plain

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars: `sec` for a dollar of sales, `taf` for a share sold up to `cap` a trade, `cat` for a share bought or sold."""

    sec: Decimal
    taf: Decimal
    cap: Decimal
    cat: Decimal


REGULATORY = Rates(Decimal("0.0000206"), Decimal("0.000195"), Decimal("9.79"), Decimal("0.000003"))
"""SEC section 31 since 2026-04-04 ($20.60 a million), FINRA trading activity fee of 2026, CAT fee 2026-1 with historical assessment 1A."""

NONE = Rates(ZERO, ZERO, ZERO, ZERO)


def read(text: str) -> Rates:
    """`regulatory`, `none`, or single rates that differ from the regulatory ones: `sec=0.0000278,taf=0.000166,cap=8.30`. Raises WorldError."""
    if text in ("regulatory", "none"):
        return REGULATORY if text == "regulatory" else NONE
    changes: dict[str, Decimal] = {}
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        try:
            changes[name] = Decimal(value)
            rates = replace(REGULATORY, **changes)
        except (InvalidOperation, TypeError):
            raise WorldError(f"Fees must be regulatory, none, or rates like sec=0.0000206,taf=0.000195,cap=9.79,cat=0, found {text!r}.") from None
        if not changes[name].is_finite() or changes[name] < 0:
            raise WorldError(f"Fees cannot be negative or without end, found {part.strip()!r}.")
    return rates


@dataclass(slots=True)
class Fees:
    """What one day's trades owe so far."""

    rates: Rates
    proceeds: Decimal = ZERO  # dollars of sales
    sold: Decimal = ZERO  # shares
    sales: int = 0
    trades: int = 0
    activity: Decimal = ZERO  # TAF, whose cap is each trade's own
    audit: Decimal = ZERO  # CAT

    def accrue(self, side: str, qty: Decimal, price: Decimal) -> None:
        """One execution. CAT counts a part of a share as a whole one."""
        self.trades += 1
        self.audit += qty.to_integral_value(ROUND_CEILING) * self.rates.cat
        if side == "sell":
            self.proceeds += qty * price
            self.sold += qty
            self.sales += 1
            self.activity += min(qty * self.rates.taf, self.rates.cap)

    def due(self) -> list[tuple[str, Decimal, str]]:
        """Kind, dollars in whole cents and what they are for, in the broker's words; only kinds that cost anything."""
        rows = (
            ("CAT", self.audit, f"{self.trades} trades"),
            ("REG", self.proceeds * self.rates.sec, f"${self.proceeds.quantize(_CENT)}"),
            ("TAF", self.activity, f"{plain(self.sold)} shares ({self.sales} trades)"),
        )
        return [(kind, amount.quantize(_CENT, ROUND_CEILING), f"{kind} fee for proceed of {what}") for kind, amount, what in rows if amount]

    @property
    def owed(self) -> Decimal:
        """Whole cents, all kinds."""
        return sum((amount for _, amount, _ in self.due()), ZERO)

    @property
    def regulatory(self) -> Decimal:
        """Whole cents of REG and TAF."""
        return sum((amount for kind, amount, _ in self.due() if kind != "CAT"), ZERO)
