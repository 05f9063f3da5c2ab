"""What a vendor sent, row by row: read where it has the agreed shape, set aside with a reason where it has not. One bad row costs no other."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import polars as pl
from pydantic import TypeAdapter, ValidationError

from pipelines.core.errors import Unreachable
from pipelines.vendors.source import MALFORMED, RAW

T = TypeVar("T")


class Unreadable(Unreachable):
    """A whole answer that is not what was agreed on, no JSON, or JSON of another shape: as good as none. `raw` is its text."""

    def __init__(self, reason: str, raw: object) -> None:
        self.reason = reason
        self.raw = text(raw)
        super().__init__(f"{reason}: {self.raw[:200]}")


@dataclass
class Refused:
    """Collects what could not be read."""

    _rows: list[tuple[str, datetime | None, str, str]] = field(default_factory=list)

    def add(self, symbol: object, reason: str, raw: object) -> None:
        """`raw` is what was sent, parsed or as text."""
        self._rows.append((symbol if isinstance(symbol, str) else "", _moment(raw), reason, text(raw)))

    def frame(self) -> pl.DataFrame:
        """As `MALFORMED`."""
        return pl.DataFrame(self._rows, schema=MALFORMED, orient="row")


def read(rows: Any, shape: TypeAdapter[list[T]], refused: Refused, symbol: str | None = None) -> list[T]:
    """The rows that have the shape; `Unreadable` if there is no list of them. `symbol` is whose they are, where they do not say so themselves."""
    if not isinstance(rows, list):
        raise Unreadable(f"expected a list of rows, found {type(rows).__name__}", rows)
    try:
        return shape.validate_python(rows, strict=True)
    except ValidationError as error:
        reasons = _reasons(error)
    for index, reason in reasons.items():
        refused.add(symbol or _named(rows[index]), reason, rows[index])
    return shape.validate_python([row for index, row in enumerate(rows) if index not in reasons], strict=True)


def timed(frame: pl.DataFrame, raw: Sequence[Any], refused: Refused, symbol: str | None = None) -> pl.DataFrame:
    """The frame without the rows whose `timestamp` could not be read; `raw` are the rows it was made of, in its order."""
    lost = frame["timestamp"].is_null()
    for index in lost.arg_true():
        refused.add(symbol, "expected a time like 2026-11-20T14:30:00Z, found another text", raw[index])
    return frame.filter(~lost)


def table(answer: Any, key: str) -> dict[str, Any]:
    """The object under `key`, empty where it is null; `Unreadable` if there is none."""
    found = answer.get(key, answer) if isinstance(answer, dict) else answer
    if found is None:
        return {}
    if not isinstance(found, dict) or found is answer:
        raise Unreadable(f"expected an object under `{key}`", answer)
    return found


def text(raw: object) -> str:
    """As it is kept: text as it is, everything else as JSON."""
    shown = raw if isinstance(raw, str) else json.dumps(raw, default=str)
    return shown[:RAW]


def _reasons(error: ValidationError) -> dict[int, str]:
    """By row, the first thing that is wrong with it: `c: Input should be a valid number, found "7"`."""
    found: dict[int, str] = {}
    for line in error.errors(include_url=False, include_context=False):
        index, *field_ = line["loc"]
        where = f"{'.'.join(map(str, field_))}: " if field_ else ""
        what = "" if line["type"] == "missing" else f", found {json.dumps(line['input'], default=str)[:60]}"
        found.setdefault(int(index), f"{where}{line['msg']}{what}")
    return found


def _moment(row: object) -> datetime | None:
    """When a bar was, as far as its `t` says it: so that it is known which bar could not be read."""
    at = row.get("t") if isinstance(row, dict) else None
    try:
        if isinstance(at, str):
            found = datetime.fromisoformat(at)
            return found.astimezone(UTC) if found.tzinfo else None
        return datetime.fromtimestamp(at / 1_000, UTC) if isinstance(at, int | float) else None
    except (ValueError, OverflowError, OSError):
        return None


def _named(row: object) -> object:
    return (row.get("symbol") or row.get("ticker") or row.get("T")) if isinstance(row, dict) else None
