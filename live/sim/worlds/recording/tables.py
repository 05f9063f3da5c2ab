"""Files of recorded trades and quotes, Parquet or CSV: read, judged, ruled by their conditions, and made into minutes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from live.sim.clock import MINUTE
from live.sim.errors import WorldError
from live.sim.worlds.recording.conditions import CLOSING, OPENING, rule
from live.sim.worlds.recording.nbbo import best
from live.sim.worlds.recording.ticks import Ticks
from live.sim.worlds.sessions import Calendar

_TRADES = ("symbol", "timestamp", "price", "size")
_LISTS = {"N": "NYSE", "Q": "NASDAQ", "T": "NASDAQ", "P": "ARCA", "A": "AMEX", "Z": "BATS"}
"""Listing exchange by the venue of the opening and closing auctions."""
_UNITS = ((10**17, 1), (10**14, 1_000), (10**11, 1_000_000))  # whole numbers as timestamps: nanoseconds, microseconds, milliseconds
_WRONG = (7, 8, 10, 11, 12)  # correction codes of TAQ: cancelled, wrong, or a message about another trade


@dataclass(frozen=True, slots=True)
class Recording:
    """`trades` with symbol, timestamp (nanoseconds), price, size, exchange, conditions, day, and what each may do: last, extreme, volume."""

    trades: pl.DataFrame
    quotes: pl.DataFrame
    exchanges: Mapping[str, str]
    """Where each symbol is listed, by the venue of its auctions."""

    def days(self) -> dict[date, dict[str, Ticks]]:
        found: dict[date, dict[str, Ticks]] = {}
        quotes = self.quotes.partition_by("day", "symbol", as_dict=True)
        for key, part in self.trades.partition_by("day", "symbol", as_dict=True).items():
            midnight = int(part["midnight"][0])
            found.setdefault(key[0], {})[str(key[1])] = Ticks(part, best(quotes.get(key, self.quotes.clear()), part), midnight=midnight)
        return found

    def minutes(self) -> pl.DataFrame:
        """Bars from the trades that may make them; a minute in which no trade may move the price has none."""
        last, extreme, volume = pl.col("last"), pl.col("extreme"), pl.col("volume")
        moved = pl.when(last | extreme)
        worth = (pl.col("price") * pl.col("size")).filter(volume).sum() / pl.col("size").filter(volume).sum()
        start = (pl.col("timestamp") // MINUTE * MINUTE).alias("timestamp")
        bars = self.trades.group_by("symbol", start, maintain_order=True).agg(
            pl.col("price").filter(last).first().alias("open"),
            moved.then(pl.col("price")).max().alias("high"),
            moved.then(pl.col("price")).min().alias("low"),
            pl.col("price").filter(last).last().alias("close"),
            pl.col("size").filter(volume).sum().alias("volume"),
            worth.round(4).alias("vwap"),
            volume.sum().cast(pl.Int64).alias("trade_count"),
        )
        return bars.drop_nulls("close")

    def closings(self) -> dict[tuple[str, date], tuple[float, int, int]]:
        """Price, size and time of each day's closing auction, where there was one."""
        prints = self.trades.filter(pl.col("conditions").str.contains(CLOSING, literal=True)).sort("size")
        return {(row["symbol"], row["day"]): (row["price"], row["size"], row["timestamp"]) for row in prints.to_dicts()}


def read(paths: Sequence[Path]) -> Recording:
    """Files of trades (symbol, timestamp, price, size; exchange and conditions where known) and of quotes (symbol, timestamp, bid, ask; sizes).

    Raises WorldError with what to do.
    """
    trades, quotes = list[tuple[Path, pl.DataFrame]](), list[tuple[Path, pl.DataFrame]]()
    for path in paths:
        table = _table(path)
        (trades if "price" in table.columns else quotes).append((path, table))
    if not trades:
        raise WorldError(
            "Ticks need at least one file of trades (symbol, timestamp, price, size); only quotes were given. Name one more with --ticks."
        )
    sold = pl.concat([_trades(path, table) for path, table in trades]).sort("symbol", "timestamp", maintain_order=True)
    asked = pl.concat([_quotes(path, table) for path, table in quotes] or [_NO_QUOTES]).sort("symbol", "timestamp", maintain_order=True)
    listed = _listed(sold)
    return Recording(_ruled(sold, listed), _dated(asked), listed)


def _table(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise WorldError(f"Expected a Parquet or CSV file of ticks, found nothing at {path}. Check the path.")
    try:
        table = pl.read_csv(path, try_parse_dates=True) if path.suffix.lower() in (".csv", ".txt") else pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as broken:
        raise WorldError(f"{path.name} cannot be read as {path.suffix or 'Parquet'}: {broken}. Write it again as Parquet or CSV.") from broken
    table = table.rename({"bid_price": "bid", "ask_price": "ask"}, strict=False)
    if not set(_TRADES) <= set(table.columns) and not {"symbol", "timestamp", "bid", "ask"} <= set(table.columns):
        raise WorldError(
            f"{path.name} holds {', '.join(table.columns)}. Trades need {', '.join(_TRADES)}; quotes need symbol, timestamp, bid and ask."
        )
    if table.is_empty():
        raise WorldError(f"{path.name} has no rows. Choose a file that holds ticks.")
    return table


def _trades(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    if "correction" in table.columns:
        table = table.filter(~pl.col("correction").cast(pl.Int64).is_in(_WRONG))
    conditions = table.schema.get("conditions")
    letters = pl.col("conditions").list.join("") if isinstance(conditions, pl.List) else pl.col("conditions").cast(pl.String)
    found = _typed(
        path,
        table,
        pl.col("price").cast(pl.Float64).round(4),
        pl.col("size").cast(pl.Float64).round(0).cast(pl.Int64),
        (pl.col("exchange").cast(pl.String) if "exchange" in table.columns else pl.lit("")).fill_null("").alias("exchange"),
        (letters if conditions is not None else pl.lit("")).fill_null("").alias("conditions"),
    )
    bad = found.filter(pl.any_horizontal(pl.all().is_null()) | ~(pl.col("price") > 0) | (pl.col("size") <= 0))
    if not bad.is_empty():
        raise WorldError(f"{path.name} has {len(bad)} trades with a gap, a price or a size <= 0, the first: {bad.row(0)}. Remove them.")
    return found


def _quotes(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    """Sizes in shares; of a side without a size a round lot is taken to be shown. One venue a row, or the best of all with a venue for each side."""
    sizes, names = [], []
    for side in ("bid", "ask"):
        if f"{side}_size_lots" in table.columns:
            size = pl.col(f"{side}_size_lots") * 100
        else:
            size = pl.col(f"{side}_size") if f"{side}_size" in table.columns else pl.lit(100)
        sizes.append(size.cast(pl.Int64).fill_null(0).alias(f"{side}_size"))
        name = next((each for each in (f"{side}_exchange", "exchange") if each in table.columns), None)
        names.append((pl.col(name).cast(pl.String) if name else pl.lit("")).fill_null("").alias(f"{side}_exchange"))
    prices = [pl.col(side).cast(pl.Float64).fill_null(0.0).round(4) for side in ("bid", "ask")]
    single = pl.lit("exchange" in table.columns and "bid_exchange" not in table.columns).alias("single")
    found = _typed(path, table, *prices, *sizes, *names, single)
    bad = found.filter(pl.any_horizontal(pl.all().is_null()) | (pl.min_horizontal("bid", "ask", "bid_size", "ask_size") < 0))
    if not bad.is_empty():
        raise WorldError(f"{path.name} has {len(bad)} quotes with a gap, or a negative price or size, the first: {bad.row(0)}. Remove them.")
    return found


_NO_QUOTES = pl.DataFrame(
    schema={
        "symbol": pl.String, "timestamp": pl.Int64, "bid": pl.Float64, "ask": pl.Float64, "bid_size": pl.Int64, "ask_size": pl.Int64,
        "bid_exchange": pl.String, "ask_exchange": pl.String, "single": pl.Boolean,
    }
)  # fmt: skip


def _typed(path: Path, table: pl.DataFrame, *columns: pl.Expr) -> pl.DataFrame:
    try:
        return table.select(pl.col("symbol").cast(pl.String), _time(table), *columns)
    except pl.exceptions.PolarsError as broken:
        raise WorldError(f"{path.name} holds a value of the wrong kind: {broken}. Timestamps are UTC, prices and sizes numbers.") from broken


def _time(table: pl.DataFrame) -> pl.Expr:
    """UTC nanoseconds, of date-times or of whole numbers whose unit shows in their size."""
    kind, at = table.schema["timestamp"], pl.col("timestamp")
    if kind.is_integer():
        top = int(np.abs(table["timestamp"].drop_nulls().to_numpy()).max(initial=0))
        return (at * next((unit for least, unit in _UNITS if top >= least), 1_000_000_000)).cast(pl.Int64)
    at = at.str.to_datetime(time_zone="UTC", time_unit="ns") if kind == pl.String else at
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        at = at.dt.convert_time_zone("UTC")
    return at.dt.replace_time_zone(None).cast(pl.Datetime("ns")).cast(pl.Int64)


def _dated(table: pl.DataFrame) -> pl.DataFrame:
    local = pl.col("timestamp").cast(pl.Datetime("ns")).dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
    midnight = local.dt.truncate("1d").dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(pl.Int64)
    return table.with_columns(local.dt.date().alias("day"), midnight.alias("midnight"))


def _ruled(trades: pl.DataFrame, exchanges: Mapping[str, str]) -> pl.DataFrame:
    """Each combination of letters is looked up once."""
    dated = _dated(trades)
    first, last = dated["day"].min(), dated["day"].max()
    if not isinstance(first, date) or not isinstance(last, date):
        raise WorldError("The files hold no timestamps. Choose files that hold ticks.")
    hours = {session.date: session for session in Calendar(first - timedelta(days=10), last + timedelta(days=10)).sessions}
    opens, closes = ({day: getattr(session, name) for day, session in hours.items()} for name in ("open", "close"))
    at = pl.col("timestamp")
    inside = (at >= pl.col("day").replace_strict(opens, default=0)) & (at < pl.col("day").replace_strict(closes, default=0))
    tape = pl.col("symbol").replace_strict({symbol: _tape(name) for symbol, name in exchanges.items()}, return_dtype=pl.String)
    dated = dated.with_columns(inside.alias("regular"), tape.alias("tape"))
    kinds = dated.select("conditions", "tape", "regular").unique()
    rules = [rule(row["conditions"], tape=row["tape"], regular=row["regular"]) for row in kinds.to_dicts()]
    allowed = kinds.with_columns(*(pl.Series(name, [getattr(one, name) for one in rules], pl.Boolean) for name in ("last", "extreme", "volume")))
    return dated.join(allowed, on=["conditions", "tape", "regular"], how="left", maintain_order="left")


def _tape(exchange: str) -> str:
    return {"NYSE": "A", "NASDAQ": "C"}.get(exchange, "B")


def _listed(trades: pl.DataFrame) -> dict[str, str]:
    """By the venue of the largest auction print; of a symbol without auctions the largest printing venue says nothing, and Nasdaq is taken."""
    auctions = trades.filter(pl.col("conditions").str.contains(f"[{OPENING}{CLOSING}]")).sort("size")
    found = {row["symbol"]: _LISTS.get(row["exchange"], "NASDAQ") for row in auctions.to_dicts()}
    return {symbol: found.get(symbol, "NASDAQ") for symbol in trades["symbol"].unique().to_list()}
