"""The studies, run on the snapshot that is current: what a person would run by hand, kept with the day's date."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from pipelines.core.errors import DataError
from pipelines.defs.asset import asset
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.durable import replaced
from pipelines.secrecy import variables, without

if TYPE_CHECKING:
    import nbformat

FOLDER = Path(__file__).parents[3] / "notebooks"
PATIENCE = 600
"""Seconds that one cell may take."""


def _study(stem: str, name: str, says: str) -> dg.AssetsDefinition:
    """An asset that runs one notebook and keeps what came of it. In no job: run it when there is something to look at."""

    def run(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
        import nbformat  # a quarter of the time in which the definitions load
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError

        home = daybot.settings.daybot_home.absolute()
        kept = home / "notebooks" / data_session(context).isoformat() / f"{stem}.ipynb"
        notebook = nbformat.read(FOLDER / f"{stem}.ipynb", as_version=4)  # type: ignore[no-untyped-call]
        try:
            client = NotebookClient(notebook, timeout=PATIENCE, resources={"metadata": {"path": str(FOLDER.parent)}})
            client.execute(env=without(os.environ) | variables(daybot.settings))
        except CellExecutionError as error:
            raise DataError(
                f"expected {stem} to run to its end, found {error.ename}: {error.evalue}; it is kept as far as it came in {kept}"
            ) from None
        finally:
            _keep(notebook, kept)
        words = _words(notebook)
        known: dict[str, dg.MetadataValue[Any]] = {
            "notebook": _link(kept),
            "words": dg.MetadataValue.md(words[-1]),
            "snapshot": dg.MetadataValue.text(_version(words)),
        }
        return dg.MaterializeResult(metadata=known | {f"figure {n}": one for n, one in enumerate(_pictures(notebook), start=1)})

    run.__name__, run.__doc__ = name, says
    return asset("studies", {"jupyter"}, ["briefing"], fresh=None)(run)


def _keep(notebook: "nbformat.NotebookNode", where: Path) -> None:
    """With its outputs; also of a run that broke off."""
    import nbformat

    where.parent.mkdir(parents=True, exist_ok=True)
    with replaced(where) as file:
        file.write(nbformat.writes(notebook).encode())  # type: ignore[no-untyped-call]


def _link(where: Path) -> dg.MetadataValue[Any]:
    """Shown by the UI, which opens notebooks below the folder that Dagster works in and no others; elsewhere it is a path for JupyterLab."""
    return dg.MetadataValue.notebook(where) if where.is_relative_to(Path.cwd()) else dg.MetadataValue.path(where)


def _pictures(notebook: "nbformat.NotebookNode") -> list[dg.MarkdownMetadataValue]:
    """The figures, in order, as they look inline."""
    found = [out.data["image/png"] for cell in notebook.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    return [dg.MetadataValue.md(f"![](data:image/png;base64,{png.strip()})") for png in found]


def _words(notebook: "nbformat.NotebookNode") -> list[str]:
    """The Markdown that its cells displayed: first whose prices of which snapshot these are, last the conclusion."""
    return [out.data["text/markdown"] for cell in notebook.cells for out in cell.get("outputs", []) if "text/markdown" in out.get("data", {})]


def _version(words: list[str]) -> str:
    """The snapshot that the notebook says it read: another one may have been published meanwhile."""
    found = re.search(r"snapshot `([^`]+)`", words[0])
    if found is None:
        raise DataError(f"expected a notebook to say first which snapshot it read, found {words[0]!r}; see the other notebooks")
    return found.group(1)


data_quality = _study(
    "01_data_quality", "study_data_quality", "Notebook 01: is every session there, do neighbours contradict a price, was anything revised?"
)
volatility_and_atr = _study(
    "02_volatility_and_atr", "study_volatility_and_atr", "Notebook 02: ATR on this universe, and 1.5/3.0 ATR against fixed percentages."
)
correlation_and_exposure = _study(
    "03_correlation_and_exposure", "study_correlation_and_exposure", "Notebook 03: how many independent bets the universe is, its betas and sectors."
)
strategy_research = _study(
    "04_strategy_research",
    "study_strategy_research",
    "Notebook 04: a backtest, what is left of the best of many parameters, and a look for look-ahead.",
)
session_review = _study(
    "05_session_review", "study_session_review", "Notebook 05: the last traded session: replayed, executed, refused, and its worst trade walked back."
)
