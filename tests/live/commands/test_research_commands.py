"""`daybot check-strategy` and `daybot limits` as people use them."""

from pathlib import Path

import polars as pl
import pytest
from commands import daybot
from market import SECTORS, briefing_of, day_bars
from sealed import journaled, lines

from live.commands.research.proofs import imports
from pipelines import roster
from pipelines.core.analytics.session.explain import candidates, explained
from pipelines.core.backtest.peaks import peaks
from pipelines.core.backtest.run import run
from pipelines.core.journal import event_of, manifest, records
from pipelines.core.risk.checks import Code
from pipelines.core.risk.limits import Limits
from pipelines.core.strategies.momentum import Momentum
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.seats import Allocation


def test_a_shipped_strategy_passes_every_examination() -> None:
    ran = daybot("check-strategy", "momentum", "--set", "volume=1.0")
    assert ran.code == 0, ran.output
    assert "failed" not in ran.output
    for examination in ("again", "truncated", "perturbed", "alone", "restored", "warm", "source"):
        assert examination in ran.output


def test_a_parameter_that_does_not_exist_is_named() -> None:
    ran = daybot("check-strategy", "momentum", "--set", "volum=1.0")
    assert ran.code == 1
    assert "volum" in ran.output


def test_a_strategy_that_reads_the_clock_is_named_by_what_it_imports() -> None:
    assert imports(Momentum) == []
    assert "os" in imports(Path)


def test_limits_are_listed_with_what_they_answer_to(tmp_path: Path) -> None:
    ran = daybot("limits", "--json", home=tmp_path)
    assert ran.code == 0, ran.output
    assert '"max_sector_exposure"' in ran.output
    assert "RTS 6 article 15(1)(b)" in ran.output


@pytest.mark.parametrize("width", [80, 120])
def test_limits_read_well_on_a_terminal_of_any_width(width: int, tmp_path: Path) -> None:
    ran = daybot("limits", home=tmp_path, COLUMNS=str(width), RESTRICTED="GME,AMC")
    assert ran.code == 0, ran.output
    assert {name.upper() for name in Limits.model_fields} <= {line.split()[0] for line in ran.output.splitlines() if line.strip()}, "whole names"
    assert "…" not in ran.output
    assert max(map(len, ran.output.splitlines())) <= width
    assert len(ran.output.splitlines()) <= 3 * len(Limits.model_fields)


def test_use_of_limits_is_what_the_gate_would_say_of_what_is_held() -> None:
    engine = Engine(briefing_of(SECTORS), Limits(), [Allocation(Momentum(), "v")], run="t")
    steps = run(engine, day_bars(), equity=100_000)
    step = next(step for step in steps if len(engine.trades) > 1)
    book = engine.book(step.event.at)
    used = {check.code: check.value for check in engine.usage(step.event.at)}
    gross = sum(abs(e.value) for e in book.exposures) / book.equity
    assert used[Code.GROSS] == pytest.approx(gross, abs=1e-9)
    assert used[Code.HEAT] == pytest.approx(sum(e.heat for e in book.exposures) / book.equity, abs=1e-9)
    assert used[Code.POSITIONS] == len({e.symbol for e in book.exposures})
    largest = max(abs(e.value) for e in book.exposures) / book.equity
    assert max(c.value for c in engine.usage(step.event.at) if c.code is Code.POSITION_SIZE) == pytest.approx(largest, abs=1e-9)


def test_how_near_a_session_came_to_its_limits_is_what_the_engine_says_of_each_moment() -> None:
    told = journaled()
    head = manifest(told[0])
    found = {(peak.check.code, peak.check.detail.partition(":")[0]): peak for peak in peaks(told, roster.restored(head))}
    gross = most = 0.0
    engine = Engine(head.briefing, head.limits, roster.restored(head), run=head.run)
    for record in told[1:]:
        if record.kind == "event":
            event = event_of(record)
            engine.process(event)
            gross = sum(abs(e.value) for e in engine.book(event.at).exposures) / engine.book(event.at).equity if engine.portfolio else 0.0
            most = max(most, gross)
    (peak,) = [peak for (code, _), peak in found.items() if code is Code.GROSS]
    assert 0 < peak.check.value <= most + 1e-9
    assert peak.check.value == pytest.approx(most, rel=0.02)
    assert {detail for code, detail in found if code is Code.SECTOR} == {"Information Technology", "Financials", "Energy"}


def test_a_journal_answers_for_its_orders_and_its_limits_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "2026-11-20-01-t.jsonl"
    path.write_bytes(b"\n".join(lines(max_sector_exposure=0.025)) + b"\n")
    ran = daybot("explain", "--journal", str(path))
    assert ran.code == 0, ran.output
    assert "refused" in ran.output
    traded = str(candidates(explained(records(lines(max_sector_exposure=0.025)))).filter(pl.col("quantity") > 0)["symbol"][0])
    ran = daybot("explain", traded, "--journal", str(path))
    assert ran.code == 0, ran.output
    for word in ("stands on", "daily ATR 14", "size by", "control", "deciding bar", "SECTOR", "in all", "bracket"):
        assert word in ran.output, word
    ran = daybot("explain", "no-such-order", "--journal", str(path))
    assert (ran.code, "JPM" in ran.output) == (1, True)
    ran = daybot("limits", "--journal", str(path))
    assert (ran.code, "Financials" in ran.output, "HEAT" in ran.output) == (0, True, True), ran.output
