"""Bars of many sessions on one share scale: adjustment for splits and dividends on read, point in time. Stored prices are never adjusted.

Let a row stand on the share scale of session s (a raw bar: its own), and let asof be the session whose scale is wanted. Over the actions of its
symbol with s < ex_date <= asof, with ratios r (new shares for each old one) and cash D for each old share:

    volume' = volume * F            F = product of r
    price'  = price / F * P         P = product of the dividend factors, 1 unless dividends are asked for

A split changes no wealth: price * volume stays, and the return over an ex-date is that of r new shares for one old. Dividend factors:

    SUBTRACTED   1 - D / c0                    c0: last close before the ex-date (Yahoo). The cash buys shares at the close before.
    REINVESTED   c1 * r / (c1 * r + D)         c1: first close from the ex-date on (CRSP's total return, Quandl). The return over the
                                               ex-date is (c1 * r + D) / c0 - 1, what a holder has earned.

CRSP (2023), "Data Descriptions Guide", cumulative factors to adjust price and shares. A row says in `scale` where it stands, so that what is
adjusted once is not adjusted again, and adjusting to one session and then to a later one is the same as at once.
"""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

import polars as pl

from pipelines.core.errors import DataError
from pipelines.core.market.indicators import SHARES

PRICES = ("open", "high", "low", "close", "vwap")


class Dividends(StrEnum):
    """How cash is made part of the prices; formulas above."""

    SUBTRACTED = "subtracted"
    REINVESTED = "reinvested"


def adjusted(
    bars: pl.DataFrame, actions: pl.DataFrame, asof: date, *, dividends: Dividends | None = None, learned: datetime | None = None
) -> pl.DataFrame:
    """The bars on the share scale of session `asof`, in their order, with that session as `scale`.

    `bars`: symbol, session, any of open, high, low, close, vwap, volume, and `scale` if they were adjusted before. `actions`: symbol, kind (split or
    dividend), ex_date, ratio, cash, and learned_at (UTC) where `learned` is given; no action with an ex-date after `asof` or learned after
    `learned` is used. With `dividends` the bars have to be daily ones, sorted by session, that reach from before the ex-dates to after them.
    """
    standing = bars if "scale" in bars.columns else bars.with_columns(pl.col("session").alias("scale"))
    if standing.filter(pl.col("scale") > asof).height:
        raise DataError(f"expected bars on the share scale of {asof} or an earlier one, found {standing['scale'].max()!r}; begin with the raw bars")
    known = _known(actions.filter(pl.col("symbol").is_in(bars["symbol"].unique().implode())), asof, learned)
    steps = _splits(known)
    if dividends:
        steps = pl.concat([steps, _dividends(known, standing, steps, dividends)])
    if steps.is_empty():
        return standing.with_columns(pl.lit(asof).alias("scale"))
    both = standing.join(_factors(standing, steps), on=["symbol", "scale"], how="left", maintain_order="left")
    prices = [pl.col(name) * pl.col("_price").fill_null(1.0) for name in PRICES if name in bars.columns]
    volume = [pl.col("volume") * pl.col("_shares").fill_null(1.0)] if "volume" in bars.columns else []
    return both.with_columns(*prices, *volume, pl.lit(asof).alias("scale")).drop("_shares", "_price")


def rescaled(state: Sequence[float], ratio: float) -> tuple[float, ...]:
    """A state of `indicators.step` as if every bar behind it had been on the scale after a split of `ratio` new shares for each old one."""
    return tuple(value * ratio ** SHARES[i] if SHARES.get(i, 0) > 0 else value / ratio ** -SHARES.get(i, 0) for i, value in enumerate(state))


def _known(actions: pl.DataFrame, asof: date, learned: datetime | None) -> pl.DataFrame:
    """The actions that may be used; `DataError` for one that cannot be."""
    known = actions.filter(pl.col("ex_date") <= asof)
    if learned is not None:
        known = known.filter(pl.col("learned_at") <= learned)
    split, paying = pl.col("kind") == "split", pl.col("kind") == "dividend"
    fair = (split & pl.col("ratio").is_finite() & (pl.col("ratio") > 0)) | (paying & pl.col("cash").is_finite() & (pl.col("cash") >= 0))
    wrong = known.filter(~fair.fill_null(False))
    if wrong.height:
        raise DataError(f"expected splits with a ratio above zero and dividends with cash, found {wrong.rows()[:3]}; mend the source of actions")
    return known


def _splits(known: pl.DataFrame) -> pl.DataFrame:
    """Rows symbol, ex_date, shares, paid: one for each ex-date with a split."""
    ordered = known.filter(pl.col("kind") == "split").sort("symbol", "ex_date", "ratio")  # one order of factors, one rounding
    ratios = ordered.group_by("symbol", "ex_date", maintain_order=True).agg(pl.col("ratio").cum_prod().last().alias("shares"))
    return ratios.with_columns(pl.lit(1.0).alias("paid"))


def _dividends(known: pl.DataFrame, bars: pl.DataFrame, splits: pl.DataFrame, how: Dividends) -> pl.DataFrame:
    """Rows symbol, ex_date, shares, paid: one for each ex-date with cash that the bars have the close for."""
    cash = known.filter(pl.col("kind") == "dividend").group_by("symbol", "ex_date").agg(pl.col("cash").sum()).sort("ex_date")
    closes = bars.select("symbol", "session", "close").sort("session")
    if how is Dividends.SUBTRACTED:
        held = cash.join_asof(
            closes, left_on="ex_date", right_on="session", by="symbol", strategy="backward", allow_exact_matches=False, check_sortedness=False
        )
        paid = 1.0 - pl.col("cash") / pl.col("close")
    else:
        after = cash.join_asof(closes, left_on="ex_date", right_on="session", by="symbol", strategy="forward", check_sortedness=False)
        held = after.join(splits.select("symbol", "ex_date", "shares"), on=["symbol", "ex_date"], how="left")
        worth = pl.col("close") * pl.col("shares").fill_null(1.0)
        paid = worth / (worth + pl.col("cash"))
    rows = held.drop_nulls("close").select("symbol", "ex_date", pl.lit(1.0).alias("shares"), paid.alias("paid"))
    if rows.filter(pl.col("paid") <= 0).height:
        raise DataError(f"expected dividends below the close before, found {rows.filter(pl.col('paid') <= 0).rows()[:3]}; mend the source of actions")
    return rows


def _factors(bars: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Rows symbol, scale, _shares, _price: what volume and prices are multiplied by, from the steps after that scale; no row where there are none.

    Multiplied and not divided: Polars divides by a column of one value by way of its reciprocal, so that the same row had other last bits elsewhere.
    """
    later = (
        steps.group_by("symbol", "ex_date")
        .agg(pl.col("shares", "paid").product())  # of one split and one dividend at most
        .sort("ex_date", descending=True)
        .with_columns(pl.col("shares", "paid").cum_prod().over("symbol"))
        .with_columns(pl.col("shares").alias("_shares"), (1.0 / pl.col("shares") * pl.col("paid")).alias("_price"))
        .sort("ex_date")
    )
    scales = bars.filter(pl.col("symbol").is_in(steps["symbol"].unique().implode())).select("symbol", "scale").unique().sort("scale")
    found = scales.join_asof(
        later, left_on="scale", right_on="ex_date", by="symbol", strategy="forward", allow_exact_matches=False, check_sortedness=False
    )
    return found.drop_nulls("_shares").select("symbol", "scale", "_shares", "_price")
