"""What the live runner saw comes into the lake from its journal: with the moment of receipt, under the market's own name, however often read."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from market import SECTORS, SESSION, briefing_of, day_bars
from msgspec.structs import astuple, replace

from live.journal import Journal
from pipelines import publish
from pipelines.core.briefing import Origin
from pipelines.core.journal import Manifest
from pipelines.core.market.bars import SECOND
from pipelines.core.trading.events import MarketBar, Tick
from pipelines.definitions import defs
from pipelines.defs.resources import DayBot


def record(path: Path, daybot: DayBot, events: list[MarketBar | Tick], origin: Origin) -> None:
    """A journal as the runner writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    briefing = briefing_of(SECTORS).model_copy(update={"origin": origin})
    named = {"mode": "paper", "account": "A", "code": "c", "strategies": ()}
    head = Manifest(session=SESSION, run=path.stem, limits=daybot.settings.limits, briefing=briefing, **named)
    with Journal(path) as journal:
        journal.append("session", 1, head)
        for event in events:
            journal.append("event", event.at, event)


@pytest.mark.parametrize(("origin", "name"), [(Origin.VENDOR, "iex"), (Origin.GENERATED, "generated")])
def test_bars_of_two_runs_are_there_once_as_they_were_first_received(tools: Callable[..., DayBot], origin: Origin, name: str) -> None:
    daybot = tools()
    bars = day_bars()
    saw = [MarketBar(bar, "iex", bar.start + 61 * SECOND) for bar in bars]
    late = [replace(event, at=event.at + 600 * SECOND, late=True) for event in saw[300:900]]
    record(daybot.settings.journals / f"{SESSION}-01-aaaa.jsonl", daybot, [Tick(5), *saw[:500]], origin)
    record(daybot.settings.journals / f"{SESSION}-02-bbbb.jsonl", daybot, [*late, *saw[900:]], origin)
    job = defs().resolve_job_def("after_close")
    for _ in range(2):
        run = job.execute_in_process(partition_key=SESSION.isoformat(), resources={"daybot": daybot}, op_selection=["journal"])
        assert run.asset_materializations_for_node("journal")[0].metadata["bars_seen"].value == 500 + 600 + len(saw) - 900
    seen = publish.bars(daybot.settings, "minute", SESSION, SESSION, view="seen")
    assert set(seen["feed"]) == {name}
    assert seen.select(
        "symbol", (pl.col("timestamp").dt.epoch("ns")).alias("start"), "open", "high", "low", "close", "volume", "vwap", "trades"
    ).rows() == sorted(map(astuple, bars))
    delays = (seen["learned_at"] - seen["timestamp"]).dt.total_seconds()
    assert seen["late"].sum() == 400, "what the first run had received is not late"
    assert set(zip(seen["late"], delays, strict=True)) == {(False, 61), (True, 661)}
