"""A disk that fills up: entries halt while there is room for what protects, and nothing is ever sent that was not written (F41)."""

import asyncio
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from floor import Floor, floor_settings, play, resumed

from live import journal, raw
from live.retention import tidy
from live.sim.embedded import Exchange
from pipelines import journals
from pipelines.core.backtest.replay import replay
from pipelines.core.errors import JournalError
from pipelines.core.trading.decisions import TradingState
from pipelines.settings import load


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of eight megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a file system can only be mounted by root: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, leaving: int = 0) -> None:
    """Take all room but so many bytes of it."""
    with (disk / "filler").open("wb") as file:
        file.write(bytes(shutil.disk_usage(disk).free - leaving))


def same_again(path: Path) -> None:
    journal.verify(path)
    assert replay(list(journal.read(path)), ()).difference is None


def test_f41_a_disk_that_runs_low_halts_entries_and_the_rest_is_for_the_exits(exchange: Exchange, small: Path) -> None:
    known = floor_settings(exchange.url, small / "home", disk_reserve=3)

    async def act(floor: Floor) -> None:
        await floor.held()
        assert floor.state is TradingState.ACTIVE
        fill(small, leaving=2_000_000)
        await floor.step(2)
        assert floor.codes.count("DISK_FULL") == 1
        floor.buy("BBB")
        await floor.step(3)
        assert floor.protected()
        floor.close()
        await floor.step(5)

    floor = play(exchange, known, act)
    assert floor.state is TradingState.HALTED
    assert floor.books.positions == {}
    assert floor.books.open == []
    assert [f["symbol"] for f in floor.books.raw["fills"] if f["side"] == "buy"] == ["AAA"]
    same_again(journal.latest(known.journals))


def test_f41_a_full_disk_ends_the_session_nothing_goes_out_unwritten_and_the_next_run_goes_on(exchange: Exchange, small: Path) -> None:
    """Really full, and no reserve was kept."""
    known = floor_settings(exchange.url, small / "home", disk_reserve=0)

    async def act(floor: Floor) -> None:
        await floor.held()
        fill(small)
        for n in range(400):
            floor.buy("BBB", 1, name=f"{n:04d}-{'x' * 50}")  # the first one that does not fit ends it
        assert floor.task is not None
        await asyncio.wait({floor.task}, timeout=20)

    with pytest.raises(JournalError, match="nothing may be sent"):
        play(exchange, known, act)
    path = journal.latest(known.journals)
    (small / "filler").unlink()

    async def goes_on() -> Floor:
        floor = resumed(exchange, known)
        await floor.open()
        await floor.step(10)
        assert floor.protected()
        floor.flatten()
        await floor.step(15)
        floor.runner.stop()
        assert floor.task is not None
        await floor.task
        return floor

    floor = asyncio.run(goes_on())
    assert floor.books.positions == {}
    assert floor.books.open == []
    same_again(path)
    written = path.read_text()
    assert all(order["client_order_id"] in written for order in floor.books.raw["orders"] if order["client_order_id"].endswith("-entry"))


def test_frames_that_cannot_be_sealed_cost_themselves_and_the_entries_and_leave_the_journal_its_room(exchange: Exchange, small: Path) -> None:
    known = floor_settings(exchange.url, small / "home", disk_reserve=0)

    async def act(floor: Floor) -> None:
        await floor.held()
        fill(small, leaving=500_000)
        for _ in range(2000):
            floor.runner.raw.take("sip", os.urandom(500), floor.clock.now())
        await floor.step(1)
        async with asyncio.timeout(20):
            while "DISK_FULL" not in floor.codes:
                await asyncio.sleep(0.01)
        floor.buy("BBB")
        await floor.step(3)
        assert floor.protected()
        floor.close()
        await floor.step(5)

    floor = play(exchange, known, act)
    assert floor.codes.count("DISK_FULL") == 1
    assert floor.state is TradingState.HALTED
    assert (floor.books.positions, floor.books.open) == ({}, [])
    assert [f["symbol"] for f in floor.books.raw["fills"] if f["side"] == "buy"] == ["AAA"]
    path = journal.latest(known.journals)
    same_again(path)
    (unsealed,) = [record.data for record in journal.read(path) if record.kind == "unsealed"]
    assert 1000 < unsealed["frames"] < 2000, "said in the journal, and the block before it is whole"
    assert raw.verify(path).frames > 500


def test_what_cannot_be_packed_stays_as_it_is_and_the_rest_is_done(small: Path) -> None:
    known = load(daybot_home=small, journal_plain=1, raw_kept=1)
    for day in (18, 19, 20):
        with journal.Journal(known.journals / f"2026-11-{day}-01-test.jsonl") as made:
            made.append("event", day, {"text": os.urandom(200_000).hex()})
    (known.journals / "2026-11-18-01-test.raw").write_bytes(b"frames")
    fill(small)
    done = list(tidy(known))
    assert sum("left as it is" in line for line in done) == 2
    assert any("raw frames removed" in line for line in done)
    assert {path.suffix for path in known.journals.iterdir()} == {".jsonl", ".head"}, "nothing half done is left"
    (small / "filler").unlink()
    assert sum(".jsonl.gz" in line for line in tidy(known)) == 2
    assert [next(iter(journal.read(path))).at for path in journals.sessions(known.journals)] == [18, 19, 20]


def test_f41_a_write_that_the_system_cuts_short_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Under a limit of the file's size, which nobody needs to be root for."""
    path = tmp_path / "2026-11-20-01-test.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with journal.Journal(path) as made:
        made.append("event", 1, {"text": "x" * 500})
        made.barrier()
        made.append("event", 2, {"text": "y" * 2000})
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))
        try:
            for _ in range(2):
                with pytest.raises(JournalError, match="nothing may be sent"):
                    made.barrier()
            assert path.stat().st_size == 1500
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        made.append("event", 3, {})
    assert [record.at for record in journal.read(path)] == [1, 2, 3]
    journal.verify(path)
