"""The whole chain as a newcomer runs it: what it says, what it leaves behind, and whether it can be repeated."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
from commands import Ran, daybot, working_in
from recorded import recorded

from live import journal
from live.commands.demo import environment, sim_settings
from pipelines import publish, roster, traded
from pipelines.core.backtest.replay import rebuild, replay
from pipelines.core.backtest.run import run
from pipelines.core.journal import Manifest, Record, decision_of, event_of, manifest
from pipelines.core.market.bars import Bar
from pipelines.core.portfolio.weights import METHODS
from pipelines.core.trading.decisions import Decision, Refused, Submit, TradeClosed
from pipelines.core.trading.events import MarketBar
from pipelines.core.trading.orders import Role
from pipelines.settings import Settings, load


@pytest.fixture(scope="session")
def settings(demo: Ran) -> Settings:
    return load(daybot_home=demo.home)


@pytest.fixture(scope="session")
def records(settings: Settings) -> list[Record]:
    return list(journal.read(journal.latest(settings.journals)))


@pytest.fixture(scope="session")
def head(records: list[Record]) -> Manifest:
    return manifest(records[0])


@pytest.fixture(scope="session")
def decisions(records: list[Record]) -> list[Decision]:
    return [decision_of(r) for r in records if r.kind == "decision"]


Entry = tuple[int, str, str, int]


def entries(decisions: list[Decision]) -> list[Entry]:
    """Minute, symbol, side and quantity of each entry, in the order of the clock."""
    made = [d for d in decisions if isinstance(d, Submit) and d.role is Role.ENTRY]
    return sorted((d.lineage.bar if d.lineage else 0, d.order.symbol, d.order.side.value, d.order.quantity) for d in made)


def test_it_ends_well_and_says_what_happened(demo: Ran, decisions: list[Decision]) -> None:
    assert demo.code == 0, demo.output
    trades = [d for d in decisions if isinstance(d, TradeClosed)]
    assert f"Round trips ({len(trades)})" in demo.output
    assert "SIMULATED" in demo.output
    assert f"Refused ({sum(isinstance(d, Refused) for d in decisions)})" in demo.output
    assert "daybot dashboard --home" in demo.output


def test_faults_of_the_day_that_cannot_be_read_are_said_and_nothing_runs(tmp_path: Path) -> None:
    ran = daybot("demo", "--scenario", str(tmp_path / "storm.json"), home=tmp_path / "home")
    assert (ran.code, "cannot read the scenario" in ran.output) == (1, True), ran.output
    assert working_in(ran.home) == []


def test_the_nights_weights_are_shown_with_a_line_for_the_settings(demo: Ran) -> None:
    refused = daybot("weights", "--method", "best", home=demo.home)
    assert refused.code == 2
    assert all(name in refused.output for name in METHODS), "every method may be named"
    shown = daybot("weights", home=demo.home)
    assert (shown.code, "watchlist" in shown.output) == (0, True), shown.output
    told = daybot("weights", "--json", home=demo.home)
    rows = json.loads(told.output)
    assert {row["method"] for row in rows if row["book"] == "watchlist"} == set(METHODS)


def test_what_past_entries_teach_is_told_by_strategy(demo: Ran) -> None:
    shown = daybot("scorers", home=demo.home)
    assert shown.code == 0, shown.output
    for word in ("momentum", "orb", "reversion", "learns from 300 examples on", "MIN_SCORE=0: asks no scorer"):
        assert word in shown.output, word
    rows = json.loads(daybot("scorers", "--json", home=demo.home).output)
    assert all(row["examples"] > 0 and row["scorer"] is None for row in rows), "a day's examples teach nothing"


def test_it_leaves_no_process_behind(demo: Ran) -> None:
    assert working_in(demo.home) == []


def test_it_trades_and_ends_flat(decisions: list[Decision], records: list[Record]) -> None:
    assert len(entries(decisions)) >= 5
    assert records[-1].kind == "end"
    assert records[-1].data["flat"] is True
    assert records[-1].data["error"] is None


def test_every_order_says_what_it_stands_on(decisions: list[Decision], head: Manifest) -> None:
    for decision in decisions:
        if isinstance(decision, Submit) and decision.role is Role.ENTRY:
            assert decision.lineage is not None
            assert decision.lineage.briefing == head.briefing.version
            assert decision.lineage.version == head.strategies[0].version
            assert decision.lineage.atr == head.briefing.symbols[decision.order.symbol].atr
            assert {"risk", "position size"} <= {step.bound for step in decision.lineage.sizing}
            assert all(check.passed or check.code for check in decision.lineage.checks)


def test_every_order_says_when_it_was_decided_durable_sent_and_answered(settings: Settings) -> None:
    orders = publish.current(settings).table("executions")
    assert orders.height > 10
    for stage in ("decide", "journal", "send", "acknowledge", "to_fill"):
        assert orders[stage].null_count() == 0, stage
        assert orders[stage].to_numpy().min() >= 0
    assert traded.execution(publish.current(settings)).numbers.fill_rate == 1


def test_the_recorded_session_replays_to_the_same_decisions(records: list[Record], head: Manifest, decisions: list[Decision]) -> None:
    result = replay(records, roster.restored(head))
    assert result.difference is None
    assert result.decisions == len(decisions)


def test_a_replay_under_other_limits_differs_and_says_where(records: list[Record], head: Manifest) -> None:
    stricter = head.model_copy(update={"limits": head.limits.model_copy(update={"max_position_size": 0.001})})
    changed = Record(1, records[0].at, "session", stricter.model_dump(mode="json"))
    result = replay([changed, *records[1:]], roster.restored(head))
    assert result.difference is not None
    assert result.difference.recorded != result.difference.replayed


def test_a_backtest_of_the_official_bars_makes_the_same_entries(settings: Settings, head: Manifest, decisions: list[Decision]) -> None:
    frame = publish.bars(settings, "minute", head.session, head.session).sort("timestamp", "symbol").filter(pl.col("volume") > 0)
    bars = [
        Bar(r["symbol"], int(r["timestamp"].timestamp()) * 10**9, *(r[c] for c in ("open", "high", "low", "close", "volume", "vwap", "trades")))
        for r in frame.iter_rows(named=True)
    ]
    engine = rebuild(head, roster.restored(head))
    tested = [d for step in run(engine, bars, equity=100_000.0) for d in step.decisions]
    assert entries(tested) == entries(decisions)


def test_the_bars_seen_live_are_the_official_ones(settings: Settings, head: Manifest, records: list[Record]) -> None:
    official = publish.bars(settings, "minute", head.session, head.session)
    rows = zip(official["symbol"], official["timestamp"], official["close"], official["volume"], strict=True)
    closes = {(s, int(t.timestamp()) * 10**9): (c, v) for s, t, c, v in rows}
    seen = [event_of(r) for r in records if r.kind == "event" and r.data["kind"] == "bar"]
    assert len(seen) > 10_000
    for event in seen:
        assert isinstance(event, MarketBar)
        assert closes[event.bar.symbol, event.bar.start] == (event.bar.close, event.bar.volume)


def test_the_published_tables_tell_the_same_story_as_the_journal(settings: Settings, head: Manifest, decisions: list[Decision]) -> None:
    snapshot = publish.current(settings)
    trades = snapshot.table("trades")
    closed = [d for d in decisions if isinstance(d, TradeClosed)]
    assert len(trades) == len(closed)
    assert trades["profit"].sum() == pytest.approx(sum(d.profit for d in closed))
    last = snapshot.table("equity").sort("at").row(-1, named=True)
    assert last["equity"] == pytest.approx(100_000 + trades["profit"].sum())
    fills = snapshot.table("fills").with_columns(pl.when(pl.col("side") == "buy").then(1).otherwise(-1).alias("sign"))
    assert (
        fills.group_by("symbol").agg((pl.col("sign") * pl.col("quantity")).sum().alias("left"))["left"].to_list() == [0] * fills["symbol"].n_unique()
    )
    assert snapshot.briefing().session > head.session


def test_verify_says_that_the_journal_is_intact(demo: Ran) -> None:
    ran = daybot("journal", "verify", home=demo.home)
    assert (ran.code, "intact" in ran.output) == (0, True)


def test_replay_on_the_command_line_is_identical(demo: Ran) -> None:
    ran = daybot("replay", home=demo.home)
    assert (ran.code, "identical" in ran.output) == (0, True)


def test_other_limits_on_the_command_line_say_what_they_would_have_done(demo: Ran, tmp_path: Path) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text("MAX_ENTRIES = 1\n")
    ran = daybot("replay", "--limits", str(limits), home=demo.home)
    assert ran.code == 0, ran.output
    ((was, other),) = re.findall(r"entries\s+(\d+)\s+(\d+)", ran.output)
    assert int(was) > int(other) == 1, ran.output
    assert "refused by" in ran.output
    limits.write_text("max_entrys = 1\n")
    wrong = daybot("replay", "--limits", str(limits), home=demo.home)
    assert (wrong.code, "max_entrys" in wrong.output.lower()) == (1, True), wrong.output


def test_a_home_that_no_demo_made_is_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    ran = daybot("demo", home=tmp_path)
    assert ran.code == 1
    assert "choose another --home" in ran.output
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_a_world_without_that_day_fails_and_says_which_days_there_are(tmp_path: Path) -> None:
    bars = {"symbol": ["AAPL"], "timestamp": ["2026-11-19T14:30:00Z"], "open": [1.0], "high": [1.0], "low": [1.0], "close": [1.0], "volume": [100]}
    pl.DataFrame(bars).with_columns(pl.col("timestamp").str.to_datetime(time_zone="UTC")).write_parquet(tmp_path / "w.parquet")
    ran = daybot("demo", "--world", str(tmp_path / "w.parquet"), "--date", "2026-11-20", home=tmp_path / "home")
    assert ran.code == 1
    assert "2026-11-19" in ran.output


@pytest.mark.parametrize(
    ("minutes", "days", "day", "traded", "refused"),
    [
        ("minute/us_2019-02-11_15.parquet", "daily/sp500_a_c_2018_2021.parquet", "2019-02-14", {"AAPL", "AMZN", "AMT", "BAC"}, 10),
        ("minute/us_2023-05-24_26_extended.parquet", "daily/us_2022_2024.parquet", "2023-05-25", {"TSLA"}, 1),
    ],
)
def test_a_recorded_market_trades_what_has_history_and_refuses_the_rest(
    tmp_path: Path, minutes: str, days: str, day: str, traded: set[str], refused: int
) -> None:
    ran = daybot("demo", "--world", str(recorded(minutes)), "--history", str(recorded(days)), "--date", day, home=tmp_path / "home")
    assert ran.code == 0, ran.output
    made = [r.data for r in journal.read(journal.latest(tmp_path / "home" / "journal")) if r.kind == "decision"]
    assert {d["order"]["symbol"] for d in made if d["kind"] == "submit"} <= traded
    without = {d["symbol"] for d in made if d["kind"] == "refused" and d["check"]["code"] == "HISTORY"}
    assert without.isdisjoint(traded)
    assert 0 < len(without) <= refused


def test_all_that_it_leaves_is_its_owners_alone(demo: Ran) -> None:
    assert [path for path in (demo.home, *demo.home.rglob("*")) if not path.is_symlink() and path.stat().st_mode & 0o077] == []


def test_both_vendors_are_asked_at_night_and_by_day(settings: Settings, records: list[Record]) -> None:
    """The jobs and the runner of `daybot demo` and `daybot up` are children with the same settings."""
    checks = publish.current(settings).table("checks").filter(pl.col("asset") == "second_bars")
    assert checks.height and checks["passed"].all()
    assert checks["detail"].str.starts_with("41 symbols compared: 0 apart").all(), checks["detail"].to_list()
    told = {record.data["vendor"] for record in records if record.kind == "connection" and record.data["cause"] == "subscribed"}
    assert told == {"sip", "polygon"}


def test_a_child_has_the_settings_that_its_parent_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `daybot demo` and `daybot up` hand to Dagster and to the runner through the environment."""
    meant = sim_settings("http://127.0.0.1:8765", tmp_path)
    for name, value in environment(meant).items():
        monkeypatch.setenv(name, value)
    assert load() == meant
