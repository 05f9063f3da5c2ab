"""What a check says."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl


class Verdict(NamedTuple):
    """`detail` says in one line what was looked at and what was found; `worst` are the offenders, the worst first, for a person to look at."""

    passed: bool
    detail: str
    numbers: Mapping[str, float]
    worst: pl.DataFrame | None = None


def named(rows: pl.DataFrame, shown: int = 5) -> str:
    """The first offenders in one line: each row's values side by side."""
    lines = ["; ".join(" ".join(map(_text, row)) for row in rows.head(shown).iter_rows())]
    return "".join(lines) + (f"; and {rows.height - shown} more" if rows.height > shown else "")


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
