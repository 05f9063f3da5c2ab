"""The nightly truth from a journal: what the vendors did side by side, which controls fired, and whether the books passed a limit."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import polars as pl
import pytest
from market import SESSION, briefing_of

from live.journal import Journal
from pipelines.core.journal import Manifest
from pipelines.core.market.bars import MINUTE, SECOND, Bar
from pipelines.core.quality.verdict import Verdict
from pipelines.core.risk.checks import Check, Code
from pipelines.core.trading.decisions import Lineage, Refused, Submit
from pipelines.core.trading.events import AccountState, MarketBar, OrderUpdate
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status
from pipelines.definitions import defs
from pipelines.defs.checks import CHECKS
from pipelines.defs.resources import DayBot
from pipelines.vendors.calendar import session_of

OPEN = session_of(SESSION).open
COLUMNS = ("vendor", "symbol", "lag", "bp")


class Book:
    """A journal in the making, of an account of 100,000 dollars in which XOM and JPM stand at 100."""

    def __init__(self, daybot: DayBot) -> None:
        self.path = daybot.settings.journals / f"{SESSION}-01-aaaa.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(self.path)
        named: dict[str, Any] = {"mode": "paper", "account": "A", "code": "c", "strategies": ()}
        head = Manifest(session=SESSION, run="aaaa", limits=daybot.settings.limits, briefing=briefing_of(["XOM", "JPM"]), **named)
        self.journal.append("session", OPEN, head)
        self.event(AccountState(100_000.0, 100_000.0, 200_000.0, (), OPEN))
        for symbol in ("XOM", "JPM"):
            self.event(MarketBar(Bar(symbol, OPEN, 100.0, 100.0, 100.0, 100.0, 1e4, 100.0, 9), "sip", OPEN + MINUTE))

    def event(self, event: Any) -> None:
        self.journal.append("event", event.at, event)

    def bought(self, symbol: str, quantity: int, *, at: int, filled: tuple[int, ...] = ()) -> None:
        """An entry, and the broker's words on its fills, each of them twice."""
        order = Order(f"d-{symbol}-{at}-entry", symbol, Side.BUY, quantity, Shape.BRACKET, target=110.0, stop=95.0)
        lineage = Lineage("momentum", "v", "b", "sip", OPEN, 100.0, 2.0, {}, (), ())
        self.journal.append("decision", at, Submit(order, Role.ENTRY, order.id[:-6], "test", at, lineage))
        for shares in filled or (quantity,):
            status = Status.FILLED if shares == quantity else Status.WORKING
            for _ in range(2):
                self.event(OrderUpdate(order.id, symbol, Side.BUY, status, shares, 100.0, at + SECOND, "broker", "fill"))

    def refused(self, symbol: str, code: Code) -> None:
        check = Check(code, 0.06, 0.05, False, "too much")
        self.journal.append("decision", OPEN + MINUTE, Refused(symbol, Side.BUY, 10, 100.0, "momentum", "test", check, OPEN + MINUTE))

    def minute(self, n: int, *rows: tuple[str, str, float | None, float | None]) -> None:
        self.journal.append("compare", OPEN + (n + 2) * MINUTE, {"minute": OPEN + n * MINUTE, "vendors": {}, "columns": COLUMNS, "rows": rows})


@pytest.fixture
def daybot(tools: Callable[..., DayBot]) -> DayBot:
    return tools()


def made(daybot: DayBot, asset: str) -> pl.DataFrame:
    job = defs().resolve_job_def("after_close")
    done = job.execute_in_process(partition_key=SESSION.isoformat(), resources={"daybot": daybot}, op_selection=[asset])
    assert done.success
    return daybot.warehouse.read(asset, SESSION)


def judged(daybot: DayBot, asset: str, name: str) -> Verdict:
    """The verdict of a check that Dagster knows."""
    assert dg.AssetCheckKey(dg.AssetKey(asset), name) in defs().resolve_asset_graph().get_check_keys_for_assets({dg.AssetKey(asset)})
    return next(judge for check, judge in CHECKS.items() if (check.asset, check.name) == (asset, name))(daybot, SESSION)


def test_of_each_vendor_and_symbol_the_minutes_the_lag_and_the_distance_are_counted_once(daybot: DayBot) -> None:
    book = Book(daybot)
    book.minute(0, ("sip", "XOM", 0.2, 0.0), ("polygon", "XOM", 1.0, 0.0))
    book.minute(1, ("sip", "XOM", 0.4, -80.0), ("polygon", "XOM", 2.0, 80.0))
    book.minute(1, ("sip", "XOM", 0.4, -80.0), ("polygon", "XOM", 2.0, 80.0))  # told again at a switch
    book.minute(2, ("sip", "XOM", 0.9, None), ("polygon", "XOM", None, None))
    book.journal.close()
    rows = {row["vendor"]: row for row in made(daybot, "feed_comparison").iter_rows(named=True)}
    ours, theirs = rows["sip"], rows["polygon"]
    assert (ours["minutes"], ours["bars"], ours["missing"], ours["pairs"], ours["apart"]) == (3, 3, 0, 2, 1)
    assert (theirs["minutes"], theirs["bars"], theirs["missing"], theirs["pairs"], theirs["apart"]) == (3, 2, 1, 2, 1)
    assert (ours["lag"], ours["lag_max"], ours["bp"], ours["bp_max"]) == (0.4, 0.9, 40.0, 80.0)


def test_vendors_that_miss_minutes_or_contradict_each_other_fail_the_check_and_one_venue_may_miss_them(daybot: DayBot) -> None:
    assert judged(daybot, "journal", "told_alike").passed, "no session, nothing to compare"
    book = Book(daybot)
    for n in range(100):
        book.minute(n, ("iex", "XOM", None if n % 2 else 0.1, None if n % 2 else 0.0), ("polygon", "XOM", 0.1, None if n % 2 else 0.0))
    book.journal.flush()
    assert judged(daybot, "journal", "told_alike").passed
    book.minute(100, ("iex", "XOM", 0.1, None), ("polygon", "XOM", None, None))
    book.minute(101, ("iex", "XOM", 0.1, None), ("polygon", "XOM", None, None))
    book.journal.flush()
    found = judged(daybot, "journal", "told_alike")
    assert not found.passed
    assert "polygon: 2 of 102 missing" in found.detail
    book.journal.close()


def test_the_controls_report_counts_refusals_and_measures_the_books(daybot: DayBot) -> None:
    book = Book(daybot)
    book.bought("XOM", 19, at=OPEN + 2 * MINUTE, filled=(5, 19))
    book.bought("JPM", 18, at=OPEN + 2 * MINUTE + SECOND)
    book.refused("XOM", Code.SECTOR)
    book.refused("XOM", Code.COOLDOWN)
    book.journal.close()
    rows = {row["control"]: row for row in made(daybot, "controls_report").iter_rows(named=True)}
    assert rows["POSITION_SIZE"]["peak"] == pytest.approx(0.019), "the fill that was told twice counts once"
    assert rows["GROSS"]["peak"] == pytest.approx(0.037)
    assert rows["POSITIONS"]["peak"] == 2
    assert rows["ENTRIES"]["peak"] == 2
    assert rows["ORDER_RATE"]["peak"] == 2
    assert rows["ORDER_VALUE"]["peak"] == 1900
    assert (rows["SECTOR"]["refused"], rows["SECTOR"]["peak"]) == (1, pytest.approx(0.019))
    assert (rows["COOLDOWN"]["refused"], rows["COOLDOWN"]["limit"]) == (1, None)
    assert not any(row["breached"] for row in rows.values())
    assert judged(daybot, "journal", "controlled").passed


def test_a_limit_that_the_books_passed_fails_the_check_and_names_it(daybot: DayBot) -> None:
    book = Book(daybot)
    book.bought("XOM", 23, at=OPEN + 2 * MINUTE)
    book.journal.close()
    found = judged(daybot, "journal", "controlled")
    assert not found.passed
    assert "POSITION_SIZE XOM" in found.detail
    assert "SECTOR" not in found.detail


def test_a_price_that_moves_afterwards_passes_no_limit(daybot: DayBot) -> None:
    book = Book(daybot)
    book.bought("XOM", 19, at=OPEN + 2 * MINUTE)
    book.event(MarketBar(Bar("XOM", OPEN + 3 * MINUTE, 100.0, 160.0, 100.0, 160.0, 1e4, 100.0, 9), "sip", OPEN + 4 * MINUTE))
    book.journal.close()
    assert judged(daybot, "journal", "controlled").passed


def test_live_and_backtest_that_made_other_trades_fail_the_check(daybot: DayBot) -> None:
    both = {"symbol": "XOM", "strategy": "momentum", "side": "buy", "number": 1, "cause": "price", "minutes": 0.0, "entry_bp": 2.0, "exit_bp": 3.0}
    row = {"session": SESSION, **both, "live": 5.0, "backtest": 6.0, "difference": -1.0}
    daybot.warehouse.replace({"live_against_backtest": pl.DataFrame([row])}, [SESSION])
    found = judged(daybot, "live_against_backtest", "matched")
    assert found.passed
    assert "+5.00 bp worse" in found.detail
    daybot.warehouse.replace({"live_against_backtest": pl.DataFrame([{**row, "exit_bp": 30.0}])}, [SESSION])
    assert not judged(daybot, "live_against_backtest", "matched").passed
    alone = {**row, "number": 2, "cause": "signal: only live", "entry_bp": None, "exit_bp": None, "minutes": None, "backtest": None}
    daybot.warehouse.replace({"live_against_backtest": pl.DataFrame([row, alone])}, [SESSION])
    assert not judged(daybot, "live_against_backtest", "matched").passed


def test_a_session_that_replays_otherwise_fails_the_check_and_says_where(daybot: DayBot) -> None:
    book = Book(daybot)
    book.journal.flush()
    assert judged(daybot, "journal", "replayed").passed
    book.refused("XOM", Code.SECTOR)
    book.journal.close()
    found = judged(daybot, "journal", "replayed")
    assert not found.passed
    assert f"differs: {SESSION}-01-aaaa.jsonl after record" in found.detail
