"""The studies, run on the snapshot that is current: what a person would run by hand, kept with the day's date."""

import os
from pathlib import Path
from typing import Any

import dagster as dg
import nbformat
from nbclient import NotebookClient

from pipelines import publish
from pipelines.defs.asset import asset
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot

FOLDER = Path(__file__).parents[2] / "notebooks"
PATIENCE = 600
"""Seconds that one cell may take."""


def _study(stem: str, name: str, says: str) -> dg.AssetsDefinition:
    """An asset that runs one notebook and keeps what came of it. In no job: run it when there is something to look at."""

    def run(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
        snapshot = publish.current(daybot.settings)
        notebook = nbformat.read(FOLDER / f"{stem}.ipynb", as_version=4)  # type: ignore[no-untyped-call]
        client = NotebookClient(notebook, timeout=PATIENCE, resources={"metadata": {"path": str(FOLDER.parent)}})
        client.execute(env=_environment(str(daybot.settings.daybot_home.absolute())))
        kept = daybot.settings.daybot_home / "notebooks" / data_session(context).isoformat() / f"{stem}.ipynb"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(nbformat.writes(notebook))  # type: ignore[no-untyped-call]
        known: dict[str, dg.MetadataValue[Any]] = {"notebook": dg.MetadataValue.notebook(kept.absolute()), "words": _words(notebook)}
        known |= {"snapshot": dg.MetadataValue.text(snapshot.version), **{f"figure {n}": one for n, one in enumerate(_pictures(notebook), start=1)}}
        return dg.MaterializeResult(metadata=known)

    run.__name__, run.__doc__ = name, says
    return asset("studies", {"jupyter"}, ["briefing"], fresh=None)(run)


def _environment(home: str) -> dict[str, str]:
    """The kernel is a process of its own: it gets this one's environment, with the home that this run works on."""
    return {**os.environ, "DAYBOT_HOME": home}


def _pictures(notebook: nbformat.NotebookNode) -> list[dg.MarkdownMetadataValue]:
    """The figures, in order, as they look inline."""
    found = [out.data["image/png"] for cell in notebook.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    return [dg.MetadataValue.md(f"![](data:image/png;base64,{png.strip()})") for png in found]


def _words(notebook: nbformat.NotebookNode) -> dg.MarkdownMetadataValue:
    """The computed conclusion: the last Markdown that a cell displayed."""
    said = [out.data["text/markdown"] for cell in notebook.cells for out in cell.get("outputs", []) if "text/markdown" in out.get("data", {})]
    return dg.MetadataValue.md(said[-1] if said else "")


data_quality = _study(
    "01_data_quality", "study_data_quality", "Notebook 01: is every session there, do neighbours contradict a price, was anything revised?"
)
volatility_and_atr = _study(
    "02_volatility_and_atr", "study_volatility_and_atr", "Notebook 02: ATR on this universe, and 1.5/3.0 ATR against fixed percentages."
)
correlation_and_exposure = _study(
    "03_correlation_and_exposure", "study_correlation_and_exposure", "Notebook 03: how many independent bets the universe is, its betas and sectors."
)
