"""What the tools are asked: the request of each, typed and bounded. Prices in dollars, quantities in whole shares, times UTC."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

Symbol = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z][A-Za-z0-9./-]{0,11}$")]
Price = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False, strict=True)]
Words = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=500, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]*$"),
]
"""Without what moves a terminal's cursor or turns a line round."""
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_./-]+$")]


def _whole(value: float) -> float:
    if value != int(value):
        raise ValueError("expected whole shares: stops and targets cannot protect fractions of one")
    return value


Shares = Annotated[float, Field(gt=0, le=10_000_000, allow_inf_nan=False, strict=True), AfterValidator(_whole)]
"""A number, and not what can be taken for one: `true` is not one share."""


class Ask(BaseModel):
    """The root of every request: what it does not know it refuses, so that a misspelt stop is never no stop."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Empty(Ask):
    """Nothing to say."""


class Waiting(Ask):
    """A command that is waited for."""

    wait: float = Field(5.0, ge=0, le=30, description="Seconds to wait for what became of it; it goes on where that is too short.")


class ScanRequest(Ask):
    """Which symbols are worth watching."""

    limit: int = Field(20, ge=1, le=500, description="Most lines.")
    price_min: Price | None = Field(None, description="Least newest price, dollars.")
    price_max: Price | None = Field(None, description="Highest newest price, dollars.")
    volume_min: float | None = Field(None, ge=0, allow_inf_nan=False, description="Least average daily volume, shares.")
    market_cap_min: float | None = Field(None, ge=0, allow_inf_nan=False, description="Refused where given: no source of market values is connected.")
    sector: Words | None = Field(None, description="Only this GICS sector.")


class EnterRequest(Waiting):
    """Open a position with its stop and target. What is left out is worked out: size by risk, stop and target by ATR."""

    symbol: Symbol
    side: Literal["buy", "sell"] = Field(description="buy opens a long position, sell a short one.")
    quantity: Shares | None = Field(None, description="Whole shares; left out: by risk per trade.")
    order_type: Literal["market", "limit"] = "market"
    entry_price: Price | None = Field(None, description="Limit price; needed for a limit order, not taken for a market order.")
    stop_loss_price: Price | None = Field(None, description="Left out: STOP_ATR daily ATRs away.")
    take_profit_price: Price | None = Field(None, description="Left out: TARGET_ATR daily ATRs away.")
    time_in_force: Literal["day"] = Field("day", description="Everything ends with the day.")
    risk_percent: float | None = Field(None, gt=0, le=0.1, description="Fraction of equity at risk at the stop, in place of RISK_PER_TRADE.")
    strategy: Name = Field("manual", description="Whose trade it is.")
    reason: Words = Field("entered by hand", description="For the journal.")

    @model_validator(mode="after")
    def _sound(self) -> "EnterRequest":
        if self.order_type == "limit" and self.entry_price is None:
            raise ValueError("a limit order needs entry_price")
        if self.quantity is not None and self.risk_percent is not None:
            raise ValueError("expected quantity or risk_percent, found both")
        stop, target = self.stop_loss_price, self.take_profit_price
        if stop is not None and target is not None and (target - stop) * (1 if self.side == "buy" else -1) <= 0:
            raise ValueError(f"expected the stop on the losing side of the target, found stop {stop} and target {target} for a {self.side}")
        return self


class PreviewRequest(EnterRequest):
    """The same as an entry; nothing is sent."""


class ManageRequest(Waiting):
    """Change an open trade: move the stop or the target, trail the stop, sell a part."""

    symbol: Symbol
    action: Literal["adjust_stop", "adjust_target", "trail_stop", "partial_exit"]
    new_stop_price: Price | None = Field(None, description="For adjust_stop.")
    new_target_price: Price | None = Field(None, description="For adjust_target.")
    trail_amount: Price | None = Field(None, description="For trail_stop: dollars behind the best price.")
    exit_quantity: Shares | None = Field(None, description="For partial_exit: shares to sell.")
    exit_fraction: float | None = Field(None, gt=0, le=1, description="For partial_exit: share of what is held.")
    strategy: Name | None = Field(None, description="Only this owner's trade; left out: every owner's.")

    @model_validator(mode="after")
    def _fits(self) -> "ManageRequest":
        needs = {
            "adjust_stop": ("new_stop_price",),
            "adjust_target": ("new_target_price",),
            "trail_stop": ("trail_amount",),
            "partial_exit": ("exit_quantity", "exit_fraction"),
        }
        given = {n for names in needs.values() for n in names if getattr(self, n) is not None}
        wanted = needs[self.action]
        if len(given) != 1 or not given <= set(wanted):
            raise ValueError(f"{self.action} needs {' or '.join(wanted)} and nothing else, found {', '.join(sorted(given)) or 'nothing'}")
        return self


class CloseRequest(Waiting):
    """Close what is held in a symbol. Asking again does nothing twice."""

    symbol: Symbol
    quantity: Shares | None = Field(None, description="Only so many shares; left out: all of them.")
    strategy: Name | None = Field(None, description="Only this owner's trade; left out: every owner's.")


class FlatRequest(Waiting):
    """Close everything."""


class HaltRequest(Waiting):
    """Enter no more."""


class ResumeRequest(Waiting):
    """Trade again."""


class ReleaseRequest(Waiting):
    """Let a strategy go on that a throttle has stopped."""

    strategy: Name


class RecordRequest(Waiting):
    """A note on the session: a trade made elsewhere, an observation, a reason. It goes into the journal and changes nothing else."""

    event_type: Name = Field(description="What it is: entry, exit, note, ...")
    symbol: Symbol
    side: Literal["buy", "sell"] | None = None
    price: Price | None = None
    quantity: Shares | None = None
    order_id: Name | None = None
    pnl: float | None = Field(None, allow_inf_nan=False, description="Dollars.")
    reason: Words = ""
    metadata: dict[Name, Words | float | bool | None] = Field({}, max_length=20, description="Anything else, flat.")


class Page(Ask):
    """A part of a list."""

    limit: int = Field(100, ge=1, le=1000, description="Rows at most.")
    cursor: str | None = Field(None, max_length=64, pattern=r"^[0-9]+$", description="Where the page before ended: its `next`.")


class OrdersRequest(Page):
    """Which orders."""

    status: Literal["open", "closed", "all"] = "open"
    symbol: Symbol | None = None


class LogRequest(Page):
    """Which decisions; the newest first."""

    kind: Literal["all", "submit", "replace", "cancel", "refused", "kept", "state", "closed", "noticed"] = "all"
    symbol: Symbol | None = None


class EventsRequest(Ask):
    """What happened since."""

    after: int = Field(0, ge=0, description="Number of the last event that is known already.")
    limit: int = Field(100, ge=1, le=1000)


class ExplainRequest(Ask):
    """Why."""

    id: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_./-]+$")] = Field(
        description="An order, a trade, a symbol or the number of a record."
    )


class CandidatesRequest(Page):
    """Which entries that somebody wanted; the newest first."""

    outcome: Literal["all", "entered", "reduced", "refused"] = "all"
    symbol: Symbol | None = None


class PeriodRequest(Ask):
    """Which sessions; left out: all that are published, and today."""

    start_date: date | None = Field(None, description="First session.")
    end_date: date | None = Field(None, description="Last session.")
    strategy: Name | None = None
    symbol: Symbol | None = None


class StrategyRequest(PeriodRequest):
    """One strategy."""

    strategy: Name


class TradesRequest(PeriodRequest, Page):
    """Which round trips; the newest first."""


def plain(ask: Ask) -> dict[str, Any]:
    """What was asked, for the journal and for comparing two requests under one key."""
    return ask.model_dump(mode="json", exclude={"wait"})
