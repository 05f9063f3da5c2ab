"""Every notebook runs from top to bottom on a published home, and is kept without outputs."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import nbformat
import numpy as np
import polars as pl
import pytest
from nbclient import NotebookClient

from pipelines import publish
from pipelines.core.briefing import Briefing, Origin
from pipelines.core.risk.regimes import classify
from pipelines.defs.notebooks import data_quality
from pipelines.defs.resources import DayBot
from pipelines.lake.bars import Lake
from pipelines.settings import Settings
from pipelines.store import Warehouse
from pipelines.vendors.calendar import next_session, trailing

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LAST = date(2026, 11, 20)
WILD = {"KO": 0.008, "JPM": 0.012, "XOM": 0.016, "TSLA": 0.035}
"""Daily volatility of each symbol's walk."""


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty sessions of daily bars in the lake, and a snapshot with a universe and a briefing."""
    path = tmp_path_factory.mktemp("notebooks")
    settings = Settings(daybot_home=path)
    for session, rows in _days():
        Lake(settings).put("day", session, "generated", rows, rows.clear(), list(WILD))
    name = publish.version(next_session(LAST), datetime.now(UTC), "a" * 8)
    universe = pl.DataFrame({"session": [LAST] * len(WILD), "symbol": list(WILD), "sector": ["Staples", "Financials", "Energy", "Autos"]})
    row = pl.DataFrame({"session": [next_session(LAST)], "version": [name], "json": [_briefing(name).model_dump_json()]})
    warehouse = Warehouse(settings)
    warehouse.replace({"universe": universe}, [LAST])
    warehouse.replace({"briefings": row}, [next_session(LAST)])
    publish.release(settings, name, warehouse.copy)
    return path


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_says_whose_prices_it_shows(path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOT_HOME", str(home))
    monkeypatch.setenv("PYTHONWARNINGS", "error::DeprecationWarning:__main__")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    said = [output.data.get("text/markdown", "") for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    assert any("SIMULATED" in words for words in said)
    pictures = [output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    assert len(pictures) >= 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs_and_with_ids(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert all(cell.get("id") for cell in notebook.cells)
    assert not [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]


def test_a_study_is_an_asset_that_keeps_its_notebook_its_words_and_its_figures(home: Path) -> None:
    made = dg.materialize(
        [data_quality], partition_key=LAST.isoformat(), resources={"daybot": DayBot(Settings(daybot_home=home))}, selection=[data_quality]
    )
    (event,) = made.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert "SIMULATED" in metadata["words"].value
    assert metadata["figure 1"].value.startswith("![](data:image/png;base64,")
    kept = home / "notebooks" / LAST.isoformat() / "01_data_quality.ipynb"
    assert metadata["notebook"].value == str(kept)
    assert any(cell.get("outputs") for cell in nbformat.read(kept, as_version=4).cells)


def _days() -> Iterator[tuple[date, pl.DataFrame]]:
    rng, closes = np.random.default_rng(5), dict.fromkeys(WILD, 100.0)
    for session in trailing(LAST, 80):
        rows = []
        for symbol, volatility in WILD.items():
            first = closes[symbol]
            path = first * np.exp(np.cumsum(rng.normal(0, volatility / 5, 25)))
            last, high, low = float(path[-1]), float(max(first, path.max())), float(min(first, path.min()))
            closes[symbol] = last
            stamp = datetime(session.year, session.month, session.day, 5, tzinfo=UTC)
            rows.append((symbol, stamp, first, high, low, last, 1e6, (high + low + last) / 3, 1000, "generated", session))
        names = ["symbol", "timestamp", "open", "high", "low", "close", "volume", "vwap", "trades", "feed", "session"]
        yield session, pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC")))


def _briefing(version: str) -> Briefing:
    session = next_session(LAST)
    return Briefing(
        version=version,
        session=session,
        open=datetime(session.year, session.month, session.day, 14, 30, tzinfo=UTC),
        close=datetime(session.year, session.month, session.day, 21, tzinfo=UTC),
        data_session=LAST,
        created_at=datetime.now(UTC),
        origin=Origin.GENERATED,
        feed="generated",
        benchmark="SPY",
        regime=classify(np.random.default_rng(1).normal(0, 0.01, 300)),
        symbols={},
        watchlist=(),
        checks=(),
        inputs={},
    )
