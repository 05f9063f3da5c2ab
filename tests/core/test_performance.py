"""Metrics against numbers worked out by hand."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipelines.core.analytics.ledger import SCHEMAS, empty
from pipelines.core.analytics.performance import drawdown, measure, rows

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
