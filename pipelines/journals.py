"""Where the journals of sessions lie. One is a file, `<session>-<number>-<run>.jsonl`, or several where it grew large: the next ones are called
`.2.jsonl`, `.3.jsonl`. Each part is plain or compressed (`.gz`); the chain of hashes goes on from one to the next.

Sessions that only pretended to trade lie in a folder of their own, `shadow`: no night takes them for trades. What was done at the broker past the
runner lies in `direct`.
"""

import re
from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path

from pipelines.durable import opened

SUFFIXES = (".jsonl", ".jsonl.gz")
SHADOW = "shadow"
"""Folder of the journals of shadow sessions, inside the journals' own."""

DIRECT = "direct"
"""Folder of what break glass and the watchdog did, inside the journals' own: a file each time."""

_LATER = re.compile(r"\.\d+\.jsonl(\.gz)?$")


def sessions(folder: Path, session: date | None = None) -> list[Path]:
    """Every journal in a folder by its first part, oldest session first; of one session where it is named."""
    found = folder.glob(f"{session.isoformat() if session else ''}*.jsonl*")
    return sorted(path for path in found if path.name.endswith(SUFFIXES) and not _LATER.search(path.name))


def parts(path: Path) -> list[Path]:
    """A journal's files in order, by the first of them."""
    found = [path]
    for number in count(2):
        plain = part(path, number)
        there = [each for each in (plain, plain.with_name(plain.name + ".gz")) if each.exists()]
        if not there:
            return found
        found.append(there[-1])  # both are there where packing was cut off: the packed one was whole before the plain one goes
    raise AssertionError("unreachable")


def part(path: Path, number: int) -> Path:
    """The plain file of one part, the first being 1."""
    return path.with_name(f"{stem(path)}.{number}.jsonl" if number > 1 else f"{stem(path)}.jsonl")


def stem(path: Path) -> str:
    """What the names of all files of a journal begin with."""
    return path.name.removesuffix(".gz").removesuffix(".jsonl")


def lines(path: Path) -> Iterator[bytes]:
    """A journal's lines, part after part."""
    for each in parts(path):
        with opened(each) as file:
            yield from file
