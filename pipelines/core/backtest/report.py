"""What a backtest came to: one set of tables and numbers, from which terminal, JSON and HTML are written.

Profit of a round trip is before fees, with spread and footprint in its prices; `net` is after fees. Returns are of equity after fees, session by
session. The benchmark is bought at the first open and held.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from pipelines.core.analytics import performance, returns
from pipelines.core.backtest.costs import borne
from pipelines.core.backtest.session import Played, costs_of
from pipelines.core.briefing import Briefing
from pipelines.core.market.session import NEW_YORK
from pipelines.core.risk.exposure import EQUAL_WEIGHT

STAMP = pl.Datetime("us", "UTC")

MEASURES = ("trades", "profit", "win_rate", "profit_factor", "expectancy", "average_r", "minutes_held")

SESSIONS = pl.Schema(
    [
        ("session", pl.Date),
        *((name, pl.Float64) for name in ("start", "end", "profit", "fees", "spread", "impact")),
        *((name, pl.Int64) for name in ("trades", "refused")),
        ("return", pl.Float64),
    ]
)
BENCHMARK = pl.Schema([("session", pl.Date), ("at", STAMP), ("growth", pl.Float64)])


class Report(NamedTuple):
    """Everything that is shown. `numbers` are dollars, fractions and counts by name (None: cannot be said), `tables` frames by name:

    sessions     session, start, end, profit, fees, spread, impact, trades, refused, return, benchmark
    equity       session, at, equity, gross, positions, drawdown: a row a minute
    exposure     at, strategy, value: dollars at entry prices, after each change
    benchmark    session, at, growth: of one dollar
    trades       every round trip with spread, impact, fees and net
    strategy, symbol, hour    the same measures of its round trips by each of these (hour of the entry in New York)
    refused      code, times, value, limit, example: by the first limit that stopped an entry; and by_strategy
    notices      code, times, example: what people must hear of
    """

    numbers: dict[str, float | None]
    words: dict[str, str]
    tables: dict[str, pl.DataFrame]

    def plain(self) -> dict[str, Any]:
        """As JSON values; times in ISO format."""
        dated = {
            name: frame.with_columns(pl.col(pl.Date).dt.to_string("iso"), pl.col(pl.Datetime).dt.to_string("iso:strict"))
            for name, frame in self.tables.items()
        }
        return {"words": self.words, "numbers": self.numbers, **{name: frame.to_dicts() for name, frame in dated.items()}}


def report(played: Sequence[Played], benchmark: pl.DataFrame, words: Mapping[str, str]) -> Report:
    """The report of these sessions in their order. `benchmark`: rows of `BENCHMARK`."""
    whole = {name: pl.concat([one.tables[name] for one in played]) for name in ("trades", "fills", "equity", "decisions")}
    trades = _trades(whole["trades"], whole["fills"])
    equity = whole["equity"].select("session", "at", "equity", "gross", "positions").sort("at")
    equity = equity.with_columns((1 - pl.col("equity") / pl.col("equity").cum_max().clip(lower_bound=played[0].start)).alias("drawdown"))
    refused = _refused(whole["decisions"])
    sessions = _sessions(played, trades, refused, benchmark)
    tables = {
        "sessions": sessions,
        "equity": equity,
        "exposure": _exposure(trades),
        "benchmark": benchmark,
        "trades": trades,
        "strategy": _by(trades, "strategy"),
        "symbol": _by(trades, "symbol").sort("net", descending=True),
        "hour": _by(trades.with_columns(pl.col("opened_at").dt.convert_time_zone(NEW_YORK.key).dt.hour().alias("hour")), "hour").sort("hour"),
        "refused": _grouped(refused),
        "notices": _notices(whole["decisions"]),
    }
    left = ", ".join(f"{one.session} {left.quantity} {left.symbol}" for one in played for left in one.left)
    return Report(_numbers(played, trades, equity, sessions), {**words, **({"left over": left} if left else {})}, tables)


def growth(frames: Sequence[tuple[Briefing, pl.DataFrame]], symbol: str) -> tuple[str, pl.DataFrame]:
    """(its name, rows of `BENCHMARK`): one dollar in the symbol from the first open on, by minute; a session starts from the briefing's close.

    Where a session lacks the symbol, it is the mean of all symbols at each session's end.
    """
    inside = [
        (brief, bars.filter(pl.col("timestamp").is_between(brief.open, brief.close, closed="left")).sort("timestamp")) for brief, bars in frames
    ]
    traded = [(brief, bars) for brief, bars in inside if bars.height]
    own = all(symbol in bars["symbol"] for _, bars in traded)
    rows: list[pl.DataFrame] = []
    worth = 1.0
    for brief, bars in traded:
        before = {name: known.close for name, known in brief.symbols.items()} if rows else {}
        steps = _moves(bars.filter(pl.col("symbol") == symbol) if own else bars, before)
        path = steps if own else steps.group_by("symbol").last().select(pl.lit(brief.close).cast(STAMP).alias("at"), pl.col("ratio").mean()).head(1)
        rows.append(path.select(pl.lit(brief.session).alias("session"), "at", (pl.col("ratio") * worth).alias("growth")))
        worth = rows[-1]["growth"][-1]
    return symbol if own and rows else EQUAL_WEIGHT, pl.concat([pl.DataFrame(schema=BENCHMARK), *rows])


def _moves(bars: pl.DataFrame, before: Mapping[str, float | None]) -> pl.DataFrame:
    """Rows symbol, at, ratio: each close over the close before the session, or over the session's first open where that is not known."""
    known = pl.col("symbol").replace_strict({s: c for s, c in before.items() if c}, default=None, return_dtype=pl.Float64)
    base = pl.coalesce(known, pl.col("open").first().over("symbol"))
    return bars.select("symbol", (pl.col("timestamp").dt.offset_by("1m")).cast(STAMP).alias("at"), (pl.col("close") / base).alias("ratio"))


def _trades(trades: pl.DataFrame, fills: pl.DataFrame) -> pl.DataFrame:
    costs = costs_of(borne(fills, "session"))
    joined = trades.join(costs, on="trade", how="left", maintain_order="left").with_columns(pl.col("spread", "impact", "fees").fill_null(0.0))
    return joined.with_columns((pl.col("profit") - pl.col("fees")).alias("net")).sort("opened_at", "trade")


def _sessions(played: Sequence[Played], trades: pl.DataFrame, refused: pl.DataFrame, benchmark: pl.DataFrame) -> pl.DataFrame:
    rows = []
    for one in played:
        fills, profit = one.tables["fills"], one.end + one.fees - one.start
        counts = (trades.filter(pl.col("session") == one.session).height, refused.filter(pl.col("session") == one.session).height)
        costs = (one.fees, float(fills["spread"].sum()), float(fills["impact"].sum()))
        rows.append((one.session, one.start, one.end, profit, *costs, *counts, one.end / one.start - 1))
    ends = (
        benchmark.group_by("session", maintain_order=True)
        .last()
        .with_columns((pl.col("growth") / pl.col("growth").shift(1).fill_null(1.0) - 1).alias("benchmark"))
    )
    return pl.DataFrame(rows, schema=SESSIONS, orient="row").join(
        ends.select("session", "benchmark"), on="session", how="left", maintain_order="left"
    )


def _numbers(played: Sequence[Played], trades: pl.DataFrame, equity: pl.DataFrame, sessions: pl.DataFrame) -> dict[str, float | None]:
    daily, market = sessions["return"].to_numpy(), sessions["benchmark"].drop_nulls().to_numpy()
    whole = market if len(market) == len(daily) else None
    start, end = played[0].start, played[-1].end
    measured = performance.measure(trades, equity.with_columns(pl.lit("").alias("run")))
    fall = max((value for value in (equity["drawdown"].max(), returns.drawdown(daily)) if isinstance(value, float)), default=None)
    return {
        "sessions": float(len(played)),
        "start": start,
        "end": end,
        "return": end / start - 1,
        "benchmark": returns.total(market) if len(market) else None,
        **{name: measured[name] for name in ("trades", "profit")},
        "fees": float(sessions["fees"].sum()),
        "net": end - start,
        **{name: float(sessions[name].sum()) for name in ("spread", "impact", "refused")},
        **{name: measured[name] for name in ("win_rate", "profit_factor", "expectancy", "average_r", "best", "worst", "minutes_held")},
        "max_drawdown": fall,
        "exposure": measured["exposure"],
        "max_exposure": measured["max_exposure"],
        **returns.ratios(np.asarray(daily), None if whole is None else np.asarray(whole)),
    }


def _by(trades: pl.DataFrame, name: str) -> pl.DataFrame:
    """The measures of the round trips of each value of a column."""
    rows = []
    for (value,), own in trades.partition_by(name, as_dict=True, maintain_order=True).items():
        measured = performance.measure(own, pl.DataFrame(schema={"run": pl.String, "at": STAMP, "equity": pl.Float64, "gross": pl.Float64}))
        costs = {cost: float(own[cost].sum()) for cost in ("spread", "impact", "fees", "net")}
        rows.append({name: value, **{measure: measured[measure] for measure in MEASURES}, **costs})
    kinds = [(name, trades.schema[name]), *((column, pl.Float64()) for column in (*MEASURES, "spread", "impact", "fees", "net"))]
    return pl.DataFrame(rows, schema=pl.Schema(kinds))


def _exposure(trades: pl.DataFrame) -> pl.DataFrame:
    value = pl.col("quantity") * pl.col("entry")
    ends = [
        trades.select(pl.col(at).alias("at"), "strategy", (value * sign).alias("change")) for at, sign in (("opened_at", 1.0), ("closed_at", -1.0))
    ]
    steps = pl.concat(ends).group_by("at", "strategy").agg(pl.col("change").sum()).sort("at", "strategy")
    return steps.select("at", "strategy", pl.col("change").cum_sum().over("strategy").round(6).abs().alias("value"))


def _refused(decisions: pl.DataFrame) -> pl.DataFrame:
    """Refusals one by one, with whose wish it was."""
    found = decisions.filter(pl.col("kind") == "refused")
    return found.select(
        "session", "at", "symbol", "code", "value", "limit", "detail", pl.col("data").str.json_path_match("$.strategy").alias("strategy")
    )


def _grouped(refused: pl.DataFrame) -> pl.DataFrame:
    when = pl.col("at").dt.convert_time_zone(NEW_YORK.key).dt.strftime("%Y-%m-%d %H:%M")
    counted = refused.group_by("code", "strategy").agg(pl.len().alias("times")).sort("times", "strategy", descending=[True, False])
    owners = counted.group_by("code", maintain_order=True).agg(pl.format("{} {}", "strategy", "times").str.join(", ").alias("by_strategy"))
    examples = refused.with_columns(pl.format("{} {}: {}", when, "symbol", "detail").alias("example"))
    grouped = examples.group_by("code").agg(pl.len().cast(pl.Int64).alias("times"), pl.first("value", "limit", "example"))
    return grouped.join(owners, on="code", how="left").sort("times", "code", descending=[True, False])


def _notices(decisions: pl.DataFrame) -> pl.DataFrame:
    found = decisions.filter(pl.col("kind") == "noticed").group_by("code", maintain_order=True)
    return found.agg(pl.len().cast(pl.Int64).alias("times"), pl.first("detail").alias("example")).sort("times", "code", descending=[True, False])
