"""The journal: what was written is what is read, and whatever is changed afterwards is found."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live.journal import Journal, compress, latest, read, repair, sessions, verify
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
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def test_a_cut_end_is_found_by_the_file_beside_it(tmp_path: Path) -> None:
    lines = written(tmp_path / "j.jsonl")
    assert verify(tmp_path / "j.jsonl").seq == LINES
    (tmp_path / "j.jsonl").write_bytes(b"".join(lines[:-1]))
    assert len(list(read(tmp_path / "j.jsonl"))) == LINES - 1, "the chain alone cannot tell"
    with pytest.raises(JournalError, match="its end was cut off"):
        verify(tmp_path / "j.jsonl")


@given(cut=st.integers(1, 60))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_torn_tail_is_cut_kept_aside_and_the_chain_goes_on(tmp_path: Path, cut: int) -> None:
    path = tmp_path / f"torn-{cut}.jsonl"
    path.unlink(missing_ok=True)
    text = b"".join(written(path))
    path.write_bytes(text[:-cut])
    with Journal(path, resume=True) as journal:
        assert journal.seq == LINES - 1
        journal.append("event", 2_000, {"n": "after"})
    found = list(read(path))
    assert [record.seq for record in found] == list(range(1, LINES + 1))
    assert found[-1].data == {"n": "after"}
    (torn,) = tmp_path.glob(f"{path.name}.*.torn")
    assert text.startswith(path.read_bytes()[: -len(path.read_bytes().splitlines(keepends=True)[-1])] + torn.read_bytes())
    torn.unlink()


def test_what_was_edited_is_not_repaired(tmp_path: Path) -> None:
    text = bytearray(b"".join(written(tmp_path / "j.jsonl")))
    text[200] ^= 1
    (tmp_path / "j.jsonl").write_bytes(bytes(text))
    with pytest.raises(JournalError, match="line 2: the hash does not fit"):
        repair(tmp_path / "j.jsonl")
    assert (tmp_path / "j.jsonl").read_bytes() == bytes(text)


def test_a_compressed_journal_reads_and_verifies_like_before(tmp_path: Path) -> None:
    written(tmp_path / "j.jsonl")
    before = list(read(tmp_path / "j.jsonl"))
    packed = compress(tmp_path / "j.jsonl")
    assert sessions(tmp_path) == [packed]
    assert list(read(packed)) == before
    assert verify(packed).seq == LINES


def test_a_full_disk_is_said_and_nothing_may_be_sent() -> None:
    journal = Journal.__new__(Journal)
    journal.path, journal.seq, journal.head, journal._waiting = Path("/dev/full"), 0, "0" * 64, []
    with Path("/dev/full").open("wb") as full:
        journal._file = full.fileno()
        journal.append("event", 1, {})
        with pytest.raises(JournalError, match="No space left on device; nothing may be sent"):
            journal.barrier()
