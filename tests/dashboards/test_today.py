"""The Today page says what the journal's tables say."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from dashboards import words
from pipelines.core.journal import DECISION
from pipelines.core.trading.decisions import Submit

Open = Callable[..., Any]


def test_profit_of_the_day_is_the_sum_of_the_trades(traded: Any, opened: Open) -> None:
    page = opened(traded.path)
    profit = float(traded.tables["trades"]["profit"].sum())
    assert traded.tables["trades"].height > 2
    assert page.metric("P&L of the day") == f"{'+' if profit >= 0 else '−'}${abs(profit):,.2f}"
    assert page.metric("Equity") == f"${100_000 + profit:,.0f}"
    assert page.table("profit", "r")["profit"].sum() == pytest.approx(profit)


def test_entries_refusals_and_win_rate_are_counted(traded: Any, opened: Open) -> None:
    page = opened(traded.path)
    trades, refused = traded.tables["trades"], traded.tables["decisions"].filter(pl.col("kind") == "refused")
    assert refused.height
    assert page.metric("Refusals") == str(refused.height)
    assert page.metric("Entries") == str(traded.tables["orders"].filter(pl.col("role") == "entry").height)
    assert page.metric("Win rate") == f"{(trades['profit'] > 0).sum() / trades.height * 100:.0f} %"
    assert page.metric("Open positions") == "0"


def test_round_trips_are_shown_on_a_new_york_clock(traded: Any, opened: Open) -> None:
    shown = opened(traded.path).table("opened_at", "closed_at", "profit").sort("closed_at")
    known = traded.tables["trades"].sort("closed_at")
    wanted = known["opened_at"].dt.convert_time_zone("America/New_York").dt.strftime("%H:%M:%S").to_list()
    assert sorted(shown["opened_at"].dt.strftime("%H:%M:%S").to_list()) == sorted(wanted)
    assert dict(shown.select("symbol", "side").iter_rows())["XOM"] == "short"
    assert dict(shown.select("symbol", "side").iter_rows())["AAPL"] == "long"


def test_a_refusal_is_shown_with_what_was_measured_and_allowed(traded: Any, opened: Open) -> None:
    shown = opened(traded.path).table("code", "value", "limit", "detail")
    known = traded.tables["decisions"].filter(pl.col("kind") == "refused")
    assert shown["code"].to_list() == known["code"].to_list()
    assert set(shown["code"]) == {"SECTOR"}
    assert shown["value"].to_list() == [f"{value:.2%}".replace("%", " %") for value in known["value"]]
    assert shown["limit"].to_list() == ["2.50 %"] * known.height
    assert shown["detail"].to_list() == known["detail"].to_list()


def test_a_chosen_trade_shows_the_checks_and_the_sizing_of_its_entry(traded: Any, opened: Open) -> None:
    page = opened(traded.path)
    (choice,) = [box for box in page.app.selectbox if box.label == "Why this trade?"]
    choice.select_index(0)
    page.app.run()
    assert not page.app.exception
    entry = next(d for d in map(DECISION.decode, traded.tables["decisions"]["data"]) if isinstance(d, Submit) and d.lineage)
    checks = page.table("check", "measured", "limit")
    assert checks["check"].to_list() == [c.code.value for c in entry.lineage.checks]
    assert checks["limit"].to_list() == [words.measured(c.code, c.limit) for c in entry.lineage.checks]
    assert checks["words"].to_list() == [c.detail for c in entry.lineage.checks]
    assert page.table("bound", "shares")["shares"].to_list() == [s.shares for s in entry.lineage.sizing]
    assert page.table("indicator")["indicator"].to_list() == list(entry.lineage.indicators)
    assert entry.reason in page.words
    assert entry.lineage.briefing in page.words
    orders = page.table("order", "role", "status")
    assert set(orders["order"]) == set(traded.tables["orders"].filter(pl.col("trade") == entry.trade)["order"])


def test_open_positions_are_shown_with_stop_target_and_last_price(midday: Any, opened: Open) -> None:
    page = opened(midday.path)
    shown = page.table("symbol", "shares", "stop", "target", "last")
    entered = midday.tables["orders"].filter((pl.col("role") == "entry") & (pl.col("filled") > 0))
    still = entered.join(midday.tables["trades"], on="trade", how="anti")
    assert still.height
    assert page.metric("Open positions") == str(still.height)
    assert sorted(shown["symbol"]) == sorted(still["symbol"])
    signs = {"buy": 1, "sell": -1}
    assert dict(shown.select("symbol", "shares").iter_rows()) == {row["symbol"]: signs[row["side"]] * row["filled"] for row in still.to_dicts()}
    assert min(shown["shares"]) < 0 < max(shown["shares"])
    assert sorted(shown["stop"]) == pytest.approx(sorted(still["stop"]))
    assert sorted(shown["target"]) == pytest.approx(sorted(still["target"]))
    assert shown["last"].null_count() == 0
    assert shown["open"].to_list() == pytest.approx([s * (p - e) for s, p, e in zip(shown["shares"], shown["last"], shown["entry"], strict=True)])


def test_open_profit_is_marked_as_the_equity_is(midday: Any, opened: Open) -> None:
    shown = opened(midday.path).table("symbol", "shares", "open")
    assert shown["open"].sum() == pytest.approx(midday.tables["equity"].sort("at")["open"][-1])


def test_with_positions_open_the_profit_is_how_far_equity_came(midday: Any, opened: Open) -> None:
    equity = midday.tables["equity"].sort("at")["equity"]
    came = equity[-1] - equity[0]
    assert opened(midday.path).metric("P&L of the day") == f"{'+' if came >= 0 else '−'}${abs(came):,.2f}"


def test_a_session_without_trades_says_so(quiet: Any, opened: Open) -> None:
    assert quiet.tables["trades"].is_empty()
    page = opened(quiet.path)
    assert page.metric("P&L of the day") == "+$0.00"
    assert page.metric("Win rate") == "–"
    assert "No entry was made" in page.words
    assert "refused nothing" in page.words


def test_the_night_before_shows_what_was_prepared(night: Any, opened: Open) -> None:
    page = opened(night.path)
    assert "No journal of Mon 23 Nov 2026 yet" in page.words
    assert page.metric("Opens") == "09:30:00"
    assert page.metric("Watchlist") == "6"
    assert page.metric("Checks passed") == "1 of 3"


def test_a_missing_table_is_named_with_its_remedy(bare: Any, opened: Open) -> None:
    page = opened(bare.path)
    assert "expected table fills" in page.words
    assert "materialise its asset and publish" in page.words
