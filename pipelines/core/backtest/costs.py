"""What trading costs in a backtest: the spread and our footprint in every price that takes, and the regulatory fees after the close.

    price of a taking fill = reference * (1 + sign * (spread / 2 + k * sigma * sqrt(shares / adv)))

spread, sigma and adv are the symbol's own from the briefing, k is the briefing's slippage model (`core.market.slippage`: fitted to our own
executions once there are enough). Orders that wait (limits, targets) pay neither. Fees are what a US account without commission pays:

    SEC   on dollars sold          section 31 of the Exchange Act, 20.60 dollars a million since 2026-04-04
    TAF   on shares sold           FINRA trading activity fee of 2026, up to a cap for each execution
    CAT   on shares either way     consolidated audit trail fee 2026-1 with historical assessment 1A

each kind's day rounded up to the cent, as Alpaca charges it (docs.alpaca.markets/docs/regulatory-fees). Rates change about once a year: they are
parameters, and a backtest of other years is charged today's.
"""

import math
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from pipelines.core.briefing import Briefing, SymbolBrief
from pipelines.core.market.slippage import PRIOR

FEES = ("sec", "taf", "cat")


def _rate(default: float, description: str) -> Any:
    return Field(default, ge=0, description=description)


class Costs(BaseModel):
    """Every number of the model. `spread` and `sigma` stand in where a symbol's own is unknown; without `adv` there is no footprint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spread: float = Field(0.0004, ge=0, lt=1, description="Bid-ask spread where the briefing knows none, fraction of the price.")
    sigma: float = Field(0.02, ge=0, lt=1, description="Volatility of a day where the briefing knows none, fraction.")
    impact: float | None = Field(None, ge=0, description="k of the footprint; empty: the briefing's, or 2/3 where it has none.")
    own: bool = Field(True, description="Whether each symbol's own spread and volume count; false: `spread` for everyone, no footprint.")
    participation: float | None = Field(0.1, gt=0, le=1, description="Most of a minute's volume that our orders get; empty: all that they want.")
    sec: float = _rate(0.0000206, "SEC fee, dollars for a dollar of sales.")
    taf: float = _rate(0.000195, "FINRA trading activity fee, dollars for a share sold.")
    taf_cap: float = _rate(9.79, "Most that the TAF takes for one execution, dollars.")
    cat: float = _rate(0.000003, "CAT fee, dollars for a share bought or sold.")

    def footprint(self, briefing: Briefing) -> float:
        """The k in use."""
        if self.impact is not None:
            return self.impact
        return PRIOR if briefing.slippage is None else briefing.slippage.impact

    def rates(self, brief: SymbolBrief | None, k: float) -> tuple[float, float]:
        """Half the spread, and what to multiply the root of an order's shares with for its footprint: fractions of the price."""
        if brief is None or not self.own:
            return self.spread / 2, 0.0
        half = (self.spread if brief.spread is None else brief.spread) / 2
        sigma = self.sigma if brief.sigma is None else brief.sigma
        return half, k * sigma / math.sqrt(brief.adv) if brief.adv else 0.0


FREE = Costs(spread=0.0, own=False, participation=None, sec=0.0, taf=0.0, taf_cap=0.0, cat=0.0)
"""A market that costs nothing and has no bounds: for tests of everything else."""


def charged(fills: pl.DataFrame, costs: Costs) -> pl.DataFrame:
    """The fills with what each owes of every fee, dollars, not rounded: columns `FEES`. `fills`: side (buy or sell), quantity, price."""
    sold = pl.when(pl.col("side") == "sell").then(pl.col("quantity")).otherwise(0)
    return fills.with_columns(
        (sold * pl.col("price") * costs.sec).alias("sec"),
        pl.min_horizontal(sold * costs.taf, pl.lit(costs.taf_cap)).alias("taf"),
        (pl.col("quantity") * costs.cat).alias("cat"),
    )


def due(charges: pl.DataFrame) -> float:
    """What the broker takes for one day's rows of `charged`: each kind's sum rounded up to the cent, dollars."""
    return rounded_up(*(float(charges[kind].sum()) for kind in FEES))


def rounded_up(*sums: float) -> float:
    """A day's fees, each kind to the next cent, dollars."""
    return sum(math.ceil(round(total * 100, 6)) for total in sums) / 100


def borne(charges: pl.DataFrame, *day: str) -> pl.DataFrame:
    """The rows of `charged` with what each bears of what is `due`: of each kind its share of the rounded sum, dollars. `day`: columns of one day."""
    shares = []
    for kind in FEES:
        whole = pl.col(kind).sum().over(*day)
        shares.append(pl.when(whole > 0).then(pl.col(kind) * ((whole * 100).round(6).ceil() / 100) / whole).otherwise(0.0).alias(kind))
    return charges.with_columns(shares)
