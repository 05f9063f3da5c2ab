"""Results of backtests by what they follow from: the hash of code, data and configuration. What has the same hash is not computed again.

A result is a folder in `backtests/` of the home: `report.json` (numbers and words) and a Parquet file for each table.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.core.backtest.report import Report
from pipelines.settings import Settings

ASIDE = "defs"
"""The folder whose code decides nothing of what a backtest comes to; a strategy of another package is in its own version."""


def key(data: str, configuration: Mapping[str, Any], sessions: Sequence[date]) -> str:
    """The name of a result."""
    parts = {"code": code(), "data": data, "configuration": configuration, "sessions": [day.isoformat() for day in sessions]}
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def code() -> str:
    """Hash of the source that reads the data, makes the briefings and runs the engine."""
    root, digest = Path(__file__).parent.parent, sha256()
    for path in sorted(path for path in root.rglob("*.py") if path.relative_to(root).parts[0] != ASIDE):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def find(settings: Settings, name: str) -> Report | None:
    """The result of this name, if it is there."""
    folder = _folder(settings, name)
    if not folder.exists():
        return None
    told = json.loads((folder / "report.json").read_text())
    return Report(told["numbers"], told["words"], {table: pl.read_parquet(folder / f"{table}.parquet") for table in told["tables"]})


def kept(settings: Settings) -> list[str]:
    """The names of all results, the last made first."""
    found = (settings.daybot_home / "backtests").glob("*/report.json")
    return [path.parent.name for path in sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)]


def keep(settings: Settings, name: str, report: Report) -> None:
    """Put a result there, whole or not at all."""
    folder = _folder(settings, name)
    aside = folder.with_suffix(".draft")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for table, frame in report.tables.items():
        frame.write_parquet(aside / f"{table}.parquet")
    (aside / "report.json").write_text(json.dumps({"numbers": report.numbers, "words": report.words, "tables": list(report.tables)}))
    shutil.rmtree(folder, ignore_errors=True)
    aside.replace(folder)


def _folder(settings: Settings, name: str) -> Path:
    return settings.daybot_home / "backtests" / name
