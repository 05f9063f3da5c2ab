"""Which parameter sets to look at, and what to believe of them.

Sets are ranked on the earlier sessions only; the later ones are kept aside to look at the result once. The measure is the plateau: the median
Sharpe ratio of a set and of its neighbours on the grid (one step in one parameter). A good set among good ones is a finding, a lonely peak is luck.
Beside it stands the deflated Sharpe ratio (`analytics/trials.py`).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.core.analytics import trials
from pipelines.core.analytics.returns import YEAR, drawdown
from pipelines.core.sweep.run import Swept, Variant

BELIEVED = 0.95
"""Deflated Sharpe ratio from which a best set is more than the luck of many tries."""


class Ranking(NamedTuple):
    """`table`: a row a set, best first: rank, set, its changes, trades, net, win_rate, sharpe, plateau, deflated, drawdown of the earlier sessions,
    later_trades, later_net and later_sharpe of the later ones. Dollars after fees, Sharpe ratios by year, fractions."""

    table: pl.DataFrame
    tried: int
    earlier: int
    later: int
    expected: float
    """Yearly Sharpe ratio that the best of so many worthless sets would show."""

    @property
    def warnings(self) -> list[str]:
        """What a reader has to know before believing the first row."""
        best = self.table["deflated"].drop_nans().drop_nulls()
        first = None if self.table.is_empty() else self.table["deflated"][0]
        found = []
        if self.tried > 1:
            found.append(
                f"{self.tried} sets were tried: the best of as many worthless ones would show a Sharpe ratio of {self.expected:.2f} by luck alone"
            )
        if self.earlier < 2 * self.tried:
            found.append(f"{self.earlier} sessions for {self.tried} sets: fewer than two a set say little")
        if best.is_empty() or first is None or not first >= BELIEVED:
            shown = "unknown" if first is None or math.isnan(first) else f"{first:.2f}"
            found.append(f"the first set's deflated Sharpe ratio is {shown}, below {BELIEVED}: not distinguishable from luck")
        if self.later == 0:
            found.append("no sessions were kept aside: nothing here is out of sample")
        return found


def ranked(swept: Swept, variants: Sequence[Variant], aside: float = 0.3) -> Ranking:
    """Rank by the earlier sessions, with the last `aside` of them (fraction) kept out."""
    days = swept.sessions["session"].unique().sort().to_list()
    later = days[len(days) - round(len(days) * aside) :]
    returns = swept.sessions.with_columns((pl.col("end") / pl.col("start") - 1).alias("return"), pl.col("session").is_in(later).alias("later"))
    early = _by_set(returns.filter(~pl.col("later")), len(variants))
    late = _by_set(returns.filter(pl.col("later")), len(variants))
    sharpes = np.array([trials.sharpe(row) for row in early])
    expected = trials.expected_best(sharpes)
    won = swept.trades.filter(~pl.col("session").is_in(later)).group_by("set").agg((pl.col("profit") > 0).mean().alias("win_rate"))
    table = (
        pl.DataFrame({"set": range(len(variants)), **{name: [v.changes[name] for v in variants] for name in variants[0].changes}})
        .join(_sums(returns.filter(~pl.col("later")), ""), on="set", how="left")
        .join(won, on="set", how="left")
        .with_columns(
            pl.Series("sharpe", sharpes * math.sqrt(YEAR), pl.Float64),
            pl.Series("plateau", plateau(variants, sharpes) * math.sqrt(YEAR), pl.Float64),
            pl.Series("deflated", [trials.probabilistic(row, expected) for row in early], pl.Float64),
            pl.Series("drawdown", [drawdown(row) for row in early], pl.Float64),
        )
        .join(_sums(returns.filter(pl.col("later")), "later_"), on="set", how="left")
        .with_columns(pl.Series("later_sharpe", [trials.sharpe(row) * math.sqrt(YEAR) for row in late], pl.Float64))
        .fill_nan(None)
        .sort("plateau", "net", descending=True, nulls_last=True)
    )
    table = table.with_columns(pl.int_range(1, pl.len() + 1).alias("rank")).select("rank", pl.exclude("rank"))
    return Ranking(table, len(variants), len(days) - len(later), len(later), expected * math.sqrt(YEAR))


def plateau(variants: Sequence[Variant], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of each set's value and its neighbours' on the grid; unknown ones count as nought, as a set that never trades earns."""
    axes = {name: sorted({v.changes[name] for v in variants}) for name in variants[0].changes}
    spots = np.array([[axes[name].index(value) for name, value in v.changes.items()] for v in variants]).reshape(len(variants), -1)
    known = np.nan_to_num(values)
    near = np.abs(spots[:, None, :] - spots[None, :, :]).sum(axis=2) <= 1
    return np.array([float(np.median(known[row])) for row in near])


def _by_set(returns: pl.DataFrame, sets: int) -> list[NDArray[np.float64]]:
    rows = {key[0]: part["return"].to_numpy() for key, part in returns.sort("session").partition_by("set", as_dict=True).items()}
    return [rows.get(k, np.empty(0)) for k in range(sets)]


def _sums(sessions: pl.DataFrame, prefix: str) -> pl.DataFrame:
    net = (pl.col("end") - pl.col("start")).sum().alias(f"{prefix}net")
    return sessions.group_by("set").agg(pl.col("trades").sum().alias(f"{prefix}trades"), net)
