"""What runs the steps of every job: DAYBOT_EXECUTOR chooses, no code changes between one machine and many."""

from pathlib import Path

import dagster as dg
import yaml

from pipelines import settings
from pipelines.core.errors import SettingsError

FOLDER = Path(__file__).parents[3] / ".dagster"
"""Where `celery.yaml` and `k8s.yaml` lie, in the layout that `dagster-celery worker -y` reads as well."""

# A process for each step imports everything anew, seconds of CPU each, unless it is forked from one that did.
FORKED = {"start_method": {"forkserver": {"preload_modules": ["pipelines.definitions"]}}}


@dg.definitions
def executor() -> dg.Definitions:
    """The executor of the settings, for all jobs, backfills and what is materialised from the UI."""
    return dg.Definitions(executor=chosen(settings.load().daybot_executor))


def chosen(name: str) -> dg.ExecutorDefinition:
    """The executor of this name with its configuration; `SettingsError` where its library or its file is missing."""
    if name == "in_process":
        return dg.in_process_executor
    if name == "multiprocess":
        return dg.multiprocess_executor.configured(FORKED, name=name)
    path = FOLDER / f"{name}.yaml"
    if not path.exists():
        raise SettingsError(f"expected {path} for DAYBOT_EXECUTOR={name}, found no such file; work from a checkout")
    return _distributed(name).configured(yaml.safe_load(path.read_text())["execution"]["config"], name=name)


def _distributed(name: str) -> dg.ExecutorDefinition:
    try:
        if name == "celery":
            from dagster_celery import celery_executor

            return celery_executor
        from dagster_k8s import k8s_job_executor
    except ImportError as error:
        raise SettingsError(f"expected the packages for DAYBOT_EXECUTOR={name}, found {error.name} missing; install daybot[scale]") from None
    return k8s_job_executor
