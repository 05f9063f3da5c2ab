"""`daybot scorers`: what past entries teach, by strategy: how each scorer did on sessions that it had not seen, and what it looks at."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from live.commands.shown import STYLE, printed
from live.commands.terminal import Home, Json, console, settings_of, told

if TYPE_CHECKING:
    import polars as pl

HEAVY = 3
"""Features that are named with their weights."""


def scorers(
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Scorers of entries as last published: examples learned from, marks on sessions not seen, and what each looks at.

    A trusted one (better than chance at 95 %, and than the plain rate of gains) is in the briefing, and gives every entry its chance of a profit
    after costs. MIN_SCORE makes that chance a limit; 0, the default, asks nobody.
    """
    from pipelines import publish

    with told():
        settings = settings_of(home)
        snapshot = publish.current(settings)
        found = marks(snapshot.table("entry_examples"), snapshot.table("scorers"))
        if printed(found, as_json):
            return
        console.print(_table(found))
        least = settings.limits.min_score
        words = f"nothing is entered below {least:g}, and nothing by a strategy without a trusted scorer" if least else "asks no scorer"
        console.print(f"MIN_SCORE={least:g}: {words}", soft_wrap=True, highlight=False)


def marks(examples: "pl.DataFrame", known: "pl.DataFrame") -> list[dict[str, Any]]:
    """A row a strategy: its examples, sessions and share of gains, and its newest scorer; `scorer` None where there were too few to learn from."""
    import polars as pl

    counts = examples.group_by("strategy").agg(
        pl.len().alias("examples"), pl.col("session").n_unique().alias("sessions"), (pl.col("profit") > 0).mean().alias("won")
    )
    newest = {row["strategy"]: row for row in known.sort("session").iter_rows(named=True)}
    shown = ("session", "examples", "sessions", "auc", "auc_low", "loss", "base_loss", "trusted")
    rows = []
    for row in counts.sort("strategy").iter_rows(named=True):
        own = newest.get(row["strategy"])
        weights = {} if own is None else dict(zip(own["features"], own["weights"], strict=True))
        scorer = None if own is None else {name: own[name] for name in shown} | {"session": str(own["session"]), "weights": weights}
        rows.append({**row, "scorer": scorer})
    return rows


def _table(found: list[dict[str, Any]]) -> Table:
    from pipelines.core.learning.training import LEAST

    table = Table(**STYLE)
    for name in ("strategy", "examples", "won", "AUC", "at least", "loss", "plain"):
        table.add_column(name, no_wrap=True, justify="left" if name == "strategy" else "right")
    table.add_column("")
    for row in found:
        scorer, start = row["scorer"], (row["strategy"], f"{row['examples']:,}", f"{row['won']:.0%}")
        if scorer is None:
            table.add_row(*start, "", "", "", "", f"[dim]learns from {LEAST} examples on, sessions so far: {row['sessions']}[/]")
        else:
            numbers = (f"{scorer[name]:.3f}" for name in ("auc", "auc_low", "loss", "base_loss"))
            verdict = "[green]trusted[/]" if scorer["trusted"] else "[yellow]not trusted[/]"
            table.add_row(*start, *numbers, f"{verdict}, to {scorer['session']}: {_heaviest(scorer['weights'])}")
    return table


def _heaviest(weights: Mapping[str, float]) -> str:
    """The features that move the chance most, by a standard deviation of each; above zero it grows with them."""
    return ", ".join(f"{name} {weight:+.2f}" for name, weight in sorted(weights.items(), key=lambda pair: -abs(pair[1]))[:HEAVY])
