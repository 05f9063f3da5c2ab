"""What Dagster loads: without any environment, with the right keys, and at the right times."""

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from pipelines.core.briefing import Severity
from pipelines.definitions import defs
from pipelines.defs.checks import CHECKS
from pipelines.defs.partitions import SESSIONS

NEW_YORK = ZoneInfo("America/New_York")
ROOT = Path(__file__).parents[3]


def test_definitions_load_without_any_environment_variable(tmp_path: Path) -> None:
    code = "import sys, pipelines.definitions as d; print(len(d.defs().resolve_all_asset_specs()), 'nbformat' in sys.modules)"
    keep = {"PYTHONPYCACHEPREFIX": os.environ["PYTHONPYCACHEPREFIX"]} if "PYTHONPYCACHEPREFIX" in os.environ else {}
    done = subprocess.run([sys.executable, "-c", code], env=keep, cwd=tmp_path, capture_output=True, text=True, check=True)
    assets, notebooks = done.stdout.split()
    assert int(assets) >= 13
    assert notebooks == "False", "its import takes more than a second of every process"
    assert list(tmp_path.iterdir()) == []


def test_every_asset_has_owner_group_kinds_a_description_and_a_time_at_which_it_is_due() -> None:
    for spec in defs().resolve_all_asset_specs():
        assert spec.owners, spec.key
        assert spec.kinds, spec.key
        assert spec.description, spec.key
        assert spec.group_name != "default", spec.key
        assert spec.freshness_policy or spec.group_name == "studies", spec.key  # those are run when there is something to look at


@pytest.mark.parametrize("name", ["in_process", "multiprocess"])
def test_a_setting_chooses_what_runs_the_steps_of_every_job(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAYBOT_EXECUTOR", name)
    loaded = dg.load_from_defs_folder(path_within_project=ROOT / "pipelines")
    for job in ("pre_open", "after_close", "__ASSET_JOB"):
        assert loaded.resolve_job_def(job).executor_def.name == name


def test_the_briefing_comes_after_every_asset_with_a_check() -> None:
    graph = defs().resolve_asset_graph()
    before, todo = set(), [dg.AssetKey("briefing")]
    while todo:
        parents = graph.get(todo.pop()).parent_keys - before
        before |= parents
        todo.extend(parents)
    assert {check.asset for check in CHECKS} <= {key.to_user_string() for key in before}
    assert {(check.asset, check.name) for check in CHECKS if check.severity is Severity.BLOCKING} == {
        ("daily_bars", "complete"),
        ("daily_bars", "sane"),
        ("minute_bars", "inside"),
        ("minute_bars", "one_feed"),
        ("minute_bars", "sound"),
        ("features", "usable"),
        ("features", "parity"),
        ("correlation", "proper"),
    }


def test_every_check_says_in_the_ui_what_it_wants_and_what_its_failure_does() -> None:
    specs = {(spec.asset_key.to_user_string(), spec.name): spec.description or "" for made in defs().asset_checks or () for spec in made.check_specs}
    for asset, name, severity in CHECKS:
        assert specs[asset, name].endswith(f"Severity: {severity.value}."), name
        assert len(specs[asset, name]) > 60


@pytest.mark.parametrize(
    ("key", "valid"),
    [("2010-01-04", True), ("2019-02-13", True), ("2024-11-29", True), ("2019-02-18", False), ("2024-06-19", False), ("2024-06-22", False)],
)
def test_partition_keys_are_the_sessions_of_the_exchange(key: str, valid: bool) -> None:
    assert SESSIONS.has_partition_key(key) is valid


def evaluated(schedule: str, moment: datetime) -> Any:
    repository = defs().get_repository_def()
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_schedule_context(instance, scheduled_execution_time=moment, repository_def=repository) as context,
    ):
        return defs().resolve_schedule_def(schedule).evaluate_tick(context)


def test_before_the_open_asks_for_the_session_before() -> None:
    tick = evaluated("before_the_open", datetime(2024, 6, 20, 8, 30, tzinfo=NEW_YORK))
    assert [request.partition_key for request in tick.run_requests] == ["2024-06-18"]


def test_after_the_close_asks_for_the_session_itself() -> None:
    tick = evaluated("after_the_close", datetime(2024, 11, 29, 16, 45, tzinfo=NEW_YORK))
    assert [request.partition_key for request in tick.run_requests] == ["2024-11-29"]


@pytest.mark.parametrize("schedule", ["before_the_open", "after_the_close"])
def test_a_holiday_is_skipped_with_its_name(schedule: str) -> None:
    tick = evaluated(schedule, datetime(2024, 6, 19, 16, 45, tzinfo=NEW_YORK))
    assert not tick.run_requests
    assert "Wednesday 2024-06-19" in str(tick.skip_message)


def test_schedules_keep_new_york_time() -> None:
    for name, cron in (("before_the_open", "30 8 * * 1-5"), ("after_the_close", "45 16 * * 1-5")):
        schedule = defs().resolve_schedule_def(name)
        assert (schedule.cron_schedule, schedule.execution_timezone) == (cron, "America/New_York")
