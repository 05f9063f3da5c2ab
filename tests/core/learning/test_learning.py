"""Scorers: the regression against scikit-learn, walking forward without a leak, and believed only where there is something to find."""

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import SECTORS, briefing_of, day_bars
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from live.commands.research.scorers import marks
from pipelines.core.backtest.run import run
from pipelines.core.briefing import Briefing
from pipelines.core.journal import Manifest
from pipelines.core.learning.examples import EXAMPLES, OPEN, examples, told
from pipelines.core.learning.features import FEATURES
from pipelines.core.learning.scorer import Scorer
from pipelines.core.learning.training import BLOCKS, EMBARGO, SCORERS, area, doubt, logistic, loss, splits, train
from pipelines.core.market.bars import Bar
from pipelines.core.risk.checks import Code
from pipelines.core.risk.limits import Limits
from pipelines.core.strategies.momentum import Momentum
from pipelines.core.trading.decisions import Refused, Submit
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.orders import Role
from pipelines.core.trading.seats import Allocation

MOMENTUM = Allocation(Momentum(volume=0.0, rsi_low=50, rsi_high=100, entries=9), "v", None)


@given(st.integers(0, 10_000), st.integers(30, 400), st.integers(1, 8), st.sampled_from([0.01, 1.0, 30.0]))
@settings(max_examples=40)
def test_the_regression_is_scikit_learns(seed: int, count: int, width: int, strength: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, width))
    won = rng.random(count) < 1 / (1 + np.exp(-values @ rng.normal(size=width) - 0.3))
    won[:2] = [True, False]
    theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000, solver="newton-cholesky").fit(values, won)
    weights, intercept = logistic(values, won, strength)
    assert weights == pytest.approx(theirs.coef_[0], rel=1e-5, abs=1e-6)
    assert intercept == pytest.approx(theirs.intercept_[0], rel=1e-5, abs=1e-6)


@given(st.integers(0, 10_000), st.integers(10, 300))
@settings(max_examples=40)
def test_the_marks_are_scikit_learns(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    scores, won = np.round(rng.random(count), 1) * 0.98 + 0.01, rng.random(count) < 0.4
    won[:2] = [True, False]
    assert area(scores, won) == pytest.approx(roc_auc_score(won, scores))
    assert loss(scores, won) == pytest.approx(log_loss(won, scores))


def test_the_doubt_about_the_area_is_hanley_and_mcneils() -> None:
    """Table of the paper: 58 normal and 51 abnormal images, area 0.893, standard error 0.032."""
    assert doubt(0.893, 51, 58) == pytest.approx(0.032, abs=0.001)


def told_rows(sessions: int, each: int, edge: float, seed: int = 3) -> pl.DataFrame:
    """Examples whose outcome hangs on `strength` by so much, and on nothing else."""
    rng, rows = np.random.default_rng(seed), []
    for i in range(sessions):
        day = date(2026, 1, 5) + timedelta(days=i)
        for k in range(each):
            opened = datetime(day.year, day.month, day.day, 15, tzinfo=UTC) + timedelta(minutes=k)
            values = rng.normal(size=len(FEATURES))
            chance = 1 / (1 + math.exp(-edge * values[FEATURES.index("strength")]))
            profit = 1.0 if rng.random() < chance else -1.0
            rows.append((day, "momentum", f"t{k}", "AAPL", opened, opened + timedelta(minutes=20), profit, *values.tolist()))
    return pl.DataFrame(rows, schema=EXAMPLES, orient="row")


def test_what_is_there_is_found_and_what_is_not_is_not_believed() -> None:
    found = train(told_rows(40, 25, edge=0.8), "momentum")
    assert found is not None
    assert found.trusted
    assert found.auc > 0.6
    assert max(range(len(FEATURES)), key=lambda i: abs(found.weights[i])) == FEATURES.index("strength")
    believed = [made.trusted for seed in range(12) if (made := train(told_rows(40, 25, edge=0.0, seed=seed), "momentum")) is not None]
    assert len(believed) == 12
    assert sum(believed) <= 1, "at 95 % one of twenty may look like something"
    assert train(told_rows(10, 25, edge=0.8), "momentum") is None, "too few"
    assert train(told_rows(40, 25, edge=0.8), "orb") is None, "nobody else's"


def test_no_block_is_predicted_from_what_was_not_over_before_it() -> None:
    rows = told_rows(30, 20, edge=0.5)
    overnight = rows["session"] == date(2026, 1, 15)
    rows = rows.with_columns(pl.when(overnight).then(pl.col("closed_at") + timedelta(days=12)).otherwise("closed_at").alias("closed_at"))
    count = 0
    for learned, predicted in splits(rows):
        began = rows.filter(pl.Series(predicted))["opened_at"].min()
        assert isinstance(began, datetime)
        over = rows.filter(pl.Series(learned))["closed_at"].max()
        assert isinstance(over, datetime)
        assert over < began - EMBARGO
        assert not (learned & predicted).any()
        count += 1
    assert count == BLOCKS - 1


def head(briefing: Briefing) -> Manifest:
    return Manifest(session=briefing.session, run="t", mode="backtest", account="", code="", strategies=(), limits=OPEN, briefing=briefing)


def frame(bars: list[Bar]) -> pl.DataFrame:
    stamps = pl.Series([bar.start // 1000 for bar in bars]).cast(pl.Datetime("us", "UTC"))
    columns = {name: [float(getattr(bar, name)) for bar in bars] for name in ("open", "high", "low", "close", "volume", "vwap")}
    return pl.DataFrame({"symbol": [bar.symbol for bar in bars], "timestamp": stamps, **columns, "trades": [50] * len(bars)})


def test_what_an_example_knew_does_not_change_with_what_came_after() -> None:
    briefing, bars = briefing_of(SECTORS), day_bars(seed=5)
    whole = examples(head(briefing), [MOMENTUM], frame(bars))
    assert whole.height > 5
    for cut in (120, 200, 300):
        edge = briefing.hours.open + cut * 60_000_000_000
        early = examples(head(briefing), [MOMENTUM], frame([bar for bar in bars if bar.start < edge]))
        moment = datetime.fromtimestamp(edge / 1e9, UTC)
        over = pl.col("closed_at") < moment
        assert early.filter(over).equals(whole.filter(over))
        known = early.filter(pl.col("opened_at") < moment).select("symbol", "opened_at", *FEATURES)
        assert known.equals(whole.filter(pl.col("opened_at") < moment).select("symbol", "opened_at", *FEATURES).head(known.height))


def scored(intercept: float) -> Scorer:
    plain: dict[str, Any] = {"mean": (0.0,) * len(FEATURES), "scale": (1.0,) * len(FEATURES)}
    weights = tuple(0.3 if name in {"vwap", "strength"} else 0.0 for name in FEATURES)
    marks = {"examples": 1000, "sessions": 50, "auc": 0.6, "auc_low": 0.55, "loss": 0.6, "base_loss": 0.69}
    return Scorer(strategy="momentum", features=FEATURES, weights=weights, intercept=intercept, **plain, **marks)


def day(scorer: Scorer | None, least: float) -> tuple[Briefing, list[Submit | Refused]]:
    briefing = briefing_of(SECTORS)
    if scorer is not None:
        briefing = briefing.model_copy(update={"scorers": {"momentum": scorer}})
    engine = Engine(briefing, Limits(min_score=least), [MOMENTUM], run="t")
    made = [d for step in run(engine, day_bars(seed=5), equity=100_000) for d in step.decisions]
    return briefing, [d for d in made if isinstance(d, Refused) or (isinstance(d, Submit) and d.role is Role.ENTRY)]


def test_the_chance_is_on_every_entry_and_the_very_one_that_training_would_see() -> None:
    scorer = scored(0.2)
    briefing, made = day(scorer, 0.0)
    chances = []
    for entry in (d for d in made if isinstance(d, Submit)):
        assert entry.lineage is not None
        found = [c.value for c in entry.lineage.checks if c.code is Code.SCORE]
        chance = scorer.probability(told(entry, briefing))
        assert found == ([] if math.isnan(chance) else [chance]), "nothing is said where EMA 50 is not warm"
        chances += found
    assert len(chances) > 1
    assert all(0 < chance < 1 for chance in chances)


def test_an_entry_below_the_least_chance_is_refused_with_both_numbers() -> None:
    _, taken = day(scored(0.2), 0.0)
    chances = sorted(c.value for d in taken if isinstance(d, Submit) and d.lineage is not None for c in d.lineage.checks if c.code is Code.SCORE)
    least = chances[len(chances) // 2]
    _, made = day(scored(0.2), least)
    refused = [d for d in made if isinstance(d, Refused) and d.check.code is Code.SCORE]
    assert refused
    assert all(d.check.value < least == d.check.limit and d.check.origin == "MIN_SCORE" for d in refused)
    assert all(c.value >= least for d in made if isinstance(d, Submit) and d.lineage for c in d.lineage.checks if c.code is Code.SCORE)


def test_without_a_scorer_that_held_asking_for_a_chance_means_no() -> None:
    _, made = day(None, 0.5)
    assert not any(isinstance(d, Submit) for d in made)
    refused = [d for d in made if isinstance(d, Refused) and d.check.code is Code.SCORE]
    assert "no scorer held on sessions that it had not seen" in refused[0].check.detail
    _, made = day(None, 0.0)
    assert any(isinstance(d, Submit) for d in made)


def test_a_value_that_is_missing_is_no_chance_and_none_overflows() -> None:
    scorer = scored(0.0)
    assert math.isnan(scorer.probability([math.nan] * len(FEATURES)))
    assert scorer.probability([1e6] * len(FEATURES)) == 1.0
    assert scorer.probability([-1e6] * len(FEATURES)) == 0.0


def test_a_scorer_is_shown_with_its_marks_beside_strategies_that_still_learn() -> None:
    strong, few = told_rows(40, 25, edge=0.8), told_rows(2, 25, edge=0.8).with_columns(pl.lit("orb").alias("strategy"))
    made = train(strong, "momentum")
    assert made is not None
    older, newer = ({"session": day, **made.model_dump(), "trusted": made.trusted} for day in (date(2026, 1, 1), date(2026, 1, 2)))
    taught, learning = marks(pl.concat([strong, few]), pl.DataFrame([newer, older], schema=SCORERS))
    assert (learning["strategy"], learning["examples"], learning["sessions"], learning["scorer"]) == ("orb", few.height, 2, None)
    assert (taught["strategy"], taught["examples"]) == ("momentum", strong.height)
    assert taught["won"] == pytest.approx((strong["profit"] > 0).mean())
    assert (taught["scorer"]["session"], taught["scorer"]["trusted"], taught["scorer"]["auc"]) == ("2026-01-02", True, made.auc)
    assert taught["scorer"]["weights"] == dict(zip(FEATURES, made.weights, strict=True))
