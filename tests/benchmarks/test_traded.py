"""A year of sessions measured anew for every question, as a ratio to reading the same rows and no more."""

import sys
import time
from collections.abc import Callable
from datetime import date

import numpy as np
import polars as pl
import pytest
from sealed import journaled

from pipelines import publish, settings, traded
from pipelines.core.analytics import books
from pipelines.core.analytics.session import ledger
from pipelines.core.analytics.wishes import wished
from pipelines.publish import Snapshot
from pipelines.store import Warehouse
from pipelines.vendors import calendar

YEAR = 252
LAST = date(2026, 11, 20)

pytestmark = pytest.mark.benchmark


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """One session's marts, 252 times, with money that differs; about as many trades as a watchlist of thirty names makes."""
    records = journaled(max_sector_exposure=0.025)
    tables = ledger.tables(records)
    candidates, exits = wished(records, tables["runs"])
    one = {"round_trips": books.trips(tables), "trading_days": books.days(tables, 0.01), "executions": books.executions(tables)}
    one |= {"candidates": candidates, "exits": exits}
    rng, days = np.random.default_rng(7), calendar.trailing(LAST, YEAR)
    times = {name: (1 if name == "trading_days" else 4) for name in one}
    marts = {name: pl.concat([pl.concat([_on(frame, day, rng)] * times[name]) for day in days]) for name, frame in one.items()}
    known = settings.load(_env_file=None, daybot_home=tmp_path_factory.mktemp("year"))
    warehouse = Warehouse(known)
    warehouse.replace(marts, days)
    return publish.release(known, "2026-11-23-20261120T230000000Z-00000000", warehouse.copy)


def _on(frame: pl.DataFrame, day: date, rng: np.random.Generator) -> pl.DataFrame:
    money = [pl.col(name) * float(rng.normal(0, 1)) for name in ("net", "profit", "return") if name in frame.columns]
    return frame.with_columns(pl.lit(day).alias("session"), *money)


@pytest.mark.parametrize(("question", "most"), [("performance", 3.0), ("risk", 3.0), ("execution", 3.0), ("optimization", 3.0)])
def test_a_question_about_a_year_costs_a_few_times_the_reading_of_its_rows(question: str, most: float, year: Snapshot) -> None:
    tables = {"performance": ("trading_days", "round_trips"), "risk": ("trading_days", "round_trips"), "execution": ("executions", "candidates"),
              "optimization": ("trading_days", "round_trips", "candidates", "exits")}[question]  # fmt: skip
    book = traded.settled(year, None).book
    floor = cpu(lambda: [year.sql(f"SELECT * FROM {name} WHERE book = ?", [book]) for name in tables])
    took = cpu(lambda: getattr(traded, question)(year))
    rows = sum(year.rows()[name] for name in tables)
    sys.stdout.write(f"{question}: {took:.3f} CPU s for {rows:,} rows, {took / floor:.1f} times their reading ({floor:.3f})\n")
    assert took <= most * floor


def cpu(work: Callable[[], object], rounds: int = 3) -> float:
    """CPU seconds of the fastest of several rounds."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)
