"""Recorded market data, where this machine has it: its licences keep it out of the repository, the variable DAYBOT_DATA names its folder."""

import os
from pathlib import Path

import pytest


def recorded(name: str) -> Path:
    """The file or folder of that name; the test is skipped where there is none."""
    folder = os.environ.get("DAYBOT_DATA")
    if folder is None or not (Path(folder) / name).exists():
        pytest.skip(f"DAYBOT_DATA does not name a folder with {name}")
    return Path(folder) / name
