"""Raw frames beside the journal: what was on the wire is what is read, nothing secret is among it, and whatever is changed afterwards is found."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import Result
from desk import world
from floor import Floor, floor_settings, play
from typer.testing import CliRunner

from live import journal, raw
from live.cli import app
from live.journal import Journal
from live.raw import Frame, Raw
from live.sim.embedded import Exchange
from pipelines.core.errors import JournalError

SECRET = "canary-of-the-secret-key"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The journal of a position that was opened and closed, both in its folder, and the venue's books."""
    folder = tmp_path_factory.mktemp("raw")
    with Exchange(world(folder, {"AAA": [100.0] * 390, "BBB": [100.0] * 390}), stepped=True, partial_rate=0.0, rate_limit=0) as exchange:
        exchange.step_to(10, 0)

        async def act(floor: Floor) -> None:
            await floor.held()
            exchange.inject(kind="rest.reset", stage="after", method="POST", path="/v2/orders")
            floor.flatten()
            await floor.step(10)

        floor = play(exchange, floor_settings(exchange.url, folder / "home", alpaca_secret_key=SECRET, polygon_api_key=SECRET), act)
        assert floor.books.positions == {}
        yield journal.latest(folder / "home" / "journal"), floor.books.raw


def of(path: Path, source: str) -> list[dict[str, Any]]:
    return [json.loads(raw.text(frame)) for frame in raw.frames(path) if frame.source == source]


def test_market_frames_of_both_vendors_updates_and_requests_are_all_there(session: tuple[Path, dict[str, Any]]) -> None:
    path, books = session
    bars = {(m["S"], m["t"]) for frame in of(path, "sip") for m in frame if m["T"] == "b"}
    assert {symbol for symbol, _ in bars} == {"AAA", "BBB"}
    assert {m["sym"] for frame in of(path, "polygon") for m in frame if m["ev"] == "AM"} == {"AAA", "BBB"}
    told = [frame["data"]["order"]["id"] for frame in of(path, "trading") if frame["stream"] == "trade_updates"]
    assert set(told) >= {order["id"] for order in books["orders"] if order["status"] == "filled"}
    asked = of(path, "broker")
    sent = [each["body"]["client_order_id"] for each in asked if each["method"] == "POST" and each["url"].endswith("/orders")]
    assert sent[0] == books["orders"][0]["client_order_id"]
    assert [each["error"] for each in asked if "error" in each] == ["ProtocolError"], "a request without an answer is there too"
    assert all(json.loads(each["answer"] or "null") is not None for each in asked if each.get("status") == 200)


def test_a_frame_is_there_before_the_event_that_came_of_it(session: tuple[Path, dict[str, Any]]) -> None:
    path, _ = session
    frames = {(m["S"], m["t"]): frame.at for frame in raw.frames(path) if frame.source == "sip" for m in json.loads(raw.text(frame)) if m["T"] == "b"}
    events = [record for record in journal.read(path) if record.kind == "event" and record.data["kind"] == "bar" and not record.data["late"]]
    assert events
    assert min(frames.values()) <= min(record.at for record in events)


def test_no_key_is_in_what_was_kept(session: tuple[Path, dict[str, Any]]) -> None:
    path, _ = session
    assert not any(SECRET.encode() in frame.data for frame in raw.frames(path))
    assert not any(SECRET.encode() in file.read_bytes() for file in path.parent.iterdir())
    assert {file.stat().st_mode & 0o777 for file in raw.files(path)} == {0o600}


def ran_here(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_the_command_line_verifies_shows_and_exports_them(session: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    path, books = session
    ran = ran_here("journal", "verify", str(path))
    assert (ran.exit_code, "frames in" in ran.output) == (0, True), ran.output
    ran = ran_here("journal", "show", str(path), "--raw", "--of", "trading", "--json")
    assert {json.loads(line)["source"] for line in ran.output.splitlines()} == {"trading"}
    assert books["orders"][0]["id"] in ran.output
    ran = ran_here("journal", "export", str(tmp_path / "tables"), str(path), "--raw")
    assert ran.exit_code == 0, ran.output
    table = pl.read_parquet(tmp_path / "tables" / "raw.parquet")
    assert table.height == sum(1 for _ in raw.frames(path))
    assert set(table["source"]) == {"sip", "polygon", "trading", "broker"}


def kept(folder: Path, count: int, *, part: int = 0) -> Path:
    """A journal with raw frames of about 300 KB each."""

    async def write() -> Path:
        path = folder / "2026-11-20-01-test.jsonl"
        with Journal(path) as made:
            taken = Raw(made, part=part, failed=pytest.fail)
            for n in range(count):
                taken.take("sip", b"[%d, %s]" % (n, b"1" * 300_000), n)
                taken.seal()
            await taken.close()
        return path

    return asyncio.run(write())


def test_files_go_on_in_others_and_all_are_read_in_order(tmp_path: Path) -> None:
    path = kept(tmp_path, 20, part=1000)
    assert len(raw.files(path)) > 5
    assert [frame.at for frame in raw.frames(path)] == list(range(20))
    sealed = raw.verify(path)
    assert (sealed.frames, sealed.gone) == (20, 0)
    raw.files(path)[0].unlink()
    assert raw.verify(path).gone >= 1
    with pytest.raises(JournalError, match="RAW_KEPT"):
        list(raw.frames(path))


@pytest.mark.parametrize("at", [0, 3, 12, 40, -1])
def test_a_changed_byte_and_a_cut_end_are_found(tmp_path: Path, at: int) -> None:
    path = kept(tmp_path, 3)
    (file,) = raw.files(path)
    text = bytearray(file.read_bytes())
    text[at] ^= 1
    file.write_bytes(text)
    with pytest.raises(JournalError, match="is not what the journal sealed"):
        raw.verify(path)
    text[at] ^= 1
    file.write_bytes(text[:-1])
    with pytest.raises(JournalError, match="changed, moved or cut"):
        raw.verify(path)


def test_what_a_crash_left_unsealed_is_nobodys_and_the_next_run_begins_another_file(tmp_path: Path) -> None:
    path = kept(tmp_path, 3)
    with raw.files(path)[0].open("ab") as file:
        file.write(b"a block that was being written")
    assert raw.verify(path).frames == 3

    async def goes_on() -> None:
        with Journal(path, resume=True) as made:
            taken = Raw(made, part=0, failed=pytest.fail)
            taken.take("broker", b"{}", 99)
            await taken.close()

    asyncio.run(goes_on())
    assert len(raw.files(path)) == 2
    assert [frame.at for frame in raw.frames(path)] == [0, 1, 2, 99]


def test_a_frame_that_is_no_message_is_shown_as_its_bytes() -> None:
    assert raw.text(Frame(1, "polygon", b"{torn")) == "{torn"
    assert raw.text(Frame(1, "sip", b"\xc1\xff")) == repr(b"\xc1\xff")
    assert raw.text(Frame(1, "sip", b"")) == ""
