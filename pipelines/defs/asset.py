"""The decorator of every asset here: partitioned by session, owned, due by a time of day, its columns described.

No Dagster pool guards the warehouse: its file lock does (`store.py`), which the kernel frees with the process that held it. A pool's slot
is freed only once Dagster knows that the run has ended. Tried with kill -9 and `run_monitoring.free_slots_after_run_end_seconds: 5`: a run
that the daemon had launched was seen dead at once and its slot free 15 s later; but a run of `dagster job execute`, or one whose code
server dies with it, stays "started", keeps its slot, and the next run waits for ever.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any

import dagster as dg

from pipelines.core.errors import BrokerError, DataError, SettingsError, Unreachable
from pipelines.core.market.session import NEW_YORK
from pipelines.defs.columns.meanings import described
from pipelines.defs.partitions import SESSIONS

OWNERS = ["team:research"]

# A vendor that does not answer is asked again.
PATIENT = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL)

# Dagster knows weekdays, not holidays: there this says "overdue" until the next session. `alerts.briefing_late` does know them.
BEFORE_THE_OPEN = dg.FreshnessPolicy.cron(deadline_cron="0 9 * * 1-5", lower_bound_delta=timedelta(hours=24), timezone=NEW_YORK.key)
AFTER_THE_CLOSE = dg.FreshnessPolicy.cron(deadline_cron="0 18 * * 1-5", lower_bound_delta=timedelta(hours=24), timezone=NEW_YORK.key)


def asset(
    group: str,
    kinds: set[str],
    deps: Sequence[str] = (),
    retry: dg.RetryPolicy | None = None,
    *,
    fresh: dg.FreshnessPolicy | None = BEFORE_THE_OPEN,
    automation: dg.AutomationCondition[Any] | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """An asset of this group made from these others. Its docstring is what the UI says of it, `columns.py` what it says of its columns."""

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        @wraps(function)
        def run(*arguments: Any, **named: Any) -> dg.MaterializeResult[None]:
            try:
                return described(function.__name__, function(*arguments, **named))
            except Unreachable:
                raise
            except (SettingsError, DataError, BrokerError) as error:
                # It would be the same the next time: said in its own words, and not tried again.
                raise dg.Failure(description=str(error), allow_retries=False) from error

        return dg.asset(
            partitions_def=SESSIONS,
            group_name=group,
            kinds={"polars", *kinds},
            owners=OWNERS,
            deps=list(deps),
            retry_policy=retry,
            freshness_policy=fresh,
            automation_condition=automation,
        )(run)

    return decorate
