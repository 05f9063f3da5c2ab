"""Scenario files: a list of faults as JSON, or tables named `fault` as TOML."""

import json
import tomllib
from pathlib import Path
from typing import Any

from live.sim.faults.fault import FaultError


def load(path: Path) -> list[dict[str, Any]]:
    """The faults of a file, not yet checked one by one. Raises FaultError."""
    try:
        text = path.read_text()
        found = tomllib.loads(text).get("fault") if path.suffix == ".toml" else json.loads(text)
    except OSError as missing:
        raise FaultError(f"cannot read the scenario {path}: {missing.strerror}") from None
    except ValueError as wrong:
        raise FaultError(f"the scenario {path} is neither TOML (*.toml) nor JSON: {wrong}") from None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise FaultError(f"the scenario {path} must be a JSON list of faults, or TOML with [[fault]] tables")
    return found
