"""What Dagster starts by itself when data asks for it, evaluated as its daemon does."""

from collections.abc import Iterator
from datetime import datetime

import dagster as dg
import pytest

from pipelines.definitions import defs

THURSDAY = datetime.fromisoformat("2024-06-20T12:00:00-04:00")
"""The 19th was a holiday; the last completed session is Tuesday the 18th."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance of its own, in memory."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def test_a_missed_evening_of_the_last_week_is_made_up_for_and_no_older_one(instance: dg.DagsterInstance) -> None:
    done(instance, "journal", "2024-06-14")
    asked = evaluate(instance, "journal")
    assert asked.get_requested_partitions(dg.AssetKey("journal")) == {"2024-06-17", "2024-06-18"}
    again = evaluate(instance, "journal", cursor=asked.cursor)
    assert again.total_requested == 0, "asked for once"


def test_measures_follow_a_journal_that_is_read_again(instance: dg.DagsterInstance) -> None:
    for name in ("journal", "performance"):
        done(instance, name, "2024-03-04")
    first = evaluate(instance, "performance")
    assert first.total_requested == 0
    done(instance, "journal", "2024-03-04")
    second = evaluate(instance, "performance", cursor=first.cursor)
    assert second.get_requested_partitions(dg.AssetKey("performance")) == {"2024-03-04"}
    assert evaluate(instance, "performance", cursor=second.cursor).total_requested == 0


def test_the_evening_job_itself_is_not_followed_by_another_run(instance: dg.DagsterInstance) -> None:
    first = evaluate(instance, "performance")
    for name in ("journal", "performance"):
        done(instance, name, "2024-06-18")
    assert evaluate(instance, "performance", cursor=first.cursor).total_requested == 0


def done(instance: dg.DagsterInstance, name: str, session: str) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=session))


def evaluate(instance: dg.DagsterInstance, name: str, cursor: object = None) -> dg.EvaluateAutomationConditionsResult:
    return dg.evaluate_automation_conditions(
        defs(),
        instance,
        asset_selection=dg.AssetSelection.assets(name),
        evaluation_time=THURSDAY,
        cursor=cursor,  # type: ignore[arg-type]  # None or one that it gave
    )
