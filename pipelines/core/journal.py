"""The journal's records and their chain: what a line holds, how it is sealed, how it is read back.

A line is `{"hash":"<sha256>","record":{"seq":..,"at":..,"kind":"..","data":{..}}}`. The hash covers the hash before it and the exact bytes of
the record, so that a record altered, removed or moved anywhere breaks every hash after it. Pure: files are `live.journal`'s business.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from pipelines.core.briefing import Briefing
from pipelines.core.errors import JournalError
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.decisions import Decision
from pipelines.core.trading.events import Event

GENESIS = "0" * 64
HEAD = b'{"hash":"'
MIDDLE = b'","record":'

EVENT: TypeAdapter[Event] = TypeAdapter(Event)
DECISION: TypeAdapter[Decision] = TypeAdapter(Decision)


@dataclass(frozen=True, slots=True)
class Record:
    """One line. `at` is nanoseconds UTC of the session's clock; `kind` is session, event, decision, request, response or end."""

    seq: int
    at: int
    kind: str
    data: dict[str, Any]


class Manifest(BaseModel):
    """The first record of a session: all that a replay needs beside the events."""

    model_config = ConfigDict(frozen=True)

    session: date
    run: str
    mode: str
    account: str
    code: str
    """Hash of the shipped source."""
    strategy: str
    parameters: dict[str, float]
    version: str
    """Hash of strategy code and parameters, as on every order."""
    limits: Limits
    briefing: Briefing


def seal(previous: str, seq: int, at: int, kind: str, data: bytes) -> tuple[bytes, str]:
    """The line (without its newline) and its hash. `data` is JSON."""
    record = b'{"seq":%d,"at":%d,"kind":"%s","data":%s}' % (seq, at, kind.encode(), data)
    digest = sha256(previous.encode() + record).hexdigest()
    return HEAD + digest.encode() + MIDDLE + record + b"}", digest


def encode(data: object) -> bytes:
    """JSON of a record's data."""
    return to_json(data)


def records(lines: Iterable[bytes]) -> Iterator[Record]:
    """The records of a journal in order; `JournalError` names the first line that is not what was written."""
    previous = GENESIS
    for number, line in enumerate(lines, start=1):
        body = line.rstrip(b"\n")
        start = len(HEAD) + 64
        if not body.startswith(HEAD) or body[start : start + len(MIDDLE)] != MIDDLE or not body.endswith(b"}"):
            raise JournalError(f"line {number}: expected a sealed record, found {body[:80]!r}; the file was cut or edited")
        record = body[start + len(MIDDLE) : -1]
        digest = sha256(previous.encode() + record).hexdigest()
        if body[len(HEAD) : start] != digest.encode():
            raise JournalError(f"line {number}: the hash does not fit the record and the line before it; something was changed, removed or moved")
        try:
            fields = from_json(record)
        except ValueError as error:
            raise JournalError(f"line {number}: the record is not JSON: {error}") from None
        if fields["seq"] != number:
            raise JournalError(f"line {number}: expected record {number}, found {fields['seq']}")
        previous = digest
        yield Record(**fields)


def manifest(record: Record) -> Manifest:
    """The manifest that a session's first record holds."""
    if record.kind != "session":
        raise JournalError(f"expected the first record to be the session's manifest, found {record.kind}")
    try:
        return Manifest.model_validate(record.data)
    except ValidationError as error:
        raise JournalError(f"the session's manifest cannot be read: {error}") from None
