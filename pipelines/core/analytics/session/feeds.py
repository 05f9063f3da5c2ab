"""The vendors side by side over a session, from what the runner wrote of each minute: who told which bar, how late, and how far apart they were."""

from collections.abc import Iterable

import polars as pl

from pipelines.core.journal import Record
from pipelines.core.market.session import moment

SIDES = pl.Schema(
    [
        ("vendor", pl.String),
        ("symbol", pl.String),
        *((name, pl.Int64) for name in ("minutes", "bars", "missing", "pairs", "apart")),
        *((name, pl.Float64) for name in ("lag", "lag_max", "bp", "bp_max")),
    ]
)
"""`minutes` in which it was asked for the symbol while it was connected, `missing` those of them without a bar; `pairs` that the other vendor told
too, `apart` those of them whose closes lay farther from each other than is allowed. `lag` in seconds after the minute (median), `bp` the distance of
the closes in basis points (mean)."""

HAPPENED = pl.Schema([("at", pl.Datetime("us", "UTC")), ("what", pl.String), ("vendor", pl.String), ("detail", pl.String)])
"""Connections that ended, changes of the vendor that is followed, back-fills, messages that no market can have sent."""

_MINUTE = {"minute": pl.Int64, "vendor": pl.String, "symbol": pl.String, "lag": pl.Float64, "bp": pl.Float64}


def sides(records: Iterable[Record], allowed: float) -> pl.DataFrame:
    """Rows of `SIDES`, one for each vendor and symbol; `allowed` basis points."""
    rows = [(r.data["minute"], *row) for r in records if r.kind == "compare" for row in r.data["rows"]]
    minutes = pl.DataFrame(rows, schema=_MINUTE, orient="row").unique(["minute", "vendor", "symbol"], keep="last", maintain_order=True)
    found = minutes.group_by("vendor", "symbol").agg(
        pl.len().alias("minutes"),
        pl.col("lag").count().alias("bars"),
        pl.col("lag").null_count().alias("missing"),
        pl.col("bp").count().alias("pairs"),
        (pl.col("bp").abs() > allowed).sum().alias("apart"),
        pl.col("lag").median(),
        pl.col("lag").max().alias("lag_max"),
        pl.col("bp").abs().mean(),
        pl.col("bp").abs().max().alias("bp_max"),
    )
    return found.select(pl.col(name).cast(kind) for name, kind in SIDES.items()).sort("vendor", "symbol")


def totals(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Rows of `SIDES` and their session, summed up for each of `by` (session, vendor): counts, `missed` and `parted` as fractions of the minutes and
    of the pairs, `lag` the median of the symbols' medians, `bp` the mean over the pairs. Null where nothing was told or paired."""
    counted = rows.group_by(*by).agg(
        pl.col("session").n_unique().cast(pl.Int64).alias("sessions"),
        pl.col("minutes", "bars", "missing", "pairs", "apart").sum(),
        pl.col("lag").median(),
        pl.col("lag_max").max(),
        ((pl.col("bp") * pl.col("pairs")).sum() / pl.col("pairs").sum()).alias("bp"),
        pl.col("bp_max").max(),
    )
    paired, fraction = pl.col("pairs") > 0, pl.col("missing") / pl.col("minutes")
    return counted.with_columns(
        fraction.alias("missed"), pl.when(paired).then(pl.col("apart") / pl.col("pairs")).alias("parted"), pl.when(paired).then("bp")
    ).sort(*by)  # fmt: skip


def happened(records: Iterable[Record]) -> pl.DataFrame:
    """Rows of `HAPPENED`, in order."""
    rows = []
    for record in records:
        data = record.data
        match record.kind:
            case "connection" if data["cause"] != "subscribed":
                rows.append((record.at, "ended", data["vendor"], data["detail"]))
            case "switch":
                whence = f"from {data['left']}" if data["left"] != data["taken"] else "as before"
                rows.append((record.at, "switch", data["taken"], f"{data.get('symbol', 'all')} {whence}: {data['why']}"))
            case "backfill":
                told = data["error"] if "error" in data else f"{data['bars']} bars of {len(data['symbols'])} symbols"
                rows.append((record.at, "back-fill", data["vendor"], told))
            case "refused":
                vendor, _, reason = str(data["reason"]).partition(": ")
                rows.append((record.at, "refused", vendor, reason))
    return pl.DataFrame([(moment(at), *rest) for at, *rest in rows], schema=HAPPENED, orient="row")
