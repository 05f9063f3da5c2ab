"""A session in words and tables, for people at a terminal."""

from collections import Counter
from datetime import date
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from live.commands.values import cell, measured
from pipelines import publish
from pipelines.core.backtest.whatif import Outcome
from pipelines.core.market.session import NEW_YORK
from pipelines.core.trading.decisions import Decision, Refused, Submit, TradeClosed
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import Event, MarketBar
from pipelines.core.trading.orders import Role
from pipelines.settings import Settings

STYLE: dict[str, Any] = {"box": None, "title_justify": "left", "title_style": "bold", "header_style": "cyan", "padding": (0, 1, 0, 0)}

SHOWN = 20
"""Rows of a table in the terminal; the rest is in the tables that it names."""


class Tally:
    """Counts what goes by."""

    def __init__(self) -> None:
        self.bars = 0
        self.entries = 0
        self.closed = 0
        self.refused: Counter[str] = Counter()

    def watch(self, event: Event, decisions: list[Decision]) -> None:
        """One step of the engine."""
        self.bars += isinstance(event, MarketBar)
        for decision in decisions:
            self.entries += isinstance(decision, Submit) and decision.role is Role.ENTRY
            self.closed += isinstance(decision, TradeClosed)
            if isinstance(decision, Refused):
                self.refused[decision.check.code.value] += 1

    def line(self, engine: Engine) -> str:
        """The moment in one line."""
        if engine.portfolio is None:
            return "not armed"
        profit = engine.portfolio.equity - engine.portfolio.start
        return f"P&L {profit:+,.2f} · {self.entries} entries · {self.refused.total()} refused"


def summarise(console: Console, settings: Settings, day: date, tally: Tally, *, seconds: float) -> None:
    """What was bought and sold, what came of it, what was refused and why, and where to look further. Read from the published snapshot."""
    snapshot = publish.current(settings)
    of_day = pl.col("session") == day
    trades = snapshot.table("trades").filter(of_day).sort("opened_at")
    decisions = snapshot.table("decisions").filter(of_day).sort("seq")
    metrics = dict(snapshot.table("performance").filter(of_day).select("metric", "value").iter_rows())
    console.print(_trades(trades))
    console.print(_refusals(decisions.filter(pl.col("kind") == "refused")))
    console.print(_performance(metrics, tally))
    for row in decisions.filter(pl.col("kind").is_in(["state", "noticed"])).iter_rows(named=True):
        console.print(f"[dim]{_clock(row['at'])}[/] {row['kind']} [bold]{row['code']}[/] {row['detail']}")
    console.print(_where(settings, snapshot.version, seconds), highlight=False)


def plain(was: Outcome, other: Outcome) -> dict[str, Any]:
    """The same two as `compared`, for pipes: of each its entries, round trips, profit in dollars before fees, and refusals by control."""

    def told(one: Outcome) -> dict[str, Any]:
        worst = min((trade.profit for trade in one.closed), default=None)
        return {"entries": len(one.entries), "round_trips": len(one.closed), "profit": one.profit, "worst": worst, "refused": one.refused}

    gone, came = set(was.entries) - set(other.entries), set(other.entries) - set(was.entries)
    return {"was": told(was), "other": told(other), "gone": len(gone), "came": len(came)}


def compared(was: Outcome, other: Outcome) -> Table:
    """A session under its own limits beside the same one under others; both are backtests over what it saw."""
    table = Table(title="The session under its own limits and under the others (both backtests, dollars before fees)", **STYLE)
    table.add_column("")
    for name in ("as it was limited", "under the others"):
        table.add_column(name, justify="right")
    rows = [
        ("entries", *(str(len(o.entries)) for o in (was, other))),
        ("round trips", *(str(len(o.closed)) for o in (was, other))),
        ("profit", *(f"{o.profit:+,.2f}" for o in (was, other))),
        ("worst round trip", *(f"{min((t.profit for t in o.closed), default=0.0):+,.2f}" for o in (was, other))),
    ]
    for code in sorted(was.refused.keys() | other.refused.keys()):
        rows.append((f"refused by {code}", *(str(o.refused.get(code, 0)) for o in (was, other))))
    for row in rows:
        table.add_row(*row)
    both = plain(was, other)
    table.caption = f"{both['gone']} entries would not have been made as they were, {both['came']} would have been made instead or besides"
    return table


def _trades(trades: pl.DataFrame) -> Table:
    table = Table(title=f"Round trips ({len(trades)}), times in New York, dollars before fees", **STYLE)
    for name in ("opened", "closed", "symbol", "side", "shares", "entry", "exit", "profit", "R"):
        table.add_column(name, justify="right" if name in {"shares", "entry", "exit", "profit", "R"} else "left", no_wrap=True)
    table.add_column("why it ended")
    for row in trades.head(SHOWN).iter_rows(named=True):
        colour = "green" if row["profit"] >= 0 else "red"
        r = "" if row["r"] is None else f"{row['r']:+.2f}"
        table.add_row(
            _clock(row["opened_at"]), _clock(row["closed_at"]), row["symbol"], "long" if row["side"] == "buy" else "short", str(row["quantity"]),
            f"{row['entry']:.2f}", f"{row['exit']:.2f}", f"[{colour}]{row['profit']:+,.2f}[/]", r, row["reason"].partition(":")[0],
        )  # fmt: skip
    if len(trades) > SHOWN:
        table.caption = f"the first {SHOWN}; all are in the table `trades`"
    return table


def _refusals(refused: pl.DataFrame) -> Table:
    table = Table(title=f"Refused ({len(refused)}): the first limit that stopped each", **STYLE)
    for name in ("limit", "times", "measured", "allowed", "for example"):
        table.add_column(name, justify="right" if name in {"times", "measured", "allowed"} else "left")
    grouped = refused.group_by("code").agg(pl.len(), pl.first("value", "limit", "detail", "symbol", "at")).sort("len", descending=True)
    for row in grouped.iter_rows(named=True):
        example = f"{_clock(row['at'])} {row['symbol']}: {row['detail']}"
        table.add_row(row["code"], str(row["len"]), *(measured(row["code"], row[name]) for name in ("value", "limit")), example)
    return table


def _performance(metrics: dict[str, Any], tally: Tally) -> Table:
    table = Table(title="The day", show_header=False, **STYLE)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("bars seen", f"{tally.bars:,}")
    for name, value in metrics.items():
        if value is not None:
            table.add_row(name.replace("_", " "), cell(value, name))
    return table


def _where(settings: Settings, version: str, seconds: float) -> str:
    home = settings.daybot_home
    return "\n".join(
        (
            f"[bold]Done in {seconds:.0f} s.[/] Everything of it is in [cyan]{home}[/]: lake/ (bars), snapshots/{version}.duckdb, journal/",
            f"  dashboard   [cyan]daybot dashboard --home {home}[/]",
            f"  Dagster UI  [cyan]daybot dagster --home {home}[/]",
            f"  notebooks   [cyan]daybot notebook --home {home}[/]",
            f"  journal     [cyan]daybot journal verify --home {home}[/]",
        )
    )


def _clock(at: Any) -> str:
    return f"{at.astimezone(NEW_YORK):%H:%M}"
