"""The journal: what was written is what is read, and whatever is changed afterwards is found."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live.journal import Journal, latest, read
from pipelines.core.errors import JournalError

LINES = 6


def written(path: Path) -> list[bytes]:
    with Journal(path) as journal:
        for n in range(LINES):
            journal.append("event", 1_000 + n, {"n": n, "text": f"line {n}"})
    return path.read_bytes().splitlines(keepends=True)


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    written(tmp_path / "j.jsonl")
    found = list(read(tmp_path / "j.jsonl"))
    assert [(r.seq, r.at, r.kind, r.data["n"]) for r in found] == [(n + 1, 1_000 + n, "event", n) for n in range(LINES)]


def test_only_its_owner_can_read_it_and_nobody_can_begin_it_twice(tmp_path: Path) -> None:
    written(tmp_path / "j.jsonl")
    assert (tmp_path / "j.jsonl").stat().st_mode & 0o777 == 0o600
    with pytest.raises(JournalError, match="File exists"):
        Journal(tmp_path / "j.jsonl")


def test_nothing_is_on_the_disk_before_it_is_asked_for_and_all_of_it_after(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    journal.append("event", 1, {})
    assert (tmp_path / "j.jsonl").read_bytes() == b""
    journal.barrier()
    assert len(list(read(tmp_path / "j.jsonl"))) == 1
    journal.close()


@pytest.mark.parametrize("line", range(LINES - 1))
def test_a_removed_line_is_found(tmp_path: Path, line: int) -> None:
    lines = written(tmp_path / "j.jsonl")
    (tmp_path / "j.jsonl").write_bytes(b"".join(lines[:line] + lines[line + 1 :]))
    with pytest.raises(JournalError, match=f"line {line + 1}: the hash does not fit"):
        list(read(tmp_path / "j.jsonl"))


def test_two_lines_that_changed_places_are_found(tmp_path: Path) -> None:
    lines = written(tmp_path / "j.jsonl")
    lines[2], lines[3] = lines[3], lines[2]
    (tmp_path / "j.jsonl").write_bytes(b"".join(lines))
    with pytest.raises(JournalError, match="line 3"):
        list(read(tmp_path / "j.jsonl"))


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_single_flipped_bit_anywhere_is_found(tmp_path: Path, place: int, bit: int) -> None:
    path = tmp_path / "flipped.jsonl"
    path.unlink(missing_ok=True)
    text = bytearray(b"".join(written(path)))
    place %= len(text)
    text[place] ^= 1 << bit
    path.write_bytes(bytes(text))
    with pytest.raises(JournalError):
        list(read(path))


def test_a_torn_last_line_is_found(tmp_path: Path) -> None:
    text = b"".join(written(tmp_path / "j.jsonl"))
    (tmp_path / "j.jsonl").write_bytes(text[:-20])
    with pytest.raises(JournalError, match=f"line {LINES}: expected a sealed record"):
        list(read(tmp_path / "j.jsonl"))


def test_an_empty_folder_says_how_a_journal_comes_about(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="make demo"):
        latest(tmp_path)
