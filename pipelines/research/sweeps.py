"""Sweeps as they came out, kept for the pages: a folder each in `sweeps/` of the home, `sweep.json` and the ranking beside it as Parquet.

Nothing is answered from them: a sweep is run again whenever somebody asks.
"""

import json
import shutil
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import polars as pl

from pipelines.settings import Settings


class Sweep(NamedTuple):
    """One sweep. `words`: strategy, sessions, sets, made (ISO, UTC), warnings; `table` as `core.sweep.ranking` has it, best first."""

    name: str
    words: dict[str, Any]
    changes: tuple[str, ...]
    """Columns of the table that are parameters or limits."""
    table: pl.DataFrame


def keep(settings: Settings, words: Mapping[str, Any], changes: tuple[str, ...], table: pl.DataFrame, made: datetime) -> str:
    """Put it there, whole or not at all; the same sweep again takes the place of the last one. Its name."""
    told = {**words, "changes": list(changes)}
    name = sha256(json.dumps(told | {"warnings": None}, sort_keys=True).encode()).hexdigest()[:16]
    folder = settings.daybot_home / "sweeps" / name
    aside = folder.with_suffix(".draft")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    table.write_parquet(aside / "ranking.parquet")
    (aside / "sweep.json").write_text(json.dumps(told | {"made": made.isoformat()}))
    shutil.rmtree(folder, ignore_errors=True)
    aside.replace(folder)
    return name


def kept(settings: Settings) -> list[Sweep]:
    """All of them, the last made first."""
    found = []
    for path in (settings.daybot_home / "sweeps").glob("*/sweep.json"):
        told = json.loads(path.read_text())
        changes = tuple(told.pop("changes"))
        found.append(Sweep(path.parent.name, told, changes, pl.read_parquet(path.with_name("ranking.parquet"))))
    return sorted(found, key=lambda one: str(one.words["made"]), reverse=True)
