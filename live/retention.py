"""How long what a session has written stays, and in what form: journals are packed after a while, raw frames go first."""

from collections.abc import Iterator
from pathlib import Path

from live import raw
from live.journal import compress
from pipelines.core.errors import JournalError
from pipelines.journals import DIRECT, SHADOW, parts, sessions, stem
from pipelines.settings import Settings


def tidy(settings: Settings) -> Iterator[str]:
    """Pack and remove what `JOURNAL_PLAIN`, `JOURNAL_KEPT` and `RAW_KEPT` say; a line for people on each thing that was done.

    A journal that cannot be verified, packed or removed is left as it is, and said: no session waits for that.
    """
    for folder in (settings.journals, settings.journals / SHADOW, settings.journals / DIRECT):
        by_session: dict[str, list[Path]] = {}
        for path in sessions(folder):
            by_session.setdefault(path.name[: len("2026-11-20")], []).append(path)
        for age, session in enumerate(sorted(by_session, reverse=True)):
            for path in by_session[session]:
                try:
                    yield from _tidy(settings, path, age)
                except (JournalError, OSError) as error:
                    yield f"{stem(path)}: left as it is: {error}"


def _tidy(settings: Settings, path: Path, age: int) -> Iterator[str]:
    """One journal; `age` in sessions since."""
    gone = bool(settings.journal_kept) and age >= settings.journal_kept
    frames = raw.files(path) if gone or (settings.raw_kept and age >= settings.raw_kept) else []
    if frames:
        before = _size(frames)
        _remove(frames)
        yield f"{stem(path)}: {before:.1f} MB of raw frames removed"
    if gone:
        _remove([*parts(path), *path.parent.glob(f"{stem(path)}.head")])
        yield f"{stem(path)}: journal removed"
    elif age >= settings.journal_plain and any(part.suffix != ".gz" for part in parts(path)):
        before, packed = _size(parts(path)), compress(path)
        yield f"{packed.name}: {before:.1f} MB to {_size(parts(packed)):.1f} MB"


def _size(files: list[Path]) -> float:
    return sum(file.stat().st_size for file in files) / 1e6


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink()
