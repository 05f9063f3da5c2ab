"""Every notebook runs from top to bottom as its asset runs it, on the night of a simulated market, and is kept without outputs."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import nbformat
import pytest

from live.commands.research.backtests import recorded
from live.sim.embedded import Exchange
from pipelines import publish, roster, settings
from pipelines.core.backtest.costs import Costs
from pipelines.core.journal import Manifest
from pipelines.definitions import defs
from pipelines.defs.research import notebooks
from pipelines.defs.resources import DayBot
from pipelines.research.backtest import Setup, backtest
from pipelines.research.market import Home
from pipelines.secrecy import variables

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
STUDIES = {"01_data_quality": notebooks.data_quality, "02_volatility_and_atr": notebooks.volatility_and_atr,
           "03_correlation_and_exposure": notebooks.correlation_and_exposure, "04_strategy_research": notebooks.strategy_research,
           "05_session_review": notebooks.session_review}  # fmt: skip
LAST = date(2026, 11, 19)


@pytest.fixture(scope="module")
def daybot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DayBot]:
    """The nights around a session, as `make demo` has them: the real assets on the simulated exchange, published. The session in between was
    traded by the engine on its recorded minutes, and journaled as a live one is. The environment names its home.
    """
    with Exchange() as exchange, pytest.MonkeyPatch.context() as patch:
        given = {"daybot_mode": "sim", "alpaca_base_url": exchange.url, "alpaca_feed": "sip", "universe": "all", "history_sessions": "130"}
        home = {"daybot_home": tmp_path_factory.mktemp("notebooks"), "alpaca_api_key": "SIM", "alpaca_secret_key": "SIM", "alpaca_rate": 10_000}
        made = DayBot(settings.load(_env_file=None, **given, **home))
        night(made, "pre_open")
        trade(made)
        night(made, "after_close")
        for name, value in given.items():
            patch.setenv(name.upper(), value)
        patch.setenv("PYTHONWARNINGS", "error::DeprecationWarning:__main__")
        yield made


def night(daybot: DayBot, job: str) -> None:
    done = defs().resolve_job_def(job).execute_in_process(partition_key=LAST.isoformat(), resources={"daybot": daybot})
    assert done.success


def trade(daybot: DayBot) -> None:
    setup = Setup(roster.employ(daybot.settings.strategies), daybot.settings.limits, Costs())

    def journaled(head: Manifest) -> Any:
        return recorded(head, daybot.settings.journals)

    backtest(Home(daybot.settings), [LAST], setup, "traded", daybot.settings.benchmark, record=journaled)


def test_every_notebook_is_an_asset() -> None:
    assert list(STUDIES) == NOTEBOOKS
    graph = defs().resolve_asset_graph()
    for study in STUDIES.values():
        (key,) = study.keys
        assert graph.get(key).parent_keys == {dg.AssetKey("briefing")}
        assert {"jupyter"} <= study.specs_by_key[key].kinds


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs_says_whose_prices_it_shows_and_is_kept_with_its_words_and_figures(name: str, daybot: DayBot) -> None:
    made = dg.materialize([STUDIES[name]], partition_key=LAST.isoformat(), resources={"daybot": daybot}, selection=[STUDIES[name]])
    (event,) = made.get_asset_materialization_events()
    metadata = event.materialization.metadata
    kept = daybot.settings.daybot_home / "notebooks" / LAST.isoformat() / f"{name}.ipynb"
    assert metadata["notebook"].value == str(kept)
    assert metadata["snapshot"].value == publish.current(daybot.settings).version
    assert metadata["words"].value.startswith("**SIMULATED")  # type: ignore[union-attr]
    assert metadata["figure 1"].value.startswith("![](data:image/png;base64,")  # type: ignore[union-attr]
    said = [out.get("text", "") + out.get("data", {}).get("text/markdown", "") for cell in nbformat.read(kept, as_version=4).cells
            for out in cell.get("outputs", [])]  # fmt: skip
    assert "SIMULATED" in said[0]
    assert not [words for words in said if "NOT the same" in words], "it computes what was published, with the very same functions"
    if name != "01_data_quality":
        assert any("Computed here and published: the same" in words for words in said)


def test_a_notebook_that_breaks_off_says_where_and_is_kept_so_far(daybot: DayBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [nbformat.v4.new_code_cell("print('so far')"), nbformat.v4.new_code_cell("1 / 0")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "01_data_quality.ipynb")
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    made = dg.materialize(
        [STUDIES["01_data_quality"]], partition_key="2026-11-18", resources={"daybot": daybot}, selection=[STUDIES["01_data_quality"]],
        raise_on_error=False,
    )  # fmt: skip
    (failure,) = [event for event in made.all_events if event.is_step_failure]
    assert "found ZeroDivisionError: division by zero" in str(failure.step_failure_data)
    kept = daybot.settings.daybot_home / "notebooks" / "2026-11-18" / "01_data_quality.ipynb"
    assert nbformat.read(kept, as_version=4).cells[0].outputs[0].text == "so far\n"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_kept_without_outputs_and_with_ids(name: str) -> None:
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert all(cell.get("id") for cell in notebook.cells)
    assert not [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]


def test_a_project_s_settings_reach_a_kernel_in_another_folder_and_its_secrets_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, notebooks = tmp_path / "project", tmp_path / "notebooks"
    project.mkdir()
    notebooks.mkdir()
    (project / ".env").write_text("DAYBOT_LAKE=lake\nHISTORY_SESSIONS=90\nSHORTS=false\nDAYBOT_MODE=paper\nALPACA_SECRET_KEY=canary-canary\n")
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)  # those of the home that the notebooks above read
    monkeypatch.chdir(project)
    here = settings.load()
    given = variables(here)
    assert "canary-canary" not in str(given)
    monkeypatch.chdir(notebooks)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    there = settings.load()
    assert there.lake == str(project / "lake")
    assert there.daybot_home == project / ".daybot"
    assert (there.history_sessions, there.shorts, there.daybot_mode) == (90, False, here.daybot_mode)
    assert there.alpaca_secret_key.get_secret_value() == ""
