"""`daybot weights`: how the night would spread capital over strategies and names, by four methods that look at risk alone."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from live.commands.shown import STYLE, printed
from live.commands.terminal import Home, Json, console, settings_of, told

if TYPE_CHECKING:
    import polars as pl

SHOWN = 15

BUDGETS: Literal["hierarchical"] = "hierarchical"
"""Whose weights are written as a line for STRATEGIES: it needs no inverse, and near copies of one strategy share one budget."""


def weights(
    method: Annotated[Literal["equal", "minimum", "parity", "hierarchical"], typer.Option(help="Whose weights become a line of settings.")] = BUDGETS,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Portfolio weights as last published: equal, least variance, risk parity and hierarchical risk parity, each with its share of the risk.

    Of strategies by their backtested days, of the watchlist by daily returns; covariances are shrunk (Ledoit and Wolf), no return is forecast.
    Nothing trades on them by itself: the last line is what you would put into the settings.
    """
    import polars as pl

    from pipelines import publish
    from pipelines.core.portfolio.members import LEAST

    with told():
        known = publish.current(settings_of(home)).table("weights")
        found = known.filter(pl.col("session") == known["session"].max())
        if printed(found.with_columns(pl.col("session").cast(pl.String)).to_dicts(), as_json):
            return
        for book in ("strategies", "watchlist"):
            rows = found.filter(pl.col("book") == book)
            if rows.is_empty():
                console.print(f"{book}: none; it takes {LEAST} sessions of them", soft_wrap=True)
            else:
                first = rows.row(0, named=True)
                console.print(f"{book}, {first['observations']} sessions to {first['session']}: weight and [dim]share of the risk[/]", soft_wrap=True)
                console.print(_table(rows))
        own = found.filter((pl.col("book") == "strategies") & (pl.col("method") == method))
        if own.height:
            line = ",".join(f"{name}:{weight:.2f}" for name, weight in own.select("name", "weight").iter_rows() if weight >= 0.005)
            console.print(f"STRATEGIES={line}", soft_wrap=True, highlight=False)


def _table(rows: "pl.DataFrame") -> Table:
    """A line a name; under each method its weight and its share of the risk."""
    methods = rows["method"].unique(maintain_order=True).to_list()
    table = Table("", *methods, **STYLE)
    cells = {(method, name): (weight, risk) for method, name, weight, risk in rows.select("method", "name", "weight", "risk").iter_rows()}
    names = rows["name"].unique(maintain_order=True).to_list()
    for name in names[:SHOWN]:
        table.add_row(name, *("{:.1%} [dim]{:.0%}[/]".format(*cells[method, name]) for method in methods))
    if len(names) > SHOWN:
        table.caption = f"{len(names) - SHOWN} more; --json has all"
    return table
