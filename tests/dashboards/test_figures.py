"""Every figure of the pages worked out again from the broker's fills, the orders and the minutes of equity: by pandas and empyrical, not by our code.

The month is the real engine's over an invented market; `-m soak` asks the same of what `daybot demo` leaves.
"""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import empyrical
import numpy as np
import pandas as pd
import pytest
import year

from dashboards.words import money, percent, ratio
from pipelines import publish
from pipelines.core.backtest.costs import Costs
from pipelines.settings import Settings

SESSIONS = 24
"""From 20 on ratios are told."""

KEY = ["session", "run", "trade"]
ENOUGH = 20

Open = Callable[..., Any]


@dataclass(frozen=True)
class Truth:
    """A home, and what its fills say."""

    home: Path
    fills: pd.DataFrame
    orders: pd.DataFrame
    equity: pd.DataFrame
    refused: pd.DataFrame
    trips: pd.DataFrame
    days: pd.DataFrame

    @property
    def enough(self) -> bool:
        return len(self.days) >= ENOUGH


@pytest.fixture(scope="module", params=["month", pytest.param("demo", marks=[pytest.mark.soak, pytest.mark.timeout(600)])])
def truth(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Truth]:
    home = tmp_path_factory.mktemp(request.param) / "home"
    if request.param == "demo":
        subprocess.run([sys.executable, "-m", "live.cli", "demo", "--home", str(home)], check=True, capture_output=True)
    else:
        year.make(home, SESSIONS, minutes=1)
    yield worked_out(home)


def worked_out(home: Path) -> Truth:
    """From the raw tables alone; of the marts only the benchmark's return is taken."""
    snapshot = publish.current(Settings(daybot_home=home))
    fills, orders, equity, decisions = (
        pd.DataFrame(snapshot.table(name).to_dict(as_series=False)) for name in ("fills", "orders", "equity", "decisions")
    )
    fills["value"], fills["sold"] = fills.price * fills.quantity, fills.side == "sell"
    fills["cash"] = fills.value.where(fills.sold, -fills.value)
    cost = Costs()
    fills["sec"] = (fills.value * cost.sec).where(fills.sold, 0.0)
    fills["taf"] = (fills.quantity * cost.taf).clip(upper=cost.taf_cap).where(fills.sold, 0.0)
    fills["cat"] = fills.quantity * cost.cat
    sums = fills.groupby("session")[["sec", "taf", "cat"]].transform("sum")
    up = sums.map(lambda total: math.ceil(round(total * 100, 6)) / 100)
    fills["fees"] = sum((fills[k] * up[k] / sums[k]).fillna(0.0) for k in ("sec", "taf", "cat"))
    trips = fills.groupby(KEY).agg(profit=("cash", "sum"), fees=("fees", "sum"), opened=("at", "min"), closed=("at", "max")).reset_index()
    entry = orders[orders.role == "entry"].set_index(KEY)
    entered = fills[fills.role == "entry"].groupby(KEY)["quantity"].sum()
    risk = (entry.arrival - entry.stop).abs() * entered
    trips = trips.join(risk.rename("risk"), on=KEY).join(entry[["strategy", "symbol"]], on=KEY)
    trips["net"], trips["r"] = trips.profit - trips.fees, trips.profit / trips.risk
    first = equity.sort_values("at").groupby("session").first()
    days = pd.DataFrame({"start": first.equity - first.realised - first.open})
    days["net"] = trips.groupby("session").net.sum().reindex(days.index).fillna(0.0)
    days["return"] = days.net / days.start
    days["turnover"] = fills.groupby("session").value.sum().reindex(days.index).fillna(0.0) / days.start
    days["exposure"] = (equity.gross / equity.equity).groupby(equity.session).mean()
    days["benchmark"] = pd.DataFrame(snapshot.table("trading_days").to_dict(as_series=False)).set_index("session").benchmark
    return Truth(home, fills, orders, equity, decisions[decisions.kind == "refused"], trips, days)


def shown(page: Any) -> dict[str, tuple[str, str]]:
    """Each figure of the page with what stands beside it."""
    return {m.label: (str(m.value), str(m.delta).replace("\\$", "$")) for m in page.app.metric}


def test_what_was_earned(truth: Truth, opened: Open) -> None:
    said, trips, days = shown(opened(truth.home, "performance")), truth.trips, truth.days
    daily, market, net = days["return"], days.benchmark.dropna(), trips.net
    gains, losses = net[net > 0], net[net < 0]
    assert said["Net"] == (money(net.sum(), signed=True), f"after {money(trips.fees.sum())} of fees")
    assert said["Return"] == (
        percent(empyrical.cum_returns_final(daily), 2, signed=True),
        f"benchmark {percent(empyrical.cum_returns_final(market), 2, signed=True)}",
    )
    assert said["Max drawdown"][0] == percent(-empyrical.max_drawdown(daily), 2)
    assert said["Round trips"] == (f"{len(trips):,}", f"{len(days)} session{'s' if len(days) > 1 else ''}")
    assert said["Win rate"] == (percent(len(gains) / len(net), 1), f"mean {money(gains.mean(), 0)} / {money(losses.mean(), 0)}")
    assert said["Profit factor"][0] == ratio(gains.sum() / -losses.sum())
    assert said["Expectancy"] == (money(net.mean(), signed=True), f"{ratio(trips.r.mean())} R a trip")
    assert said["Exposure"] == (percent(days.exposure.mean(), 1), f"turnover {ratio(days.turnover.mean())} × a day")
    assert said["Held"][0] == f"{ratio(((trips.closed - trips.opened).dt.total_seconds() / 60).mean(), 0)} min"
    assert said["Sharpe"] == told(truth, empyrical.sharpe_ratio(daily), "Sortino", empyrical.sortino_ratio(daily))
    assert said["Calmar"][0] == (ratio(empyrical.calmar_ratio(daily)) if truth.enough else "–")
    if truth.enough:
        assert said["Calmar"][1] == f"{percent(empyrical.annual_return(daily), 1, signed=True)} a year"
        var, shortfall = empyrical.value_at_risk(daily, 0.05), empyrical.conditional_value_at_risk(daily, 0.05)
        assert said["VaR 95 %"] == (percent(-var, 2), f"ES {percent(-shortfall, 2)}")


def told(truth: Truth, value: float, name: str, other: float) -> tuple[str, str]:
    return (ratio(value), f"{name} {ratio(other)}") if truth.enough else ("–", f"{name} –")


def test_where_it_came_from_and_each_months_return(truth: Truth, opened: Open) -> None:
    page, trips = opened(truth.home, "performance"), truth.trips
    table = {row["strategy"]: row for row in page.table("strategy", "profit_factor").iter_rows(named=True)}
    for strategy, own in trips.groupby("strategy"):
        row = table[strategy]
        known = (len(own), own.net.sum(), own.profit.sum(), own.fees.sum(), own.net.max(), own.net.min(), own.r.mean(), 100 * (own.net > 0).mean())
        names = ("trades", "net", "profit", "fees", "best", "worst", "average_r", "win_rate")
        assert tuple(row[name] for name in names) == pytest.approx(known)
    assert sum(row["net"] for row in table.values()) == pytest.approx(truth.days.net.sum()), "the parts are the whole"
    months = empyrical.aggregate_returns(truth.days["return"].set_axis(pd.to_datetime(truth.days.index)), "monthly")
    calendar = page.table("year", "whole")
    for (year_, month), value in months.items():
        row = calendar.filter(calendar["year"] == year_)
        assert row[pd.Timestamp(year_, month, 1).strftime("%b")][0] == pytest.approx(100 * value)


def test_what_execution_cost(truth: Truth, opened: Open) -> None:
    said, orders = shown(opened(truth.home, "execution")), truth.orders
    meant = orders[orders.role.isin(["entry", "exit"]) | (orders.filled > 0)].copy()
    paid = truth.fills.groupby("order").agg(value=("value", "sum"), shares=("quantity", "sum"), first=("at", "min"))
    meant = meant.join(paid, on="order")
    meant["average_paid"] = meant.value / meant.shares
    sign = meant.side.map({"buy": 1.0, "sell": -1.0})
    meant["cost"] = sign * (meant.average_paid - meant.reference) * meant.shares
    meant["bp"] = sign * (meant.average_paid / meant.reference - 1) * 1e4
    value, entries = (meant.reference * meant.shares).sum(), meant[meant.role == "entry"]
    missed = (sign * (meant["last"] - meant.reference) * (meant.quantity - meant.shares.fillna(0)))[meant.role == "entry"].sum()
    fees = truth.fills.fees.sum()
    waited = (meant["first"] - meant.submitted_at).dt.total_seconds()[~meant.role.isin(["stop", "target"])].median()
    shortfall = meant.cost.sum() + missed + fees
    assert said["Shortfall"] == (money(shortfall), f"{ratio(shortfall / value * 1e4)} bp of {money(value, 0)}")
    assert said["Cost of fills"] == (money(meant.cost.sum()), f"{ratio(meant.cost.sum() / value * 1e4)} bp")
    assert said["Median order"][0] == f"{ratio(meant.bp.median())} bp"
    assert said["Fill rate"] == (
        percent(meant.shares.sum() / meant.quantity.sum(), 1),
        f"entries {percent(entries.shares.sum() / entries.quantity.sum(), 1)}",
    )
    assert said["Time to fill"][0] == f"{ratio(waited, 1)} s"
    assert said["Fees"] == (money(fees), f"{meant.shares.notna().sum():,} of {len(meant):,} orders filled")


def test_how_the_vendors_compared_over_the_nights(truth: Truth, opened: Open) -> None:
    rows = pd.DataFrame(publish.current(Settings(daybot_home=truth.home)).table("feed_comparison").to_dict(as_series=False))
    page = opened(truth.home, "execution")
    assert f"{rows.session.nunique()} sessions"[:-1] in " ".join(picture.proto.alt for picture in page.app.get("vega_lite_chart"))
    shown_ = {row["vendor"]: row for row in page.table("vendor", "missed", "parted").iter_rows(named=True)}
    for vendor, own in rows.groupby("vendor"):
        row, pairs = shown_[vendor], own.pairs.sum()
        counts = (own.session.nunique(), own.minutes.sum(), own.missing.sum(), pairs, own.apart.sum())
        assert tuple(row[name] for name in ("sessions", "minutes", "missing", "pairs", "apart")) == counts
        rates = (100 * own.missing.sum() / own.minutes.sum(), 100 * own.apart.sum() / pairs, np.average(own.bp, weights=own.pairs))
        assert (row["missed"], row["parted"], row["bp"]) == pytest.approx(rates)
        assert (row["lag"], row["lag_max"], row["bp_max"]) == pytest.approx((own.lag.median(), own.lag_max.max(), own.bp_max.max()))


def test_the_list_of_trades_and_its_figures(truth: Truth, opened: Open) -> None:
    page, trips = opened(truth.home, "trades"), truth.trips
    said = shown(page)
    won = int((trips.net > 0).sum())
    assert said["Round trips"] == (f"{len(trips):,}", f"{won:,} with a gain")
    assert said["Net"] == (money(trips.net.sum(), signed=True), f"after {money(trips.fees.sum())} of fees")
    assert said["Win rate"] == (percent(won / len(trips), 1), f"{money(trips.net.mean(), signed=True)} a trip")
    assert said["Mean R"][0] == ratio(trips.r.mean())
    assert sorted(page.table("symbol", "net", "r")["net"].to_list()) == pytest.approx(sorted(trips.net))


REGIMES = {"calm": 1.0, "normal": 1.0, "elevated": 0.75, "stressed": 0.5, "unknown": 0.5}
"""What each leaves of the heat that is allowed: the table of docs/how-it-works.md."""


def test_how_near_a_nervous_session_came_to_what_its_regime_allowed(truth: Truth, opened: Open) -> None:
    snapshot = publish.current(Settings(daybot_home=truth.home))
    regimes = {day: snapshot.briefing(day).regime.name.value for day in truth.days.index}
    day = next((day for day, name in regimes.items() if REGIMES[name] != 1.0), truth.days.index.max())
    run = snapshot.table("runs", "session = ?", [day]).row(0, named=True)
    allowed = json.loads(run["limits"])["max_portfolio_heat"] * REGIMES[regimes[day]]
    own = truth.equity[truth.equity.session == day]
    most = (own.heat / own.equity).max()
    value, beside = shown(opened(truth.home, "risk", session=day.isoformat()))["Heat, peak"]
    assert (value, beside.partition(" at ")[0]) == (percent(most, 2), f"{100 * most / allowed:.0f} % of {100 * allowed:g} %")


def test_the_last_session(truth: Truth, opened: Open) -> None:
    said, last = shown(opened(truth.home, "today")), truth.days.index.max()
    own, start = truth.trips[truth.trips.session == last], truth.days.start[last]
    profit, won = own.profit.sum(), int((own.profit > 0).sum())
    refused = int((truth.refused.session == last).sum())
    entries = int(((truth.orders.session == last) & (truth.orders.role == "entry")).sum())
    assert said["P&L of the day"] == (money(profit, signed=True), f"{percent(profit / start, 2, signed=True)} before fees")
    assert said["Equity"] == (money(start + profit, 0), f"from {money(start, 0)}")
    assert said["Open positions"] == ("0", "flat")
    assert said["Entries"] == (str(entries), f"{len(own)} round trips closed")
    assert said["Refusals"] == (str(refused), f"of {refused + entries} signals")
    assert said["Win rate"] == (percent(won / len(own), 0), f"{won} of {len(own)} won")
