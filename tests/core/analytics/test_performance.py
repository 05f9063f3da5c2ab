"""Metrics against numbers worked out by hand, and against empyrical's."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import empyrical
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipelines.core.analytics import returns
from pipelines.core.analytics.books import DAYS, TRIPS
from pipelines.core.analytics.performance import drawdown, drawdowns, grouped, measure, performance, rows
from pipelines.core.analytics.risk import risk
from pipelines.core.analytics.scope import DIMENSIONS, Scope
from pipelines.core.analytics.session.ledger import SCHEMAS, empty

START = datetime(2024, 6, 18, 14, 0, tzinfo=UTC)


def trades(*outcomes: tuple[float, float | None, int]) -> pl.DataFrame:
    lines = [{"profit": p, "r": r, "opened_at": START, "closed_at": START + timedelta(minutes=m)} for p, r, m in outcomes]
    return pl.DataFrame(lines, schema=SCHEMAS["trades"])


def equity(run: str, *values: float, gross: float = 0.0) -> pl.DataFrame:
    lines = [{"run": run, "at": START + timedelta(minutes=i), "equity": v, "gross": gross} for i, v in enumerate(values)]
    return pl.DataFrame(lines, schema=SCHEMAS["equity"])


def test_metrics_of_a_day_worked_out_by_hand() -> None:
    found = measure(trades((300.0, 2.0, 10), (-100.0, -1.0, 20), (-50.0, None, 30)), equity("1", 10_000, 10_200, 9_690, 10_150, gross=2_000))
    assert found["profit"] == 150
    assert found["win_rate"] == pytest.approx(1 / 3)
    assert found["profit_factor"] == pytest.approx(2.0)
    assert found["expectancy"] == pytest.approx(50.0)
    assert found["average_r"] == pytest.approx(0.5)
    assert (found["best"], found["worst"]) == (300, -100)
    assert found["minutes_held"] == pytest.approx(20)
    assert found["return"] == pytest.approx(0.015)
    assert found["max_drawdown"] == pytest.approx(0.05)
    assert found["max_exposure"] == pytest.approx(2_000 / 9_690)


def test_what_cannot_be_measured_is_none_and_not_zero() -> None:
    tables = empty()
    found = measure(tables["trades"], tables["equity"])
    assert (found["trades"], found["profit"]) == (0, 0)
    assert all(found[name] is None for name in ("win_rate", "profit_factor", "expectancy", "average_r", "return", "max_drawdown", "exposure"))
    assert rows(found).schema == {"metric": pl.String, "value": pl.Float64}


def test_two_runs_of_a_session_are_two_curves() -> None:
    both = pl.concat([equity("1", 100, 90), equity("2", 1_000, 990)])
    assert measure(trades(), both)["max_drawdown"] == pytest.approx(0.1)


def test_drawdown_starts_from_the_highest_point_so_far() -> None:
    assert drawdown(pl.Series([1.0, 2.0, 1.5, 3.0, 2.7])) == pytest.approx(0.25)
    assert drawdown(pl.Series([1.0, 2.0])) == 0


# --- over many sessions

BOOK = {"book": "paper PA1", "mode": "paper"}


def sessions(daily: NDArray[np.float64], benchmark: NDArray[np.float64] | None = None, start: float = 100_000.0) -> pl.DataFrame:
    """Days of a book that earned these returns, every one beginning with what the one before left."""
    wealth = start * np.concatenate([[1.0], np.cumprod(1 + daily)])
    known: dict[str, Any] = {
        "session": [date(2025, 1, 1) + timedelta(days=n) for n in range(len(daily))], "start": wealth[:-1], "end": wealth[1:],
        "net": np.diff(wealth), "profit": np.diff(wealth) + 1.0, "fees": np.ones(len(daily)), "return": daily,
        "benchmark": [None] * len(daily) if benchmark is None else benchmark, "heat": np.full(len(daily), 0.004),
        "max_heat": np.full(len(daily), 0.009),
    }  # fmt: skip
    frame = pl.DataFrame(known).with_columns(pl.lit(value).alias(name) for name, value in BOOK.items())
    return frame.with_columns(pl.lit(None).alias(n) for n in DAYS.names() if n not in frame.columns).select(DAYS.names()).cast(dict(DAYS))  # type: ignore[arg-type]


def trips(*lines: dict[str, Any]) -> pl.DataFrame:
    base = {**BOOK, "session": date(2025, 1, 1), "symbol": "AAA", "strategy": "orb", "side": "buy", "fees": 1.0, "minutes": 5.0, "hour": 10}
    frame = pl.DataFrame([base | {"profit": line.get("net", 0.0) + 1.0} | line for line in lines])
    return frame.with_columns(pl.lit(None).alias(n) for n in TRIPS.names() if n not in frame.columns).select(TRIPS.names()).cast(dict(TRIPS))  # type: ignore[arg-type]


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(100, 400), st.floats(-0.002, 0.002), st.floats(0.001, 0.03))
def test_ratios_are_those_of_a_library_that_we_did_not_write(seed: int, count: int, mean: float, deviation: float) -> None:
    rng = np.random.default_rng(seed)
    market = rng.standard_t(4, count) * deviation
    daily = np.clip(0.4 * market + rng.normal(mean, deviation, count), -0.5, 0.5)
    days = sessions(daily, market)
    found, risked = performance(days, trips(), Scope()).numbers, risk(days, trips(), Scope()).numbers
    series, index = (pd.Series(values, index=pd.date_range("2025-01-01", periods=count)) for values in (daily, market))
    theirs = {
        "total_return": empyrical.cum_returns_final(series), "annual_return": empyrical.annual_return(series),
        "volatility": empyrical.annual_volatility(series), "sharpe": empyrical.sharpe_ratio(series), "sortino": empyrical.sortino_ratio(series),
        "calmar": empyrical.calmar_ratio(series), "max_drawdown": -empyrical.max_drawdown(series), "beta": empyrical.beta(series, index),
        "benchmark": empyrical.cum_returns_final(index),
    }  # fmt: skip
    for name, value in theirs.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-9, abs=1e-12), name
    tails = {
        "var_95": -empyrical.value_at_risk(series, 0.05), "var_99": -empyrical.value_at_risk(series, 0.01),
        "es_95": -empyrical.conditional_value_at_risk(series, 0.05), "es_99": -empyrical.conditional_value_at_risk(series, 0.01),
        "downside": empyrical.downside_risk(series), "beta": empyrical.beta(series, index),
    }  # fmt: skip
    for name, value in tails.items():
        assert getattr(risked, name) == pytest.approx(value, rel=1e-9, abs=1e-12), name


def test_what_the_days_cannot_give_is_none() -> None:
    few = np.full(19, 0.001)
    found, risked = performance(sessions(few), trips(), Scope()).numbers, risk(sessions(few), trips(), Scope()).numbers
    assert all(getattr(found, name) is None for name in ("annual_return", "volatility", "sharpe", "sortino", "calmar", "beta", "alpha"))
    assert all(getattr(found, name) is None for name in ("win_rate", "profit_factor", "expectancy", "average_r", "best"))
    assert all(getattr(risked, name) is None for name in ("var_95", "es_95", "var_99", "skew", "beta", "downside"))
    assert found.total_return == pytest.approx(1.001**19 - 1)
    steady = performance(sessions(np.full(40, 0.001)), trips(), Scope()).numbers
    assert (steady.sharpe, steady.sortino, steady.calmar) == (None, None, None), "nothing moves: no ratio, not an endless one"
    assert risk(sessions(np.full(40, 0.0)), trips(), Scope()).numbers.var_95 == 0
    assert returns.value_at_risk(np.full(99, -0.01), 0.01) is None
    empty_book = performance(sessions(np.array([])), trips(), Scope())
    assert (empty_book.numbers.sessions, empty_book.numbers.end, empty_book.curve.height, empty_book.drawdowns.height) == (0, None, 0, 0)
    assert risk(sessions(np.array([])), trips(), Scope()).numbers.worst_day is None


def test_drawdowns_have_their_depth_length_and_recovery() -> None:
    daily = np.array([0.10, -0.10, -0.10, 0.30, 0.0, -0.05, 0.02])
    found = performance(sessions(daily), trips(), Scope())
    day = [date(2025, 1, 1) + timedelta(days=n) for n in range(7)]
    assert found.drawdowns.to_dicts() == [
        {"start": day[0], "bottom": day[2], "end": day[3], "depth": pytest.approx(0.19), "days": 3, "recovery": 1},
        {"start": day[4], "bottom": day[5], "end": None, "depth": pytest.approx(0.05), "days": 2, "recovery": 1},
    ]
    assert (found.numbers.max_drawdown, found.numbers.drawdown_days) == (pytest.approx(0.19), 3)
    assert drawdowns(performance(sessions(np.array([0.1, 0.1])), trips(), Scope()).curve).is_empty()


@settings(max_examples=50)
@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=60))
def test_drawdowns_cover_every_day_below_the_highest_point_once(daily: list[float]) -> None:
    found = performance(sessions(np.array(daily)), trips(), Scope())
    below = found.curve.filter(pl.col("drawdown") > 0).height
    healed = found.drawdowns.drop_nulls("end").height
    assert int(found.drawdowns["days"].sum()) == below + healed, "each fall counts its days below, and the one that healed it"
    assert found.numbers.max_drawdown == pytest.approx(max([0.0, *found.drawdowns["depth"]]))


def test_groups_add_up_to_the_whole_and_a_scope_is_one_of_them() -> None:
    lines = trips(
        {"net": 30.0, "symbol": "AAA", "side": "buy", "strategy": "orb", "r": 2.0, "mae_r": 0.2, "mfe_r": 2.0},
        {"net": -10.0, "symbol": "AAA", "side": "sell", "strategy": "orb", "r": -1.0, "mae_r": 1.0, "mfe_r": 0.1},
        {"net": -5.0, "symbol": "BBB", "side": "buy", "strategy": "momentum", "hour": 15},
    )
    days = sessions(np.array([0.00015]))
    whole = performance(days, lines, Scope())
    for name in DIMENSIONS:
        assert whole.by[name]["net"].sum() == pytest.approx(15), name
        assert whole.by[name]["trades"].sum() == 3
    assert whole.by["symbol"].row(0, named=True)["profit_factor"] == pytest.approx(3)
    assert whole.by["strategy"].filter(pl.col("strategy") == "momentum")["profit_factor"].item() == pytest.approx(0), (
        "only losses: nothing was gained"
    )
    assert grouped(lines.filter(pl.col("net") > 0), "symbol")["profit_factor"].item() is None, "no loss: not zero, and not endless"
    assert (whole.numbers.average_gain, whole.numbers.average_loss) == (30, pytest.approx(-7.5))
    one = performance(days, lines, Scope(strategy="orb"))
    assert (one.numbers.trades, one.numbers.net, one.numbers.fees) == (2, 20, 2)
    assert one.curve["return"].item() == pytest.approx(20 / 100_000), "what it contributed to the whole account"
    assert performance(days, lines, Scope(book="another")).numbers.sessions == 0


def test_heat_and_the_worst_days_are_told_by_session() -> None:
    daily = np.array([0.01, -0.02, 0.005, -0.01])
    found = risk(sessions(daily), trips(), Scope())
    assert found.tail["return"].to_list() == [-0.02, -0.01]
    assert (found.numbers.heat, found.numbers.max_heat) == (pytest.approx(0.004), pytest.approx(0.009))
    assert found.history["max_heat"].to_list() == [0.009] * 4
    assert found.numbers.drawdown == pytest.approx(1 - 0.98 * 1.005 * 0.99)
