"""What the journal's tables say about a session: its figures, open positions, sector peaks, use of the limits. Frames in, frames out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from dashboards.words import NONE
from pipelines.core.briefing import UNKNOWN_SECTOR, Briefing
from pipelines.core.risk.checks import Code
from pipelines.core.risk.exposure import by_sector
from pipelines.core.risk.limits import Limits

ENTRY, GAIN, LOSS = "entry", "exit with a gain", "exit with a loss"
"""What is marked on a chart."""


@dataclass(frozen=True)
class Figures:
    """A session in eight numbers. Dollars; fractions of the equity at its start."""

    start: float | None
    equity: float | None
    profit: float
    fraction: float | None
    open_profit: float
    entries: int
    refusals: int
    win_rate: float | None


def figures(tables: Mapping[str, pl.DataFrame], positions: pl.DataFrame) -> Figures:
    """Profit is what the trades closed for; while something is open, it is how far equity came, marked to the last minute."""
    equity, trades = tables["equity"].sort("at"), tables["trades"]
    start = equity["equity"][0] if equity.height else None
    closed = float(trades["profit"].sum())
    profit = equity["equity"][-1] - start if positions.height and start is not None else closed
    return Figures(
        start=start,
        equity=None if start is None else start + profit,
        profit=profit,
        fraction=profit / start if start else None,
        open_profit=equity["open"][-1] if positions.height and equity.height else 0.0,
        entries=tables["orders"].filter(pl.col("role") == "entry").height,
        refusals=refusals(tables["decisions"]).height,
        win_rate=float((trades["profit"] > 0).sum()) / trades.height if trades.height else None,
    )


def refusals(decisions: pl.DataFrame) -> pl.DataFrame:
    """The decisions by which the gate said no."""
    return decisions.filter(pl.col("kind") == "refused").sort("seq")


def funnel(decisions: pl.DataFrame, entries: int) -> pl.DataFrame:
    """Rows stage, count, kind: every signal, what each limit stopped (in the gate's order), what became an entry."""
    stopped = dict(refusals(decisions).group_by("code").len().iter_rows())
    rows = [("signals", entries + sum(stopped.values()), "signals")]
    rows += [(code.value, stopped[code.value], "refused") for code in Code if code.value in stopped]
    rows.append(("entries", entries, "entries"))
    return pl.DataFrame(rows, schema={"stage": pl.String, "count": pl.Int64, "kind": pl.String}, orient="row")


def positions(tables: Mapping[str, pl.DataFrame], prices: Mapping[str, float]) -> pl.DataFrame:
    """What was still held when the journal ended, with its protection: fills that no closed trade accounts for.

    `prices` are the last ones known; without one, `last`, `open`, `value` and `r` are null. `at_stop` is the loss from the entry to the stop,
    dollars; `r` is what is open in units of the risk taken at the entry, by the first stop.
    """
    signed = pl.when(pl.col("side") == "buy").then(pl.col("quantity")).otherwise(-pl.col("quantity"))
    filled = tables["fills"].join(tables["trades"].select("trade"), on="trade", how="anti")
    held = (
        filled.sort("at")
        .group_by("trade", maintain_order=True)
        .agg(pl.col("symbol").first(), signed.sum().alias("shares"), pl.col("at").min().alias("opened_at"))
        .filter(pl.col("shares") != 0)
    )
    paid = (
        filled.filter(pl.col("role") == "entry").group_by("trade").agg(entry=(pl.col("price") * pl.col("quantity")).sum() / pl.col("quantity").sum())
    )
    stop = pl.col("stop").drop_nulls()
    bounds = (
        tables["orders"]
        .sort("submitted_at")
        .group_by("trade")
        .agg(stop.last(), stop.first().alias("first_stop"), pl.col("target").drop_nulls().last())
    )
    last = pl.DataFrame(list(prices.items()), schema={"symbol": pl.String, "last": pl.Float64}, orient="row")
    joined = held.join(paid, on="trade", how="left").join(bounds, on="trade", how="left").join(last, on="symbol", how="left")
    risked = pl.col("entry") - pl.col("first_stop")
    return joined.with_columns(
        (pl.col("shares") * pl.col("last")).alias("value"),
        (pl.col("shares") * (pl.col("last") - pl.col("entry"))).alias("open"),
        pl.when(risked != 0).then((pl.col("last") - pl.col("entry")) / risked).alias("r"),
        (pl.col("shares") * (pl.col("stop") - pl.col("entry"))).alias("at_stop"),
    ).drop("first_stop").sort("opened_at")  # fmt: skip


def marks(trades: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Rows at, symbol, what, words, price, by time: every entry and exit of these closed trades and open positions."""
    paid = pl.format("{} at {}", pl.col("symbol"), pl.col("entry").round(2))
    earned = pl.format("{} R {}: {}", pl.col("profit").round(2), pl.col("r").round(2).cast(pl.String).fill_null(NONE), pl.col("reason"))
    kind = pl.when(pl.col("profit") > 0).then(pl.lit(GAIN)).otherwise(pl.lit(LOSS))
    entered = [pl.col("opened_at").alias("at"), pl.col("symbol"), pl.lit(ENTRY).alias("what"), paid.alias("words"), pl.col("entry").alias("price")]
    left = [pl.col("closed_at").alias("at"), pl.col("symbol"), kind.alias("what"), earned.alias("words"), pl.col("exit").alias("price")]
    return pl.concat([trades.select(entered), held.select(entered), trades.select(left)]).sort("at")


def marked_until(equity: pl.DataFrame) -> datetime | None:
    """The end of the last whole minute before the last equity row, which stands at the prices of that moment."""
    if equity.is_empty():
        return None
    ends = equity.select(pl.col("at").max().dt.truncate("1m"))
    return datetime.fromtimestamp(ends["at"].dt.epoch("s").item(), tz=UTC)


def peaks(trades: pl.DataFrame, held: pl.DataFrame, sectors: Mapping[str, str], equity: float) -> pl.DataFrame:
    """Rows sector, weight: the most that was held in each sector at one moment, at cost, as a fraction of `equity`."""
    spans = pl.concat([
        trades.select("symbol", "opened_at", "closed_at", (pl.col("quantity") * pl.col("entry")).alias("value")),
        held.select(
            "symbol", "opened_at", pl.lit(None, trades.schema["closed_at"]).alias("closed_at"),
            (pl.col("shares").abs() * pl.col("entry")).alias("value"),
        ),
    ])  # fmt: skip
    known = spans.with_columns(pl.col("symbol").replace_strict(sectors, default=UNKNOWN_SECTOR, return_dtype=pl.String).alias("sector"))
    changes = pl.concat([
        known.select("sector", pl.col("opened_at").alias("at"), "value"),
        known.drop_nulls("closed_at").select("sector", pl.col("closed_at").alias("at"), -pl.col("value")),
    ])  # fmt: skip
    running = changes.sort("at", "value").select("sector", pl.col("value").cum_sum().over("sector"))
    return running.group_by("sector").agg((pl.col("value").max() / equity).alias("weight")).sort("weight", "sector", descending=[True, False])


def leaning(positions: pl.DataFrame, found: Briefing, equity: float | None) -> pl.DataFrame:
    """Rows sector, weight, net, beta, symbols of what is held, fractions of equity; empty where nothing is, or equity or a price is not known."""
    marked = positions.drop_nulls("last")
    weights = {row["symbol"]: row["shares"] * row["last"] / equity for row in marked.iter_rows(named=True)} if equity else {}
    sectors = {symbol: brief.sector for symbol, brief in found.symbols.items()}
    betas = {symbol: brief.beta for symbol, brief in found.symbols.items() if brief.beta is not None}
    return by_sector(weights, sectors, betas)


USES = {"gross": "Gross exposure", "heat": "Heat", "positions": "Positions", "loss": "Daily loss"}
"""What the equity table can measure a limit's use of."""


def use(equity: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Rows at, name, value, limit, used: each limit's use minute by minute; `used` is 1 where the limit is reached."""
    if equity.is_empty():
        return pl.DataFrame(schema={"at": equity.schema["at"], "name": pl.String, "value": pl.Float64, "limit": pl.Float64, "used": pl.Float64})
    start = equity.sort("at")["equity"][0]
    allowed = {
        "gross": limits.max_gross_exposure,
        "heat": limits.max_portfolio_heat,
        "positions": limits.max_positions,
        "loss": limits.max_daily_loss,
    }
    values = equity.select(
        "at",
        (pl.col("gross") / pl.col("equity")).alias("gross"),
        (pl.col("heat") / pl.col("equity")).alias("heat"),
        pl.col("positions").cast(pl.Float64),
        (1 - pl.col("equity") / start).clip(lower_bound=0.0).alias("loss"),
    )
    return (
        values.unpivot(index="at", variable_name="name")
        .with_columns(pl.col("name").replace_strict(allowed, return_dtype=pl.Float64).alias("limit"))
        .with_columns((pl.col("value") / pl.col("limit")).alias("used"), pl.col("name").replace_strict(USES))
    )


def most(uses: pl.DataFrame) -> pl.DataFrame:
    """The minute in which each limit was used most, first one if several."""
    return uses.sort("used", "at", descending=[True, False]).group_by("name", maintain_order=True).first()
