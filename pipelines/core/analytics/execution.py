"""How orders were executed: what it cost against the price they were decided at, how much was filled and how fast, and what never was sent.

Implementation shortfall (Perold 1988, "The implementation shortfall: paper versus reality", Journal of Portfolio Management 14(3)) is the paper
portfolio's profit less the real one's: shares that were filled cost their distance from the arrival price, shares that were not what they
would have gained, and fees are fees. Exits that rested are measured against their own price: a stop's slippage, a target's improvement.
"""

from typing import NamedTuple

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from pipelines.core.analytics.books import STAGES
from pipelines.core.analytics.scope import Scope

GROUPS = ("type", "role", "feed", "symbol", "strategy", "hour", "regime")
OURS = ("decide", "journal", "send", "acknowledge")
"""Stages that the machine and the wire take."""

QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))


class ExecutionMeasures(BaseModel):
    """The numbers of a scope. Dollars and basis points (1/10,000 of the value at the reference price): plus is worse for us."""

    model_config = ConfigDict(frozen=True)

    orders: int = Field(description="Entries and exits that were meant to trade.")
    filled: int = Field(description="Orders with at least one share filled.")
    fill_rate: float | None = Field(description="Shares filled over shares ordered.")
    entry_fill_rate: float | None = Field(description="The same of entries alone.")
    value: float = Field(description="Value of what was filled, at reference prices, dollars.")
    shortfall: float = Field(description="Implementation shortfall, dollars: `cost`, `missed` and `fees` together.")
    shortfall_bp: float | None = Field(description="The same in basis points of `value`.")
    cost: float = Field(description="What fills cost against their reference prices, dollars.")
    cost_bp: float | None = Field(description="The same in basis points of `value`.")
    median_bp: float | None = Field(description="Cost of the order in the middle, basis points.")
    missed: float = Field(description="What entries' unfilled shares would have gained until the order ended, dollars; below zero: it was luck.")
    fees: float = Field(description="Regulatory fees, dollars.")
    seconds_to_fill: float | None = Field(description="Median from the decision to the first fill of an order that does not rest, seconds.")


class Execution(NamedTuple):
    """How the orders of a scope were executed.

    by        a frame for each of `GROUPS`: value, orders, filled, fill_rate, value, cost, cost_bp, median_bp, missed, seconds_to_fill
    latency   stage, orders, p50, p90, p99, longest: milliseconds, stage by stage as in `books.STAGES`, where a clock told it
    funnel    step, code, candidates, share: from what strategies wanted through each limit to what was sent and filled
    refused   code, setting, candidates, shares, value, forgone, forgone_r: what each limit took away, and what that would have earned
    """

    scope: Scope
    numbers: ExecutionMeasures
    by: dict[str, pl.DataFrame]
    latency: pl.DataFrame
    funnel: pl.DataFrame
    refused: pl.DataFrame


def execution(executions: pl.DataFrame, candidates: pl.DataFrame, scope: Scope) -> Execution:
    """The execution of a scope: rows of `books.EXECUTIONS` and `wishes.CANDIDATES`, any number of books and sessions."""
    orders, wanted = scope.rows(executions), scope.rows(candidates)
    by = {name: _grouped(orders, name) for name in GROUPS}
    return Execution(scope, _measures(orders), by, latency(orders), funnel(wanted, orders), refused(wanted))


def latency(orders: pl.DataFrame) -> pl.DataFrame:
    """Rows stage, orders, p50, p90, p99, longest (milliseconds) of every stage that any order has.

    What we and the wire take is of the machine's clock, whatever the speed of the session's, and not known where that one stood still; the time until
    a fill is the market's, of the session's clock. Sessions whose clock stood still are left out, save where there are no others.
    """
    ran = orders.filter(pl.col("speed") > 0).with_columns(pl.col(*OURS) / pl.col("speed"))
    frames = [
        (orders if stage == "to_fill" and ran.is_empty() else ran)
        .select(pl.col(stage).drop_nulls().alias("ms"))
        .select(
            pl.lit(stage).alias("stage"),
            pl.len().cast(pl.Int64).alias("orders"),
            *(pl.col("ms").quantile(q, "linear").alias(name) for name, q in QUANTILES),
            pl.col("ms").max().alias("longest"),
        )
        for stage in STAGES
    ]
    return pl.concat(frames).filter(pl.col("orders") > 0)


def funnel(candidates: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """Rows step, code, candidates, share: wanted, refused by each limit, reduced by each, sent, filled; `share` of what was wanted.

    Of the sessions whose wishes were written down.
    """
    known = candidates.select("session", "book").unique()
    entries = orders.filter(pl.col("role") == "entry").join(known, on=["session", "book"], how="semi")
    counted = [("wanted", None, candidates.height)]
    for step in ("refused", "reduced"):
        codes = candidates.filter(pl.col("outcome") == step).group_by("code").len().sort("len", "code", descending=[True, False])
        counted += [(step, code, count) for code, count in codes.iter_rows()]
    counted += [("sent", None, entries.height), ("filled", None, entries.filter(pl.col("filled") > 0).height)]
    schema = {"step": pl.String, "code": pl.String, "candidates": pl.Int64}
    found = pl.DataFrame(counted, schema=schema, orient="row")
    return found.with_columns(pl.when(candidates.height > 0).then(pl.col("candidates") / candidates.height).alias("share"))


def refused(candidates: pl.DataFrame) -> pl.DataFrame:
    """What each limit took away: rows code, setting, candidates, shares, value, limit, forgone, forgone_r; the most forgone first.

    `forgone` is what the shares taken away would have earned (dollars, before costs; below zero: the limit saved that), each wish alone, with its
    own stop and target (`wishes.outcomes`); a wish that is refused again minute after minute counts once.
    """
    first = candidates.filter(pl.col("code").is_not_null() & pl.col("first"))
    return (
        first.group_by("code", "setting")
        .agg(
            pl.len().cast(pl.Int64).alias("candidates"),
            (pl.col("wanted") - pl.col("quantity")).sum().alias("shares"),
            pl.col("value", "limit").last(),
            pl.when(pl.col("forgone").count() > 0).then(pl.col("forgone").sum()).alias("forgone"),
            pl.col("forgone_r").mean(),
        )
        .sort("forgone", "code", descending=[True, False], nulls_last=True)
    )


def _measures(orders: pl.DataFrame) -> ExecutionMeasures:
    row = orders.select(*_sums()).row(0, named=True)
    entries = orders.filter(pl.col("role") == "entry").select(_rate()).item()
    cost, missed, fees = row["cost"], row["missed"], float(orders["fees"].sum())
    value = row["value"]
    return ExecutionMeasures(
        **{name: row[name] for name in ("orders", "filled", "fill_rate", "value", "cost", "cost_bp", "median_bp", "missed", "seconds_to_fill")},
        entry_fill_rate=entries,
        fees=fees,
        shortfall=cost + missed + fees,
        shortfall_bp=(cost + missed + fees) / value * 1e4 if value else None,
    )


def _grouped(orders: pl.DataFrame, name: str) -> pl.DataFrame:
    return orders.group_by(name).agg(*_sums()).sort("orders", name, descending=[True, False], nulls_last=True)


def _sums() -> list[pl.Expr]:
    value = (pl.col("reference") * pl.col("filled")).sum()
    cost = pl.col("cost").sum()
    return [
        pl.len().cast(pl.Int64).alias("orders"),
        (pl.col("filled") > 0).sum().cast(pl.Int64).alias("filled"),
        _rate().alias("fill_rate"),
        value.alias("value"),
        cost.alias("cost"),
        pl.when(value > 0).then(cost / value * 1e4).alias("cost_bp"),
        pl.col("cost_bp").median().alias("median_bp"),
        pl.col("missed").sum().alias("missed"),
        (pl.col("to_fill").median() / 1000).alias("seconds_to_fill"),
    ]


def _rate() -> pl.Expr:
    wanted = pl.col("quantity").sum()
    return pl.when(wanted > 0).then(pl.col("filled").sum() / wanted)
