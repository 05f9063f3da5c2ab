"""The journal's records and their chain: what a line holds, how it is sealed, how it is read back.

A line is `{"hash":"<sha256>","record":{"seq":..,"at":..,"kind":"..","data":{..}}}`. The hash covers the hash before it and the exact bytes of
the record, so that a record altered, removed or moved anywhere breaks every hash after it. Pure: files are `live.journal`'s business.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from hashlib import sha256
from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.core.briefing import Briefing
from pipelines.core.errors import JournalError
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.decisions import Decision
from pipelines.core.trading.events import Event

GENESIS = "0" * 64
HEAD = b'{"hash":"'
MIDDLE = b'","record":'


class Record(msgspec.Struct, frozen=True):
    """One line. `at` is nanoseconds UTC of the session's clock; `kind` is session, event, decision, refused, raw (where a block of frames
    lies, and its hash), a word on a connection, a switch or a comparison, unsealed (raw frames that were lost), resume or end.
    """

    seq: int
    at: int
    kind: str
    data: dict[str, Any]


RECORD = msgspec.json.Decoder(Record)
DECISION: msgspec.json.Decoder[Decision] = msgspec.json.Decoder(Decision)
"""Reads one decision from its JSON, as the ledger keeps it."""


class Employed(BaseModel):
    """One strategy of the session: its name, parameters, the hash of code and parameters (as on every order), and its budget."""

    model_config = ConfigDict(frozen=True)

    name: str
    parameters: dict[str, Any]
    version: str
    budget: float | None = None


class Manifest(BaseModel):
    """The first record of a session: all that a replay needs beside the events."""

    model_config = ConfigDict(frozen=True)

    session: date
    run: str
    mode: str
    shadow: bool = False
    """Nothing was sent: its orders filled by the backtest's rule."""
    account: str
    speed: float = 1.0
    """Seconds of its clock in one of ours; 0 where that clock moves only when it is told to, so that no latency can be measured by it."""
    code: str
    """Hash of the shipped source. A run that goes on with the session says its own, and its settings, in its record `resume`."""
    settings: dict[str, str] = {}
    """What was set besides the limits, by name; no secret. What is not named had its default."""
    strategies: tuple[Employed, ...]
    limits: Limits
    briefing: Briefing

    @property
    def label(self) -> str:
        """Whose money, in a word for people: SIM, PAPER or LIVE; SHADOW where it was nobody's."""
        return "SHADOW" if self.shadow else self.mode.upper()


def seal(previous: str, seq: int, at: int, kind: str, data: bytes) -> tuple[bytes, str]:
    """The line (without its newline) and its hash. `data` is JSON."""
    record = b'{"seq":%d,"at":%d,"kind":"%s","data":%s}' % (seq, at, kind.encode(), data)
    digest = sha256(previous.encode() + record).hexdigest()
    return HEAD + digest.encode() + MIDDLE + record + b"}", digest


def encode(data: object) -> bytes:
    """JSON of a record's data."""
    return data.model_dump_json().encode() if isinstance(data, BaseModel) else msgspec.json.encode(data)


def event_of(record: Record) -> Event:
    """The event that the record holds."""
    found: Event = _read(record, Event)
    return found


def decision_of(record: Record) -> Decision:
    """The decision that the record holds."""
    found: Decision = _read(record, Decision)
    return found


def _read(record: Record, kind: Any) -> Any:
    try:
        return msgspec.convert(record.data, kind)
    except msgspec.ValidationError as error:
        raise JournalError(f"record {record.seq}: expected {record.kind} in the form that this version writes, found {error}") from None


def records(lines: Iterable[bytes], *, after: int = 0, head: str = GENESIS) -> Iterator[Record]:
    """The records of a journal in order; `JournalError` names the first line that is not what was written.

    To go on with a journal that has grown, give the number of the last record that is known and its hash (`sealed`).
    """
    previous = head
    for number, line in enumerate(lines, start=after + 1):
        body = line.rstrip(b"\n")
        start = len(HEAD) + 64
        if not body.startswith(HEAD) or body[start : start + len(MIDDLE)] != MIDDLE or not body.endswith(b"}"):
            raise JournalError(f"line {number}: expected a sealed record, found {body[:80]!r}; the file was cut or edited")
        record = body[start + len(MIDDLE) : -1]
        digest = sha256(previous.encode() + record).hexdigest()
        if body[len(HEAD) : start] != digest.encode():
            raise JournalError(f"line {number}: the hash does not fit the record and the line before it; something was changed, removed or moved")
        try:
            found = RECORD.decode(record)
        except msgspec.DecodeError as error:
            raise JournalError(f"line {number}: the record is not what a journal holds: {error}") from None
        if found.seq != number:
            raise JournalError(f"line {number}: expected record {number}, found {found.seq}")
        previous = digest
        yield found


def sealed(line: bytes) -> str:
    """The hash that a line bears."""
    return line[len(HEAD) : len(HEAD) + 64].decode()


def manifest(record: Record) -> Manifest:
    """The manifest that a session's first record holds."""
    if record.kind != "session":
        raise JournalError(f"expected the first record to be the session's manifest, found {record.kind}")
    try:
        return Manifest.model_validate(record.data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise JournalError(
            f"expected a manifest in the form that this version writes, found {where}: {first['msg']}; read it with the code that wrote it"
        ) from None
