"""Your own files as a recorded market: minutes and daily bars as Parquet or CSV, in the columns of `vendors/files.py`.

Published daily histories are adjusted for every split until they were fetched, minutes are not: sessions that both cover show the factor, and
only a whole one (4:1, or 1:8 for a reverse split) is taken for a split. With a file of corporate actions the days count as raw instead. Days that
the history lacks are made of their minutes. Trades and halts inside the minutes may be given as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import polars as pl

from pipelines.core import night
from pipelines.core.briefing import Briefing, Origin
from pipelines.core.errors import DataError, MissingData
from pipelines.core.market import slippage
from pipelines.core.market.adjustment import Dividends, adjusted
from pipelines.core.market.bars import Print
from pipelines.core.market.features import traded
from pipelines.core.market.session import NEW_YORK, moment
from pipelines.core.quality.screen import screen
from pipelines.core.trading.events import Halt, Market, MarketTrade
from pipelines.research.past import choices
from pipelines.settings import Settings
from pipelines.vendors import calendar, sectors, tables
from pipelines.vendors.source import UTC_TIME

FEED = "recorded"
SAME = 0.02
"""How far the two closes of one session may be apart for their ratio to be a split's."""

ALONE = (
    "none, for want of --history: the days are those of the minutes themselves. A symbol needs min_history of them before it is traded "
    "(HISTORY below; --limits can ask for fewer), and without an ATR stops are DEFAULT_STOP_LOSS and DEFAULT_TAKE_PROFIT"
)

NEEDED = {"symbol": pl.String(), "timestamp": UTC_TIME, **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64())}
OPTIONAL = {"vwap": pl.Float64(), "trades": pl.Int64()}


class Files:
    """Minutes, days and what else there is, read once."""

    def __init__(
        self,
        settings: Settings,
        minutes: Sequence[Path],
        days: Sequence[Path],
        *,
        actions: Path | None = None,
        trades: Sequence[Path] = (),
        halts: Path | None = None,
    ) -> None:
        self.settings = settings
        self._paths = {"minutes": minutes, "days": days, "trades": trades}
        self._single = {"actions": actions, "halts": halts}
        self._refused = 0
        for path in self._every:
            if path.suffix not in tables.SUFFIXES or not path.is_file():
                raise MissingData(f"expected a .parquet or .csv file, found {path}{'' if path.exists() else ', which does not exist'}")

    @property
    def name(self) -> str:
        """The files' names."""
        return ", ".join(path.name for path in self._every)

    @property
    def notes(self) -> dict[str, str]:
        """What is assumed, and what was left out."""
        rescaled = self.factors.filter(pl.col("factor") != 1.0).unique("symbol").sort("symbol")
        known = {"assumed": "every symbol with minutes tradable and shortable; sectors and symbols as of today"}
        if not self._paths["days"]:
            known["history"] = ALONE
        if rescaled.height and self.actions is None:
            known["history rescaled"] = ", ".join(f"{s} x {f:g}" for s, _, f in rescaled.iter_rows())
        return known | ({"bars set aside": f"{self._refused} that no market can have printed"} if self._refused else {})

    def sessions(self, first: date | None, last: date | None) -> list[date]:
        """The sessions of the minutes."""
        found: list[date] = self.minutes["session"].unique().sort().to_list()
        return [day for day in found if (first or date.min) <= day <= (last or date.max)]

    def briefing(self, session: date) -> Briefing:
        """Made of the files' rows until the session before. Everything in the minutes counts as tradable and shortable: nobody says otherwise."""
        past = Before(self, session)
        return night.briefing(past, choices(self.settings), slippage.fit(slippage.EXECUTIONS.to_frame()), moment(calendar.session_of(session).open))

    def bars(self, session: date, symbols: Sequence[str]) -> pl.DataFrame:
        """As they stand in the file."""
        return traded(self.minutes.filter((pl.col("session") == session) & pl.col("symbol").is_in(list(symbols))))

    def inside(self, session: date) -> list[Market]:
        """The trades and halts of the session."""
        found: list[Market] = [*self._prints(session), *self._stops(session)]
        return sorted(found, key=lambda event: event.at)

    def version(self, sessions: Sequence[date]) -> str:
        """Of the files' bytes."""
        digest = sha256()
        for path in self._every:
            digest.update(sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    @cached_property
    def minutes(self) -> pl.DataFrame:
        """Sound minute bars with their `session`."""
        return self._sound("minutes")

    @cached_property
    def daily(self) -> pl.DataFrame:
        """Sound daily bars with their `session`, on the scale of the history; days that only minutes know are made of those."""
        spans = pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last(), pl.col("volume").sum()
        made = self._regular.group_by("symbol", "session").agg(*spans).join(self._published, on=["symbol", "session"], how="anti").sort("session")
        scaled = made.join_asof(self.factors, on="session", by="symbol", strategy="nearest", check_sortedness=False)
        midnight = pl.col("session").cast(pl.Datetime("us")).dt.replace_time_zone(NEW_YORK.key).dt.convert_time_zone("UTC")
        empty = [pl.lit(None, kind).alias(name) for name, kind in OPTIONAL.items()]
        whole = _scaled(scaled.with_columns(midnight.alias("timestamp"), *empty), 1.0 / pl.col("factor").fill_null(1.0))
        return pl.concat([self._published, whole.select(self._published.columns)]).sort("symbol", "timestamp")

    @cached_property
    def actions(self) -> pl.DataFrame | None:
        """Splits and dividends, where a file tells them."""
        path = self._single["actions"]
        if path is None:
            return None
        needed = {"symbol": pl.String(), "kind": pl.String(), "ex_date": pl.Date()}
        rows = _whole(path, needed, {"ratio": pl.Float64(), "cash": pl.Float64()})
        return rows.with_columns(pl.col("ratio").fill_null(1.0), pl.col("cash").fill_null(0.0))

    @cached_property
    def factors(self) -> pl.DataFrame:
        """Rows symbol, session, factor: what the published days are multiplied by to stand on the scale of the session's minutes."""
        closes = self._regular.group_by("symbol", "session").agg(pl.col("close").last().alias("last"))
        both = closes.join(self._published.select("symbol", "session", "close"), on=["symbol", "session"])
        ratio = pl.col("last") / pl.col("close")
        whole = both.with_columns(
            ratio.alias("ratio"), pl.when(ratio >= 1).then(ratio.round()).otherwise(1.0 / (1.0 / ratio).round()).alias("factor")
        )
        fits = (pl.col("ratio") / pl.col("factor") - 1).abs() <= SAME
        return whole.with_columns(pl.when(fits).then("factor").otherwise(1.0)).select("symbol", "session", "factor").sort("session")

    @cached_property
    def _published(self) -> pl.DataFrame:
        return self._sound("days") if self._paths["days"] else self.minutes.clear()

    @cached_property
    def _regular(self) -> pl.DataFrame:
        """Minutes of the regular sessions, by time."""
        edges = calendar.calendar().select("session", pl.col("open", "close").dt.cast_time_unit("us").name.prefix("_"))
        inside = pl.col("timestamp").is_between(pl.col("_open"), pl.col("_close"), closed="left")
        return self.minutes.join(edges, on="session").filter(inside).drop("_open", "_close").sort("timestamp")

    @cached_property
    def symbols(self) -> pl.DataFrame:
        """Rows symbol, traded: all of them, and whether there are minutes."""
        every = pl.concat([self.minutes.select("symbol"), self.daily.select("symbol")]).unique().sort("symbol")
        return every.with_columns(pl.col("symbol").is_in(self.minutes["symbol"].unique().implode()).alias("traded"))

    @property
    def _every(self) -> list[Path]:
        singles = [path for path in self._single.values() if path is not None]
        return [*(path for paths in self._paths.values() for path in paths), *singles]

    def _sound(self, kind: str) -> pl.DataFrame:
        """Bars that a market can have printed; `MissingData` where there are none."""
        rows = pl.concat([_whole(path, NEEDED, OPTIONAL) for path in self._paths[kind]])
        good, bad = screen(rows, calendar.calendar()["session"].to_list())
        self._refused += bad.height
        if good.is_empty():
            raise MissingData(f"expected {kind} in {', '.join(path.name for path in self._paths[kind])}, found {rows.height} rows and no sound bar")
        return good.sort("symbol", "timestamp")

    def _prints(self, session: date) -> list[Market]:
        if not self._paths["trades"]:
            return []
        hours = calendar.session_of(session)
        rows = self._trades.filter(pl.col("at").is_between(hours.open, hours.close, closed="left"))
        return [MarketTrade(Print(symbol, price, size, at), FEED, at) for symbol, at, price, size in rows.iter_rows()]

    @cached_property
    def _trades(self) -> pl.DataFrame:
        needed = {"symbol": pl.String(), "timestamp": pl.Datetime("ns", "UTC"), "price": pl.Float64(), "size": pl.Float64()}
        rows = pl.concat([_whole(path, needed, {}) for path in self._paths["trades"]])
        return rows.select("symbol", pl.col("timestamp").dt.epoch("ns").alias("at"), "price", "size").sort("at")

    def _stops(self, session: date) -> list[Market]:
        path = self._single["halts"]
        if path is None:
            return []
        rows = _whole(path, {"symbol": pl.String(), "timestamp": UTC_TIME, "halted": pl.Boolean()}, {"reason": pl.String()})
        dated = rows.filter(pl.col("timestamp").dt.convert_time_zone(NEW_YORK.key).dt.date() == session)
        stamps = dated["timestamp"].dt.epoch("us") * 1_000
        return [
            Halt(symbol, halted, reason or "", at)
            for symbol, halted, reason, at in zip(dated["symbol"], dated["halted"], dated["reason"], stamps, strict=True)
        ]


@dataclass(frozen=True)
class Before:
    """A `core.night.Past` out of files: rows of the sessions before this one only."""

    files: Files
    following: date

    @property
    def session(self) -> date:
        """The data session."""
        return calendar.previous_session(self.following)

    @cached_property
    def calendar(self) -> pl.DataFrame:
        """The sessions of the history, and the one after it."""
        window = [*calendar.trailing(self.session, self.files.settings.history_sessions), self.following]
        return calendar.calendar().filter(pl.col("session").is_in(window)).select("session", "open", "close")

    @cached_property
    def universe(self) -> pl.DataFrame:
        """Every symbol of the files; tradable where it has minutes. Sectors are today's."""
        rows = sectors.with_sectors(self.files.symbols)
        return rows.select(
            pl.lit(self.session).alias("session"),
            "symbol",
            pl.col("symbol").alias("name"),
            pl.lit("").alias("exchange"),
            "sector",
            pl.col("traded").alias("tradable"),
            pl.lit(True).alias("shortable"),
            pl.lit(FEED).alias("feed"),
            pl.lit(Origin.RECORDED.value).alias("origin"),
            pl.lit(self.session).alias("asof"),
            pl.lit(False).alias("point_in_time"),
        )

    @cached_property
    def daily(self) -> pl.DataFrame:
        """Daily bars, adjusted for splits."""
        return self._days(None)

    @cached_property
    def total(self) -> pl.DataFrame:
        """Daily bars, adjusted for dividends where a file tells them."""
        return self._days(Dividends.REINVESTED)

    @cached_property
    def minutes(self) -> pl.DataFrame:
        """Minute bars of the last sessions."""
        first = calendar.trailing(self.session, self.files.settings.minute_sessions)[0]
        rows = traded(self.files.minutes.filter(pl.col("session").is_between(first, self.session)))
        if self.files.actions is not None:
            return adjusted(rows, self.files.actions, self.following)
        here = self.files.factors.rename({"factor": "own"})
        both = rows.join(here, on=["symbol", "session"], how="left", maintain_order="left").join(self._scale, on="symbol", how="left")
        return _scaled(both, pl.col("factor").fill_null(1.0) / pl.col("own").fill_null(1.0)).drop("own").sort("symbol", "timestamp")

    def _days(self, dividends: Dividends | None) -> pl.DataFrame:
        first = self.calendar["session"][0]
        rows = traded(self.files.daily.filter(pl.col("session").is_between(first, self.session)))
        if self.files.actions is not None:
            return adjusted(rows, self.files.actions, self.following, dividends=dividends)
        return _scaled(rows.join(self._scale, on="symbol", how="left"), pl.col("factor").fill_null(1.0)).sort("symbol", "timestamp")

    @cached_property
    def _scale(self) -> pl.DataFrame:
        """Rows symbol, factor: on which scale each symbol trades in the session; as on its nearest day with minutes. A unit, not a price."""
        known = self.files.factors.with_columns((pl.col("session") - self.following).abs().alias("away"))
        return known.sort("away", "session").group_by("symbol", maintain_order=True).first().select("symbol", "factor")


def _scaled(rows: pl.DataFrame, factor: pl.Expr) -> pl.DataFrame:
    prices = [pl.col(name) * factor for name in ("open", "high", "low", "close", "vwap")]
    return rows.with_columns(*prices, (pl.col("volume") / factor).alias("volume")).drop("factor")


def _whole(path: Path, needed: Mapping[str, pl.DataType], optional: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The file's rows; `DataError` for the first that cannot be read: a backtest on half of a file would answer another question."""
    rows, wrong = pl.collect_all(list(tables.typed(path, needed, optional)))
    if wrong.height:
        raise DataError(
            f"expected rows that can be read in {path}, found {wrong.height} others: {wrong['reason'][0]} in {wrong['raw'][0]}; correct it"
        )
    return rows
