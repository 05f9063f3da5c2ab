"""A backtest from bars to report: the same orders every time, books that add up, numbers that a library not ours agrees with."""

import json
import random
from datetime import timedelta
from hashlib import sha256

import empyrical
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import OPEN, SESSION, briefing_of, day_bars, symbol_brief

from pipelines import roster
from pipelines.core.analytics.returns import drawdown, ratios, total
from pipelines.core.backtest.costs import FREE, Costs
from pipelines.core.backtest.fills import Venue
from pipelines.core.backtest.report import Report, growth, report
from pipelines.core.backtest.run import run
from pipelines.core.backtest.session import Played, play
from pipelines.core.briefing import Briefing
from pipelines.core.journal import Manifest
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.market.session import moment
from pipelines.core.risk.limits import Limits
from pipelines.core.risk.regimes import classify
from pipelines.core.trading.decisions import Submit
from pipelines.core.trading.engine import Engine

NAMES = tuple(f"S{i:02d}" for i in range(12))
MANY = tuple(f"S{i:02d}" for i in range(40))
WIDE = Limits(max_sector_exposure=4.0, max_correlated_exposure=4.0, max_gross_exposure=4.0, max_concentration=4.0, max_portfolio_heat=1.0)

ORDERS = {
    "momentum": "30dabaa0cc984e2f",
    "orb": "8a97515aa8e9dfb7",
    "reversion": "300b4281da03d41d",
}
"""Hash of every order that a shipped strategy sends on the tape below. It changes only on purpose: say why in the commit."""


def tape(names: tuple[str, ...] = NAMES) -> list[Bar]:
    """A session made of nothing but Python's own generator, whose numbers are the same for ever: trends, turns and bursts."""
    dice, start, bars = random.Random(2019), int(OPEN.timestamp()) * 1_000_000_000, []
    prices = dict.fromkeys(names, 100.0)
    drifts = dict.fromkeys(names, 0.0)
    for minute in range(390):
        for name in names:
            if dice.random() < 0.02:
                drifts[name] = (dice.random() - 0.5) * 0.002
            first = prices[name]
            last = round(first * (1 + drifts[name] + (dice.random() - 0.5) * 0.002), 2)
            high, low = round(max(first, last) + dice.random() * 0.05, 2), round(min(first, last) - dice.random() * 0.05, 2)
            volume = float(dice.randrange(1_000, 9_000) * (3 if dice.random() < 0.3 else 1))
            bars.append(Bar(name, start + minute * MINUTE, first, high, low, last, volume, round((high + low + last) / 3, 4), 50))
            prices[name] = last
    return bars


def known(names: tuple[str, ...] = NAMES) -> Briefing:
    """Nothing in it comes from a generator of numpy's, whose streams may change."""
    symbols = {n: symbol_brief(n, spread=0.0005, sigma=0.02, returns=()) for n in names}
    return briefing_of(names).model_copy(update={"symbols": symbols, "regime": classify(np.tile([0.01, -0.01], 150))})


@pytest.mark.parametrize("name", sorted(kind.name for kind in roster.SHIPPED))
def test_a_shipped_strategy_sends_the_same_orders_for_ever(name: str) -> None:
    briefing = known(MANY)
    engine = Engine(briefing, WIDE, [roster.allocate(name, {})], run="golden")
    sent = [d for step in run(engine, tape(MANY), equity=100_000, venue=Venue(Costs(), briefing)) for d in step.decisions if isinstance(d, Submit)]
    lines = [f"{d.at} {d.order.id} {d.order.side} {d.order.quantity} {d.order.shape} {d.order.target} {d.order.stop} {d.role}" for d in sent]
    assert len(lines) >= 10
    assert sha256("\n".join(lines).encode()).hexdigest()[:16] == ORDERS[name]


# --- one session


def frame(bars: list[Bar]) -> pl.DataFrame:
    names = ["symbol", "timestamp", "open", "high", "low", "close", "volume", "vwap", "trades"]
    rows = [(b.symbol, moment(b.start), b.open, b.high, b.low, b.close, b.volume, b.vwap, b.trades) for b in bars]
    return pl.DataFrame(rows, schema=names, orient="row")


def head(wanted: str, limits: Limits = WIDE) -> Manifest:
    employed = tuple(roster.employed(a) for a in roster.employ(wanted))
    return Manifest(session=SESSION, run="b", mode="backtest", account="", code="", strategies=employed, limits=limits, briefing=known())


MIXED = "momentum:0.5,orb:0.3,reversion:0.2"


def played(costs: Costs) -> Played:
    return play(head(MIXED), roster.employ(MIXED), frame(tape()), costs, equity=100_000.0)


@pytest.fixture(scope="module")
def one() -> Played:
    return played(Costs())


@pytest.fixture(scope="module")
def told(one: Played) -> Report:
    return report([one], growth([(known(), frame(tape()))], "S00")[1], {"benchmark": "S00"})


def test_money_adds_up_to_the_cent(one: Played, told: Report) -> None:
    trades, fills = one.tables["trades"], one.tables["fills"]
    cash = -(fills["price"] * fills["quantity"] * pl.Series([1 if side == "buy" else -1 for side in fills["side"]])).sum()
    assert one.left == ()
    assert trades["profit"].sum() == pytest.approx(cash)
    assert one.end == pytest.approx(one.start + cash - one.fees)
    assert told.numbers["net"] == pytest.approx(one.end - one.start)
    for table in ("strategy", "symbol", "hour"):
        assert told.tables[table]["profit"].sum() == pytest.approx(cash), table
        assert told.tables[table]["trades"].sum() == trades.height, table


def test_costs_are_what_a_free_market_would_have_given(one: Played) -> None:
    """Every fill is the price that the market showed, and the costs on top: nothing else moves it."""
    fills = one.tables["fills"]
    sign = pl.Series([1 if side == "buy" else -1 for side in fills["side"]])
    paid = ((fills["price"] - fills["reference"]) * sign * fills["quantity"]).to_numpy()
    assert np.allclose(paid, (fills["spread"] + fills["impact"]).to_numpy(), atol=1e-9)
    assert (paid[fills["role"].is_in(["entry", "exit", "stop"]).to_numpy()] > 0).all()
    free = played(FREE)
    assert free.fees == 0.0
    assert free.tables["fills"]["spread"].sum() == 0.0


def test_each_strategy_keeps_to_its_budget(one: Played, told: Report) -> None:
    most = told.tables["exposure"].group_by("strategy").agg(pl.col("value").max()).sort("strategy")
    budgets = {"momentum": 0.5, "orb": 0.3, "reversion": 0.2}
    assert set(most["strategy"]) == set(budgets)
    for strategy, value in most.iter_rows():
        assert value <= budgets[strategy] * WIDE.max_gross_exposure * 1.02 * one.start


def test_every_refusal_is_counted_with_an_example(one: Played) -> None:
    strict = play(head("momentum", Limits(max_sector_exposure=0.02)), roster.employ("momentum"), frame(tape()), Costs(), equity=100_000.0)
    found = report([strict], pl.DataFrame(schema={"session": pl.Date, "at": pl.Datetime("us", "UTC"), "growth": pl.Float64}), {"benchmark": "none"})
    refused, decisions = found.tables["refused"], strict.tables["decisions"]
    assert refused["times"].sum() == decisions.filter(pl.col("kind") == "refused").height == found.numbers["refused"]
    sector = refused.filter(pl.col("code") == "SECTOR").row(0, named=True)
    assert sector["limit"] == 0.02
    assert sector["by_strategy"] == f"momentum {sector['times']}"
    assert "2026-11-20" in sector["example"]


def test_precomputed_indicators_change_nothing(one: Played) -> None:
    """`play` computes them all at once; here the engine steps them bar by bar."""
    engine = Engine(known(), WIDE, roster.employ(MIXED), run="b")
    orders = [d.order.id for s in run(engine, tape(), equity=100_000.0, venue=Venue(Costs(), known())) for d in s.decisions if isinstance(d, Submit)]
    assert orders == one.tables["orders"].filter(~pl.col("order").str.contains("/"))["order"].to_list()


def test_a_position_that_could_not_be_sold_is_told_and_valued(one: Played) -> None:
    bars = frame(tape())
    later = pl.col("timestamp") >= OPEN + timedelta(minutes=100)
    dry = bars.with_columns(pl.when(later).then(1.0).otherwise("volume").alias("volume"))
    stuck = play(head("momentum"), roster.employ("momentum"), dry, Costs(), equity=100_000.0)
    assert stuck.left
    last = {b.symbol: b.close for b in tape()}
    assert all(left.price == last[left.symbol] for left in stuck.left)
    assert "left over" in report([stuck], growth([(known(), dry)], "S00")[1], {}).words


def test_the_benchmark_is_bought_at_the_open_and_held_over_nights() -> None:
    first = known()
    close = {b.symbol: b.close for b in tape()}
    halved = {n: s.model_copy(update={"close": close[n] / 2}) for n, s in first.symbols.items()}  # a split of 2 for 1 in the night
    name, path = growth([(first, frame(tape())), (first.model_copy(update={"symbols": halved}), frame(tape()))], "S00")
    own = [b for b in tape() if b.symbol == "S00"]
    assert name == "S00"
    assert path["growth"][389] == pytest.approx(own[-1].close / own[0].open)
    assert path["growth"][-1] == pytest.approx(own[-1].close / own[0].open * own[-1].close / (own[-1].close / 2))


def test_without_the_benchmark_it_is_the_mean_of_all() -> None:
    name, path = growth([(known(), frame(tape()))], "SPY")
    firsts, lasts = {b.symbol: b.open for b in reversed(tape())}, {b.symbol: b.close for b in tape()}
    assert name == "EQUAL-WEIGHT"
    assert path["growth"][-1] == pytest.approx(np.mean([lasts[n] / firsts[n] for n in NAMES]))


def test_a_report_is_json(told: Report) -> None:
    plain = json.loads(json.dumps(told.plain()))
    assert plain["numbers"]["trades"] == told.tables["trades"].height == len(plain["trades"])
    assert plain["equity"][0]["at"].startswith("2026-11-20T14:31")


def test_few_sessions_give_no_ratio(told: Report) -> None:
    assert {name: told.numbers[name] for name in ("sharpe", "sortino", "calmar", "volatility", "beta")} == dict.fromkeys(
        ("sharpe", "sortino", "calmar", "volatility", "beta")
    )


# --- numbers


@given(st.lists(st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)), min_size=20, max_size=80).filter(lambda r: np.std(r, axis=0).min() > 1e-6))
@settings(deadline=None)
def test_ratios_are_those_of_empyrical(rows: list[tuple[float, float]]) -> None:
    own, market = np.array(rows).T
    ours = ratios(own, market)
    theirs = {
        "annual_return": empyrical.annual_return(own),
        "volatility": empyrical.annual_volatility(own),
        "sharpe": empyrical.sharpe_ratio(own),
        "beta": empyrical.beta(own, market),
        "alpha": empyrical.alpha(own, market),
    }
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, rel=1e-8, abs=1e-10), name
    if (own < 0).any():
        assert ours["sortino"] == pytest.approx(empyrical.sortino_ratio(own), rel=1e-8)
        calmar = empyrical.calmar_ratio(own)  # NaN where what was lost is too little to make the curve fall
        assert ours["calmar"] == (pytest.approx(calmar, rel=1e-8) if np.isfinite(calmar) else None)
    assert total(own) == pytest.approx(empyrical.cum_returns_final(own), abs=1e-12)
    assert drawdown(own) == pytest.approx(-empyrical.max_drawdown(own), abs=1e-12)


def test_a_series_that_never_loses_has_no_downside_ratio() -> None:
    found = ratios(np.full(30, 0.001))
    assert (found["sortino"], found["calmar"]) == (None, None)
    assert found["annual_return"] == pytest.approx(1.001**252 - 1)


def test_hundreds_of_symbols_trade_in_one_portfolio() -> None:
    many = tuple(f"N{i:03d}" for i in range(300))
    briefing = briefing_of(many)
    manifest = head("momentum", Limits(max_positions=200, max_sector_exposure=1.0)).model_copy(update={"briefing": briefing})
    hour = frame([b for b in day_bars(many) if b.start < briefing.hours.open + 60 * MINUTE])
    found = play(manifest, roster.employ("momentum"), hour, Costs(), equity=1e6)
    assert found.tables["trades"]["symbol"].n_unique() > 5
    assert found.tables["equity"]["gross"].max() <= 1.01e6  # type: ignore[operator]
