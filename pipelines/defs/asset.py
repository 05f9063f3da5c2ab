"""The decorator of every asset here: partitioned by session and owned.

No Dagster pool guards the warehouse: its file lock does (`store.py`). A pool's slot outlives a run that was killed, and without the
daemon to free it the next run waits for ever (tried: kill -9, then `dagster job execute`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from pipelines.defs.partitions import SESSIONS

OWNERS = ["team:research"]

# A vendor that does not answer is asked again; anything else fails at once in the same way, so that two tries more cost little.
PATIENT = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL)


def asset(
    group: str, kinds: set[str], deps: Sequence[str] = (), retry: dg.RetryPolicy | None = None
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """An asset of this group made from these others. Its docstring is what the UI says of it."""

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        made = dg.asset(partitions_def=SESSIONS, group_name=group, kinds={"polars", *kinds}, owners=OWNERS, deps=list(deps), retry_policy=retry)
        return made(function)

    return decorate
