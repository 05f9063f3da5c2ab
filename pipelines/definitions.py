"""What Dagster loads: everything in `pipelines/defs`."""

from functools import cache
from pathlib import Path

import dagster as dg


@dg.definitions
@cache  # Dagster asks several times a run, a third of a second each
def defs() -> dg.Definitions:
    """Assets, checks, jobs, schedules and the one resource."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
