"""The dashboard on a year of sessions (252, about 38 trades a day): the first paint of each page and an interaction, against the reading of its rows.

The floor is what nobody can do without: the round trips of the year out of the snapshot, by DuckDB into a frame. Processor seconds: other work on the
machine does not count.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import year
from streamlit.testing.v1 import AppTest

from pipelines import publish, traded
from pipelines.research import cache
from pipelines.settings import Settings

pytestmark = pytest.mark.benchmark

ROOT = Path(__file__).parents[2]
PAINT, INTERACTION = 6.0, 3.0
"""Processor seconds until a page of the year stands, the first one of a process included; and until a choice on it is answered."""


@pytest.fixture(scope="module")
def home() -> Path:
    """Made once for this code, and kept in `build/`: it takes minutes."""
    path = ROOT / "build" / f"year-{cache.code()[:12]}"
    if not (path / "snapshots" / "CURRENT").exists():
        year.make(path)
    return path


def spent(work: Callable[[], object]) -> float:
    """Processor seconds, every thread's."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def test_pages_stand_and_answer_within_their_budgets(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOT_HOME", str(home))
    snapshot = publish.current(Settings(daybot_home=home))
    floor = spent(lambda: traded.trips(snapshot))
    rows = traded.trips(snapshot).height
    app = AppTest.from_file(ROOT / "dashboards" / "app.py", default_timeout=300)
    found = {"today": spent(app.run)}
    for page in ("risk", "performance", "execution", "trades", "research", "data"):
        found[page] = spent(lambda page=page: app.switch_page(f"views/{page}.py").run())
        assert not app.exception, app.exception[0].value
        assert [title.value for title in app.title] == [page.capitalize()]
    app.switch_page("views/performance.py").run()
    again = spent(app.run)
    symbol = next(box for box in app.selectbox if box.label == "Symbol")
    answered = spent(lambda: symbol.select("AAPL").run())
    assert not app.exception
    print(f"\n{rows:,} round trips read in {floor:.2f} s; first paint: " + ", ".join(f"{name} {took:.2f} s" for name, took in found.items()))
    print(
        f"performance again {again:.2f} s, of one symbol {answered:.2f} s ({answered / floor:.1f} x the floor); budgets {PAINT} and {INTERACTION} s"
    )
    assert max(found.values()) < PAINT
    assert max(again, answered) < INTERACTION
