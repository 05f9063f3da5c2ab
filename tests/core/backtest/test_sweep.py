"""Compiled sweeps make the engine's trades, to the last bit, under every limit and cost."""

import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from market import OPEN, SESSION, briefing_of, symbol_brief

from pipelines.core.backtest.costs import FREE, Costs
from pipelines.core.backtest.session import play
from pipelines.core.briefing import Briefing
from pipelines.core.errors import SettingsError
from pipelines.core.journal import Manifest
from pipelines.core.learning.features import FEATURES
from pipelines.core.learning.scorer import Scorer
from pipelines.core.market.bars import MINUTE
from pipelines.core.risk.limits import Limits
from pipelines.core.strategies.momentum import Momentum
from pipelines.core.strategies.orb import OpeningRange
from pipelines.core.strategies.reversion import Reversion
from pipelines.core.sweep.run import WHY, Variant, grid, sweep, why_of
from pipelines.core.sweep.shapes import Day, day
from pipelines.core.trading.decisions import TradeClosed
from pipelines.core.trading.events import Halt
from pipelines.core.trading.seats import Allocation
from pipelines.core.trading.strategy import Intent, Strategy, View

ROOMY: dict[str, Any] = {
    "max_sector_exposure": 2,
    "max_correlated_exposure": 3,
    "max_beta_exposure": 3,
    "max_concentration": 2,
    "max_portfolio_heat": 0.5,
}
TRIED: dict[str, list[float]] = {
    "max_position_size": [0.02, 0.1, 0.3],
    "max_positions": [2, 5, 50],
    "max_sector_exposure": [0.05, 0.3],
    "max_correlated_exposure": [0.08, 0.5],
    "max_beta_exposure": [0.1, 0.8],
    "max_concentration": [0.15, 0.5],
    "max_portfolio_heat": [0.002, 0.01],
    "max_net_exposure": [0.05, 0.3],
    "max_gross_exposure": [0.1, 4],
    "max_daily_loss": [0.0003, 0.003],
    "max_drawdown": [0.001],
    "symbol_losses": [1],
    "strategy_losses": [1, 2],
    "cooldown": [0, 5],
    "max_order_rate": [3],
    "max_entries": [1, 5],
    "market_close_buffer": [1, 100],
    "stop_atr": [0.1, 0.3],
    "target_atr": [0.2, 50],
    "risk_per_trade": [0.0005, 0.05],
    "max_participation": [0.0001],
}
STRATEGIES: dict[str, Strategy] = {
    "momentum": Momentum(volume=0.5, rsi_low=50, entries=5),
    "orb": OpeningRange(volume=0.5, reward=0.5),
    "reversion": Reversion(stretch=0.2, oversold=40, risk=0.3),
}


def minutes(rng: random.Random, symbols: list[str], missing: float, volume: float) -> pl.DataFrame:
    """Rough minutes of a session: trends, gaps between bars, minutes without a trade, volumes over two orders of magnitude."""
    noise = np.random.default_rng(rng.randrange(1 << 30))
    frames = []
    for symbol in symbols:
        steps = noise.normal(0, noise.choice([0.0009, 0.002]), 390) + noise.choice([-1, 1]) * 0.00015 * (np.arange(390) > 20)
        close = np.round(100 * np.exp(np.cumsum(steps)), 2)
        opened = np.round(np.concatenate([[100.0], close[:-1]]) + noise.normal(0, 0.03, 390), 2)
        high = np.round(np.maximum(opened, close) + noise.exponential(0.05, 390), 2)
        low = np.round(np.minimum(opened, close) - noise.exponential(0.05, 390), 2)
        prices = {"open": opened, "high": high, "low": low, "close": close, "volume": np.floor(noise.lognormal(np.log(volume), 1, 390))}
        stamps = [OPEN + timedelta(minutes=i) for i in range(390)]
        frame = pl.DataFrame({"symbol": [symbol] * 390, "timestamp": stamps, **prices, "vwap": (high + low + close) / 3, "trades": [50] * 390})
        frames.append(frame.filter(noise.random(390) >= missing))
    return pl.concat(frames)


def morning(rng: random.Random, symbols: list[str]) -> Briefing:
    """A briefing in which everything that can be unknown sometimes is."""
    unknown: dict[str, list[Any]] = {
        "sector": ["A", "B", "C"],
        "atr": [None, 0.3, 0.5, 1.0, 2.0, 40.0],
        "adv": [None, 5e5, 1e7],
        "beta": [None, 1.0, -0.3, 1.7],
        "spread": [None, 0.0005],
        "sigma": [None, 0.03],
        "cluster": [None, 1, 2],
        "shortable": [True, True, True, False],
        "history": [300] * 9 + [3],
        "close": [100.0, None],
    }
    briefs = {s: symbol_brief(s, **{name: rng.choice(values) for name, values in unknown.items()}) for s in symbols}
    nervous = {"size_multiplier": 0.75, "stop_multiplier": 1.15, "target_multiplier": 1.15, "position_multiplier": 0.75, "heat_multiplier": 0.75}
    made = briefing_of(symbols)
    changed: Briefing = made.model_copy(update={"symbols": briefs, "regime": made.regime.model_copy(update=nervous if rng.random() < 0.5 else {})})
    return changed


def by_engine(one: Day, variant: Variant, costs: Costs, equity: float, budget: float | None) -> tuple[list[tuple[Any, ...]], float, float]:
    """(round trips, fees, equity after them) as the engine has them."""
    closed: list[TradeClosed] = []
    head = Manifest(session=SESSION, run="t", mode="backtest", account="", code="", strategies=(), limits=variant.limits, briefing=one.briefing)
    done = play(
        head,
        [Allocation(variant.strategy, "v", budget)],
        one.bars,
        costs,
        equity=equity,
        inside=one.inside,
        watch=lambda step: closed.extend(d for d in step.decisions if isinstance(d, TradeClosed)),
    )
    rows = [(c.symbol, c.side.sign, c.quantity, c.entry, c.exit, c.profit, c.opened, c.at, WHY[why_of(c.reason)]) for c in closed]
    return rows, done.fees, done.end


def compare(one: Day, variants: list[Variant], costs: Costs, equity: float, budget: float | None = None) -> tuple[int, int]:
    """Every set against the engine; trades seen, and days that the engine ran for the sweep."""
    swept = sweep([one], variants, costs, equity=equity, budget=budget)
    seen = 0
    for k, variant in enumerate(variants):
        rows, fees, end = by_engine(one, variant, costs, equity, budget)
        mine = swept.trades.filter(pl.col("set") == k).drop("set", "session").with_columns(pl.col("opened", "closed").dt.epoch("ns"))
        assert mine.rows() == rows
        told = swept.sessions.row(k, named=True)
        assert (told["fees"], told["end"], told["trades"]) == (fees, end, len(rows))
        seen += len(rows)
    return seen, int(swept.sessions["engine"].sum())


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_sweep_makes_the_trades_of_the_engine(name: str) -> None:
    seen = engine = 0
    for seed in range(14):
        rng = random.Random(f"{name} {seed}")
        symbols = [f"S{i:02d}" for i in range(rng.choice([3, 12]))]
        costs = rng.choice([FREE, Costs(), Costs(participation=0.02), Costs(participation=None, own=False)])
        limits = Limits(**ROOMY | {limit: rng.choice(values) for limit, values in TRIED.items() if rng.random() < 0.25})
        bars = minutes(rng, symbols, rng.choice([0.0, 0.02, 0.3, 0.9]), rng.choice([50, 300, 3000, 30000]))
        variants = grid(STRATEGIES[name], limits, {"shorts": [0, 1]})
        counts = compare(day(morning(rng, symbols), bars, costs), variants, costs, rng.choice([3e3, 1e5, 1e6]), rng.choice([None, 0.3]))
        seen, engine = seen + counts[0], engine + counts[1]
    assert seen > 20
    assert engine < 3


def test_a_day_with_halts_is_the_engines() -> None:
    rng = random.Random(3)
    symbols = ["S00", "S01", "S02"]
    start = int(OPEN.timestamp()) * 1_000_000_000
    halts = [Halt("S00", True, "T1", start + 60 * MINUTE), Halt("S00", False, "", start + 300 * MINUTE)]
    one = day(briefing_of(symbols), minutes(rng, symbols, 0.0, 30000), Costs(), halts)
    seen, engine = compare(one, grid(STRATEGIES["reversion"], Limits(**ROOMY), {"risk": [0.2, 0.4]}), Costs(), 1e5)
    assert (seen > 0, engine) == (True, 2)


def test_sets_that_ask_a_scorer_are_the_engines() -> None:
    rng = random.Random(3)
    symbols = ["S00", "S01", "S02"]
    count = len(FEATURES)
    scorer = Scorer(
        strategy="reversion", features=FEATURES, mean=(0.0,) * count, scale=(1.0,) * count, weights=(0.5,) * count, intercept=0.0,
        examples=900, sessions=40, auc=0.6, auc_low=0.55, loss=0.6, base_loss=0.69,
    )  # fmt: skip
    morning = briefing_of(symbols).model_copy(update={"scorers": {"reversion": scorer}})
    one = day(morning, minutes(rng, symbols, 0.0, 30000), Costs())
    variants = grid(STRATEGIES["reversion"], Limits(**ROOMY), {"min_score": [0.0, 0.3, 0.99]})
    _, engine = compare(one, variants, Costs(), 1e5)
    assert engine == 2
    counts = [len(by_engine(one, variant, Costs(), 1e5, None)[0]) for variant in variants]
    assert counts[0] >= counts[1] >= counts[2]
    assert counts[0] > counts[2]


def test_equity_goes_from_one_day_to_the_next_after_fees() -> None:
    rng = random.Random(5)
    symbols = ["S00", "S01", "S02", "S03"]
    one = day(briefing_of(symbols), minutes(rng, symbols, 0.0, 30000), Costs())
    swept = sweep([one, one], grid(STRATEGIES["momentum"], Limits(**ROOMY), {"volume": [0.5, 1.0]}), Costs(), equity=1e5)
    for k in range(2):
        rows = swept.sessions.filter(pl.col("set") == k)
        assert rows["start"][1] == rows["end"][0]
        assert (rows["fees"] > 0).all()


def test_every_combination_is_a_set() -> None:
    found = grid(Momentum(), Limits(), {"volume": [1.0, 1.5], "stop_atr": [1, 2], "entries": [3]})
    assert [(v.strategy.parameters["volume"], v.limits.stop_atr, v.strategy.parameters["entries"]) for v in found] == [
        (1.0, 1, 3),
        (1.0, 2, 3),
        (1.5, 1, 3),
        (1.5, 2, 3),
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"volumes": [1.0]}, "expected parameters of momentum"),
        ({"volume": [-1.0]}, "volume: .* greater than or equal to 0"),
        ({"entries": [1.5]}, "entries: .*integer"),
    ],
)
def test_what_cannot_be_tried_is_said(values: Mapping[str, list[float]], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        grid(Momentum(), Limits(), values)


class Opaque(Strategy):
    """Has no compiled signals."""

    name = "opaque"

    def on_bar(self, view: View) -> Intent | None:
        """Never."""
        return None


def test_a_strategy_without_compiled_signals_is_refused() -> None:
    with pytest.raises(SettingsError, match="expected a strategy that offers compiled signals"):
        sweep([], [Variant({}, Opaque(), Limits())], Costs(), equity=1e5)
