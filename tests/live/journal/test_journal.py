"""The journal: what was written is what is read, and whatever is changed afterwards is found."""

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live.journal import Journal, compress, latest, read, repair, verify, witness
from live.retention import tidy
from pipelines.core.errors import JournalError
from pipelines.journals import parts, sessions
from pipelines.settings import load

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


def test_a_cut_end_is_found_by_the_file_beside_it(tmp_path: Path) -> None:
    lines = written(tmp_path / "j.jsonl")
    assert verify(tmp_path / "j.jsonl").seq == LINES
    (tmp_path / "j.jsonl").write_bytes(b"".join(lines[:-1]))
    assert len(list(read(tmp_path / "j.jsonl"))) == LINES - 1, "the chain alone cannot tell"
    with pytest.raises(JournalError, match="its end was cut off"):
        verify(tmp_path / "j.jsonl")


def test_a_journal_that_was_written_anew_with_its_head_is_found_by_its_head_elsewhere(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "other" / "heads"
    elsewhere.parent.mkdir()
    for name in ("a.jsonl", "b.jsonl"):
        with Journal(home / name) as journal:
            journal.append("command", 1, {"quantity": 5_000})
            journal.append("end", 2, {})
        witness(elsewhere, journal.path, journal.seq, journal.head)
    assert verify(home / "a.jsonl", elsewhere).seq == 2
    assert elsewhere.stat().st_mode & 0o777 == 0o600
    forged = tmp_path / "forged" / "a.jsonl"
    with Journal(forged) as journal:  # a chain that is whole, with the head that belongs to it
        journal.append("command", 1, {"quantity": 5})
        journal.append("end", 2, {})
    for name in ("a.jsonl", "a.head"):
        (forged.parent / name).replace(home / name)
    assert verify(home / "a.jsonl").seq == 2, "what lies on one disk cannot tell"
    with pytest.raises(JournalError, match=rf"record 2 has another hash than {elsewhere} says; it was written anew"):
        verify(home / "a.jsonl", elsewhere)
    assert verify(home / "b.jsonl", elsewhere).seq == 2
    elsewhere.write_text("none\n")
    with pytest.raises(JournalError, match="expected heads"):
        verify(home / "b.jsonl", elsewhere)


@given(cut=st.integers(1, 60))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def in_parts(folder: Path, count: int = 40) -> Path:
    """Records of about 200 bytes in files of a thousand."""
    path = folder / "2026-11-20-01-test.jsonl"
    with Journal(path, part=1000) as journal:
        for n in range(count):
            journal.append("event", n, {"n": n})
            journal.flush()
    return path


def test_a_journal_goes_on_in_other_files_and_is_one_to_whoever_reads_it(tmp_path: Path) -> None:
    path = in_parts(tmp_path)
    assert len(parts(path)) > 4
    assert sessions(tmp_path) == [path]
    assert latest(tmp_path) == path
    assert [record.data["n"] for record in read(path)] == list(range(40))
    assert verify(path).seq == 40


def test_a_file_that_is_missing_changed_or_moved_among_its_own_is_found(tmp_path: Path) -> None:
    path = in_parts(tmp_path)
    _, second, third, *_, last = parts(path)
    text = second.read_bytes(), third.read_bytes()
    second.write_bytes(text[1])
    third.write_bytes(text[0])
    with pytest.raises(JournalError, match="the hash does not fit"):
        verify(path)
    second.write_bytes(text[0])
    third.write_bytes(text[1])
    verify(path)
    last.unlink()
    with pytest.raises(JournalError, match="its end was cut off"):
        verify(path)
    second.unlink()
    with pytest.raises(JournalError, match="its end was cut off"):
        verify(path)


def test_a_torn_end_in_a_later_file_is_cut_off_and_the_chain_goes_on_there(tmp_path: Path) -> None:
    path = in_parts(tmp_path)
    before = len(parts(path))
    with parts(path)[-1].open("ab") as file:
        file.write(b'{"hash":"torn')
    with Journal(path, resume=True, part=1000) as journal:
        assert journal.seq == 40
        for n in range(40, 60):
            journal.append("event", n, {"n": n})
            journal.flush()
    assert len(parts(path)) > before
    assert [record.data["n"] for record in read(path)] == list(range(60))
    assert len(list(tmp_path.glob("*.torn"))) == 1


def test_packed_files_read_and_verify_like_before_and_half_packed_ones_too(tmp_path: Path) -> None:
    path = in_parts(tmp_path)
    packed = compress(path)
    assert {each.suffix for each in parts(packed)} == {".gz"}
    assert sessions(tmp_path) == [packed]
    assert verify(packed).seq == 40
    third = parts(packed)[2]
    third.with_name(third.name.removesuffix(".gz")).write_bytes(gzip.decompress(third.read_bytes()))  # as a crash between the two leaves it
    assert [record.data["n"] for record in read(packed)] == list(range(40))


def test_what_is_old_is_packed_and_goes_as_the_settings_say(tmp_path: Path) -> None:
    known = load(daybot_home=tmp_path, journal_plain=1, journal_kept=3, raw_kept=2)
    for day in (16, 17, 18, 19, 20):
        with Journal(known.journals / f"2026-11-{day}-01-test.jsonl") as journal:
            journal.append("event", day, {})
        (known.journals / f"2026-11-{day}-01-test.raw").write_bytes(b"frames")
    (known.journals / "2026-11-18-01-test.jsonl").write_bytes(b"no journal\n")
    done = "\n".join(tidy(known))
    assert "2026-11-18-01-test: left as it is" in done
    assert {path.name for path in known.journals.iterdir() if path.suffix != ".head"} == {
        "2026-11-18-01-test.jsonl", "2026-11-19-01-test.jsonl.gz", "2026-11-19-01-test.raw", "2026-11-20-01-test.jsonl", "2026-11-20-01-test.raw",
    }  # fmt: skip
    assert list(tidy(known)) == [line for line in done.splitlines() if "left as it is" in line]


def test_by_default_no_journal_is_ever_removed(tmp_path: Path) -> None:
    known = load(daybot_home=tmp_path)
    for n in range(40):
        with Journal(known.journals / f"2026-{1 + n // 20:02d}-{1 + n % 20:02d}-01-test.jsonl") as journal:
            journal.append("event", n, {})
    list(tidy(known))
    assert len(sessions(known.journals)) == 40
