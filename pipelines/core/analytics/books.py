"""The marts: each session's journal tables as the rows that a year is measured from. One session in, its rows out; who adds them up is elsewhere.

A book is money that may be added up: an account in one mode (`paper PA3X...`), or one backtest (`backtest b1f0c`). Dollars; profit is before
fees, net after them. Fees are what the broker would take by `backtest.costs`: the journal does not see them. What it takes for a day is borne by that
day's fills, so that round trips, orders and days add up to the same.
"""

from typing import Any

import polars as pl

from pipelines.core.analytics.session.ledger import STAMP
from pipelines.core.backtest.costs import FEES, Costs, borne, charged, due
from pipelines.core.market.session import NEW_YORK
from pipelines.core.trading.orders import Role, Side

Tables = dict[str, pl.DataFrame]

BACKTEST = "backtest"

KEY: tuple[tuple[str, Any], ...] = (("session", pl.Date), ("book", pl.String), ("mode", pl.String))
"""What every mart's rows belong to."""

TRIPS = pl.Schema(
    [
        *KEY,
        *((name, pl.String) for name in ("trade", "symbol", "sector", "strategy", "side", "regime")),
        ("hour", pl.Int64),
        ("quantity", pl.Int64),
        ("opened_at", STAMP),
        ("closed_at", STAMP),
        *((name, pl.Float64) for name in ("minutes", "arrival", "entry", "exit", "stop", "target", "atr", "mae", "mfe")),
        *((name, pl.Float64) for name in ("profit", "fees", "net", "r", "mae_r", "mfe_r")),
        ("reason", pl.String),
    ]
)
"""Round trips. `mae` and `mfe` in dollars a share; `r`, `mae_r` and `mfe_r` in units of the risk taken at the entry."""

DAYS = pl.Schema(
    [
        *KEY,
        ("origin", pl.String),
        ("regime", pl.String),
        *((name, pl.Float64) for name in ("start", "end", "profit", "fees", "net", "return", "benchmark")),
        *((name, pl.Int64) for name in ("trades", "entries", "refused", "positions")),
        *((name, pl.Float64) for name in ("turnover", "exposure", "max_exposure", "heat", "max_heat", "drawdown")),
    ]
)
"""A session of a book. `return` is net over start; `turnover` dollars bought and sold over start; exposure and heat fractions of equity."""

EXECUTIONS = pl.Schema(
    [
        *KEY,
        *((name, pl.String) for name in ("order", "trade", "symbol", "sector", "strategy", "side", "role", "type", "feed", "regime", "status")),
        ("hour", pl.Int64),
        ("at", STAMP),
        ("quantity", pl.Int64),
        ("filled", pl.Int64),
        *((name, pl.Float64) for name in ("reference", "average", "cost", "cost_bp", "missed", "fees")),
        *((name, pl.Float64) for name in ("speed", "decide", "journal", "send", "acknowledge", "fill", "to_fill")),
    ]
)
"""Orders that were meant to trade. `cost` (dollars) and `cost_bp` against the reference price, plus is worse for us; `missed` what the shares that
were not filled would have gained until the order ended; from `decide` on the stages in milliseconds of the session's clock, each from the one before;
`speed` seconds of that clock in one of ours, 0 where it stood still between events."""


def books(runs: pl.DataFrame) -> pl.DataFrame:
    """Rows session, run, book, mode, origin, regime of a session's runs."""
    whose = pl.when(pl.col("mode") == BACKTEST).then(pl.col("run")).otherwise(pl.col("account"))
    return runs.select("session", "run", pl.concat_str("mode", whose, separator=" ").alias("book"), "mode", "origin", "regime")


def trips(tables: Tables, costs: Costs | None = None) -> pl.DataFrame:
    """Rows of `TRIPS` from the ledger's tables."""
    charges = _charged(tables, costs)
    fees = charges.group_by("session", "run", "trade").agg(pl.sum_horizontal(pl.col(FEES).sum()).alias("fees"))
    risk = (pl.col("arrival") - pl.col("stop")).abs()
    known = pl.when(risk > 0).then(risk)
    rows = booked(tables["trades"], tables["runs"]).join(fees, on=["session", "run", "trade"], how="left")
    return shaped(
        rows.with_columns(pl.col("fees").fill_null(0.0), _hour("opened_at")).with_columns(
            ((pl.col("closed_at") - pl.col("opened_at")).dt.total_milliseconds() / 60_000).alias("minutes"),
            (pl.col("profit") - pl.col("fees")).alias("net"),
            (pl.col("mae") / known).alias("mae_r"),
            (pl.col("mfe") / known).alias("mfe_r"),
        ),
        TRIPS,
    ).sort("opened_at", "trade")


def days(tables: Tables, benchmark: float | None, costs: Costs | None = None) -> pl.DataFrame:
    """Rows of `DAYS`: one a book. `benchmark`: its return on the session, close to close; None where it is not known."""
    charges = _charged(tables, costs)
    rows = []
    for (session, book, mode), runs in books(tables["runs"]).partition_by("session", "book", "mode", as_dict=True, maintain_order=True).items():
        own = {name: frame.join(runs.select("session", "run"), on=["session", "run"], how="semi") for name, frame in tables.items()}
        equity = own["equity"].sort("at")
        if equity.is_empty():
            continue
        fills = charges.join(runs.select("session", "run"), on=["session", "run"], how="semi")
        row = {
            "session": session,
            "book": book,
            "mode": mode,
            "origin": runs["origin"].item(-1),
            "regime": runs["regime"].item(-1),
            "benchmark": benchmark,
        }
        rows.append(row | _day(own, equity, due(fills) if fills.height else 0.0))
    return pl.DataFrame(rows, schema=DAYS)


def executions(tables: Tables, costs: Costs | None = None) -> pl.DataFrame:
    """Rows of `EXECUTIONS`: every entry and every order that takes shares off; exits that rested and were not needed are none."""
    charges = _charged(tables, costs)
    fees = charges.group_by("session", "run", "order").agg(pl.sum_horizontal(pl.col(FEES).sum()).alias("fees"))
    owners = tables["orders"].filter(pl.col("role") == Role.ENTRY.value).select("session", "run", "trade", pl.col("strategy").alias("owner")).unique()
    named = tables["trades"].select("session", "run", "trade", "sector", "regime").unique(["session", "run", "trade"])
    meant = tables["orders"].filter(pl.col("role").is_in([Role.ENTRY.value, Role.EXIT.value]) | (pl.col("filled") > 0))
    rows = booked(meant, tables["runs"]).join(fees, on=["session", "run", "order"], how="left")
    rows = rows.join(owners, on=["session", "run", "trade"], how="left").join(named, on=["session", "run", "trade"], how="left")
    rows = rows.join(tables["runs"].select("session", "run", "speed"), on=["session", "run"], how="left")
    sign = pl.when(pl.col("side") == Side.BUY.value).then(1.0).otherwise(-1.0)
    worse = sign * (pl.col("average") - pl.col("reference"))
    rests = pl.col("role").is_in([Role.TARGET.value]) | ((pl.col("role") == Role.ENTRY.value) & pl.col("limit").is_not_null())
    entry = pl.col("role") == Role.ENTRY.value
    return shaped(
        rows.with_columns(
            pl.coalesce("owner", "strategy").alias("strategy"),
            pl.when(pl.col("role") == Role.STOP.value)
            .then(pl.lit("stop"))
            .when(rests)
            .then(pl.lit("limit"))
            .otherwise(pl.lit("market"))
            .alias("type"),
            pl.col("submitted_at").alias("at"),
            pl.col("fees").fill_null(0.0),
            (worse * pl.col("filled")).alias("cost"),
            (worse / pl.col("reference") * 1e4).alias("cost_bp"),
            pl.when(entry).then(sign * (pl.col("last") - pl.col("reference")) * (pl.col("quantity") - pl.col("filled"))).alias("missed"),
            _hour("submitted_at"),
            *(_milliseconds(*edges).alias(name) for name, edges in STAGES.items()),
        ),
        EXECUTIONS,
    ).sort("at", "order")


STAGES = {
    "decide": ("received_at", "decided_at"),
    "journal": ("decided_at", "durable_at"),
    "send": ("durable_at", "sent_at"),
    "acknowledge": ("sent_at", "answered_at"),
    "fill": ("answered_at", "filled_at"),
    "to_fill": ("submitted_at", "filled_at"),
}
"""From the frame in hand to the decision, to the journal on the disk, to the request on its way, to the broker's answer, to the first fill; and
`to_fill` all of it. Of an exit that rested only `to_fill` says nothing: it waited for its price."""


def _milliseconds(start: str, end: str) -> pl.Expr:
    rested = pl.col("role").is_in([Role.STOP.value, Role.TARGET.value])
    return pl.when(~rested).then((pl.col(end) - pl.col(start)).dt.total_microseconds() / 1000)


def _hour(name: str) -> pl.Expr:
    return pl.col(name).dt.convert_time_zone(NEW_YORK.key).dt.hour().cast(pl.Int64).alias("hour")


def _charged(tables: Tables, costs: Costs | None) -> pl.DataFrame:
    """The fills with what each bears of its day's fees: the broker takes each kind once a day, rounded up to the cent."""
    owed = charged(tables["fills"], costs or Costs()).join(books(tables["runs"]).select("session", "run", "book"), on=["session", "run"], how="left")
    return borne(owed, "session", "book")


def booked(frame: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """The rows (session, run) with their book and mode."""
    return frame.join(books(runs).drop("origin", "regime"), on=["session", "run"], how="inner", maintain_order="left")


def shaped(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The columns of a schema, in its order and types."""
    return frame.select(schema.names()).cast(dict(schema))  # type: ignore[arg-type]  # a schema is one


def _day(own: Tables, equity: pl.DataFrame, fees: float) -> dict[str, Any]:
    """One book's session. Its runs follow each other, so the first row's beginning and the last row's end are the day's."""
    first, last = equity.row(0, named=True), equity.row(-1, named=True)
    start = first["equity"] - first["realised"] - first["open"]
    profit = sum(run["realised"].item(-1) + run["open"].item(-1) for run in equity.partition_by("run", maintain_order=True))
    traded = float((own["fills"]["quantity"] * own["fills"]["price"]).sum())
    used, heat = equity["gross"] / equity["equity"], equity["heat"] / equity["equity"]
    decided = own["decisions"]
    entries = decided.filter((pl.col("kind") == "submit") & (pl.col("code") == Role.ENTRY.value)).height
    peak = equity["equity"].cum_max().clip(lower_bound=start)
    return {
        "start": start,
        "end": last["equity"] - fees,
        "profit": profit,
        "fees": fees,
        "net": profit - fees,
        "return": (profit - fees) / start,
        "trades": own["trades"].height,
        "entries": entries,
        "refused": decided.filter(pl.col("kind") == "refused").height,
        "positions": equity["positions"].max(),
        "turnover": traded / start,
        "exposure": used.mean(),
        "max_exposure": used.max(),
        "heat": heat.mean(),
        "max_heat": heat.max(),
        "drawdown": (1 - equity["equity"] / peak).max(),
    }
