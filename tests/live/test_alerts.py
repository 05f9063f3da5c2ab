"""People hear of what a session must not keep to itself, once, and without holding anything up."""

import threading
from pathlib import Path

import pytest
from market import SECTORS, briefing_of, day_bars

from live.alerts import Alerts, of
from live.metrics import Metrics
from pipelines.alerts import Alert
from pipelines.core.backtest.run import run
from pipelines.core.market.bars import MINUTE, SECOND, Bar
from pipelines.core.risk.checks import Check, Code
from pipelines.core.risk.limits import Limits
from pipelines.core.strategies.momentum import Momentum
from pipelines.core.trading.commands import Resume
from pipelines.core.trading.decisions import Decision, Noticed, Refused, StateChanged, Submit, TradingState
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import AccountState, Action, Answer, Command, Event, FeedStatus, MarketBar, Outcome, Tick
from pipelines.core.trading.orders import Side
from pipelines.core.trading.seats import Allocation
from pipelines.settings import Settings, load


@pytest.fixture
def known(tmp_path: Path) -> Settings:
    return load(_env_file=None, daybot_home=tmp_path)


def refused(code: Code) -> Refused:
    check = Check(code, 1, 1, False, "too much", "MAX")
    return Refused("AAPL", Side.BUY, 1, 1.0, "s", "r", check, 1)


@pytest.mark.parametrize(
    ("decision", "subject"),
    [
        (StateChanged(TradingState.ACTIVE, TradingState.HALTED, "daily loss", 1), "trading is halted: no new entries"),
        (Noticed("POSITIONS_DIFFER", "AAPL: ours 1, broker's 2", 1), "positions differ"),
        (refused(Code.DAILY_LOSS), "entries refused by DAILY_LOSS"),
        (refused(Code.SECTOR), None),
        (Noticed("NOTHING_HELD", "AAPL is flat", 1), None),
    ],
)
def test_what_somebody_must_hear_of(decision: Decision, subject: str | None) -> None:
    found = of(decision)
    assert (found.subject if found else None) == subject


def test_the_same_subject_is_told_once_a_minute_with_the_count_of_the_rest(known: Settings) -> None:
    told: list[Alert] = []
    alerts = Alerts(known, lambda _, alert, log: told.append(alert))
    for at in (0, SECOND, 2 * SECOND, MINUTE):
        alerts.watch(Tick(at), [Noticed("FEED", f"alpaca unhealthy: {at}", at)])
    alerts.close()
    assert sorted(alert.subject for alert in told) == ["feed", "feed"]
    assert any(alert.detail.endswith("(2 more since it was last told)") for alert in told)


def test_a_channel_that_hangs_holds_nothing_up(known: Settings) -> None:
    released = threading.Event()
    alerts = Alerts(known, lambda *_: released.wait(30))
    alerts.watch(Tick(1), [Noticed("FEED", "down", 1)])  # returns at once, or this test does not end
    released.set()
    alerts.close()


def test_the_exposition_counts_what_went_by_and_shows_the_account_as_it_is() -> None:
    engine = Engine(briefing_of(SECTORS), Limits(), [Allocation(Momentum(), "v")], run="t")
    metrics, at = Metrics(engine, "SIM"), engine.hours.open
    bar = Bar("AAPL", at, 100, 101, 99, 100, 1_000, 100, 5)
    steps: list[Event] = [
        AccountState(100_000, 100_000, 400_000, (), at),
        Command("arm", Resume(), "test", at),
        FeedStatus("iex", True, "", at),
        MarketBar(bar, "iex", at + MINUTE + 2 * SECOND),
    ]
    for event in steps:
        metrics.watch(event, engine.process(event))
    lines = metrics.exposition().decode().splitlines()
    for expected in (
        'daybot_events_total{kind="bar"} 1.0',
        'daybot_feed_healthy{feed="iex"} 1.0',
        'daybot_bar_lag_seconds_sum{feed="iex"} 2.0',
        "daybot_trading_state 2.0",
        "daybot_equity_dollars 100000.0",
    ):
        assert expected in lines


def test_the_exposition_has_how_long_the_broker_takes_and_an_order_whose_end_is_unknown_counts_when_it_is_known() -> None:
    engine = Engine(briefing_of(SECTORS), Limits(), [Allocation(Momentum(), "v")], run="t")
    order = next(decision for step in run(engine, day_bars(), equity=100_000) for decision in step.decisions if isinstance(decision, Submit))
    metrics, name = Metrics(engine, "SIM"), order.order.id
    metrics.watch(Tick(order.at), [order])
    metrics.watch(Answer(name, Action.SUBMIT, Outcome.UNKNOWN, order.at + SECOND), [])
    assert b"daybot_answer_seconds_count 0.0" in metrics.exposition()
    metrics.watch(Answer(name, Action.SUBMIT, Outcome.ACCEPTED, order.at + 2 * SECOND), [])
    metrics.watch(Answer(name, Action.CANCEL, Outcome.ACCEPTED, order.at + 9 * SECOND), [])
    said = metrics.exposition()
    assert b"daybot_answer_seconds_sum 2.0" in said
    assert b"daybot_answer_seconds_count 1.0" in said


def test_another_symbol_and_a_switch_of_the_feed_are_news_also_within_the_minute() -> None:
    told: list[str] = []
    alerts = Alerts(load(), send=lambda _, alert, __: told.append(alert.detail.partition(": ")[2]))
    said = ["AAPL: no stop", "MSFT: no stop", "AAPL: no stop still"]
    feeds = [
        "polygon healthy: 2 of 2 symbols",
        "polygon healthy: 3 of 3 symbols",
        "polygon healthy: leads instead of sip: mute",
        "polygon unhealthy: mute",
    ]
    made = [Noticed("NAKED", detail, 0) for detail in said] + [Noticed("FEED", detail, 0) for detail in feeds]
    alerts.watch(Tick(0), made)
    alerts.close()
    assert sorted(told) == sorted([said[0], said[1], feeds[0], feeds[2], feeds[3]])
