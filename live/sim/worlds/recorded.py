"""A world made of recorded ticks, minutes and daily bars: Parquet or CSV files, checked once when they are read."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from live.sim.errors import WorldError
from live.sim.worlds.actions import Actions
from live.sim.worlds.halts import Halt
from live.sim.worlds.recording.tables import read
from live.sim.worlds.recording.ticks import Ticks
from live.sim.worlds.sessions import Calendar, Session
from live.sim.worlds.world import Asset, Bars, between, empty, group, join

_NEEDED = ("symbol", "timestamp", "open", "high", "low", "close", "volume")
_PRICES = ("open", "high", "low", "close")
_SAME = 0.02
"""How far the two closes of one session may be apart for their ratio to be a split's."""


class RecordedWorld:
    """Minutes that held no trade stay absent; a symbol without daily history has no daily bars."""

    kind = "recorded"
    seed = 0
    thin = False

    def __init__(
        self,
        *,
        minutes: Sequence[Path] = (),
        ticks: Sequence[Path] = (),
        history: Sequence[Path] = (),
        day: date | None = None,
        seed: int = 0,
        actions: Actions | None = None,
        assets: Mapping[str, Asset] | None = None,
        thin: bool = False,
    ) -> None:
        """Minutes of `ticks` are made of their trades, and count more than recorded ones.

        A recording may be of one venue already: only with `thin` does the `iex` feed show less of it than the others.
        """
        files = [*minutes, *ticks]
        if not files:
            raise WorldError("A recorded world needs at least one file of minutes or ticks, none was given. Name one with --world FILE.")
        self.seed, self.thin = seed, thin
        self.name = "+".join(path.stem for path in files)
        recording = read(ticks) if ticks else None
        self._ticks = recording.days() if recording is not None else {}
        self._auctions = recording.closings() if recording is not None else {}
        self._final: dict[date, int] = {}  # when the last closing auction of a day printed
        for (_, closing), (_, _, at) in self._auctions.items():
            self._final[closing] = max(at, self._final.get(closing, 0))
        made = [recording.minutes()] if recording is not None else []
        table = pl.concat([*(_read(path) for path in minutes), *made], how="diagonal").filter(pl.col("volume") > 0)
        past = pl.concat([_read(path) for path in history]) if history else table.clear()
        self._minutes = _by_session(table)
        if not self._minutes:
            raise WorldError(f"No minute with a trade in {_names(files)}. Every row has volume 0: choose another file.")
        days = sorted(self._minutes)
        self.first, self.last = days[0], days[-1]
        self.calendar = _calendar(table, past)
        self._check(days, day, files)
        official = {str(key[0]): _bars(part) for key, part in past.partition_by("symbol", as_dict=True).items()}
        self.rescaled: dict[str, float] = {}
        """Symbols whose daily history was adjusted for a later split, with the factor that undid it."""
        played = {symbol: empty() for day in self._ticks.values() for symbol in day}
        self._daily = {symbol: self._complete(symbol, self._unadjusted(symbol, bars)) for symbol, bars in (played | official).items()}
        symbols = sorted(set(official) | {symbol for group_ in self._minutes.values() for symbol in group_})
        places = recording.exchanges if recording is not None else {}
        known = {symbol: Asset(symbol, f"{symbol} (recorded)", places.get(symbol, "NASDAQ")) for symbol in symbols}
        self.assets: Mapping[str, Asset] = {symbol: (assets or {}).get(symbol, asset) for symbol, asset in known.items()}
        self.actions = actions or Actions()

    def halts(self, day: date) -> list[Halt]:
        """None: a recording does not say why a minute is missing."""
        return []

    def day(self, day: date) -> Mapping[str, Bars]:
        return self._minutes.get(day, {})

    def ticks(self, day: date) -> Mapping[str, Ticks]:
        return self._ticks.get(day, {})

    def official(self, session: Session) -> int:
        return max(session.close, self._final.get(session.date, 0))

    def daily(self, symbol: str, before: date, since: date | None = None) -> Bars:
        return between(self._daily.get(symbol, empty()), since, before)

    def _check(self, days: list[date], day: date | None, minutes: Sequence[Path]) -> None:
        odd = [found for found in days if self.calendar.find(found) is None]
        if odd:
            raise WorldError(f"Minutes must lie on NYSE sessions; {odd[0]} in {_names(minutes)} is none. Are the timestamps UTC starts of minutes?")
        if day is not None and day not in self._minutes:
            known = ", ".join(str(found) for found in days[:10]) + (f" ... {days[-1]}" if len(days) > 10 else "")
            raise WorldError(f"No minute on {day} in {_names(minutes)}. Sessions there are: {known}. Choose one with --date.")

    def _unadjusted(self, symbol: str, official: Bars) -> Bars:
        """Daily bars on the scale of the minutes, as the exchange printed them.

        Published histories are adjusted for every split until they were fetched, minutes are not: the sessions that both cover show the
        factor. Only a whole one (4:1, or 1:8 for a reverse split) is taken for a split; anything else is left as it was recorded.
        """
        closes = {int(t): float(c) for t, c in zip(official.t, official.c, strict=True)}
        ratios = []
        for day, columns in self._minutes.items():
            session = self.calendar.find(day)
            if session is not None and symbol in columns and session.midnight in closes:
                regular = summary(columns[symbol], session)
                ratios += [float(c) / closes[session.midnight] for c in regular.c]
        if not ratios:
            return official
        ratio = float(np.median(ratios))
        factor = float(round(ratio)) if ratio >= 1 else 1.0 / round(1 / ratio)
        if factor == 1.0 or abs(ratio / factor - 1) > _SAME:
            return official
        self.rescaled[symbol] = factor
        o, h, low, c, vw = (np.round(prices * factor, 4) for prices in (official.o, official.h, official.l, official.c, official.vw))
        return Bars(official.t, o, h, low, c, np.round(official.v / factor).astype(np.int64), official.n, vw)

    def _complete(self, symbol: str, official: Bars) -> Bars:
        """The official days, and days known only by their minutes."""
        known = set(official.t.tolist())
        made = []
        for day, columns in sorted(self._minutes.items()):
            session = self.calendar.find(day)
            if session is not None and symbol in columns and session.midnight not in known:
                made.append(_official(summary(columns[symbol], session), self._auctions.get((symbol, day)), session))
        every = join([official, *made])
        order = np.argsort(every.t, kind="stable")
        return Bars(*(getattr(every, column)[order] for column in ("t", "o", "h", "l", "c", "v", "n", "vw")))


def summary(minutes: Bars, session: Session) -> Bars:
    """One daily bar from the regular minutes, or none."""
    first, last = np.searchsorted(minutes.t, [session.open, session.close])
    regular = minutes.cut(int(first), int(last))
    return group(regular, np.full(len(regular), session.midnight, np.int64))


def _official(day: Bars, auction: tuple[float, int, int] | None, session: Session) -> Bars:
    """With the closing auction, which comes after the last regular minute: its price is the day's close, and its volume counts once."""
    if auction is None or not len(day) or auction[2] < session.close:
        return day
    price, size, _ = auction
    worth = (day.vw[0] * day.v[0] + price * size) / (day.v[0] + size)
    h, low = np.maximum(day.h, price), np.minimum(day.l, price)
    return Bars(day.t, day.o, h, low, np.array([price]), day.v + size, day.n + 1, np.array([round(float(worth), 4)]))


def _read(path: Path) -> pl.DataFrame:
    """Typed, sorted columns of one file; raises WorldError with what to do."""
    if not path.is_file():
        raise WorldError(f"Expected a Parquet or CSV file, found nothing at {path}. Check the path.")
    try:
        table = pl.read_csv(path, try_parse_dates=True) if path.suffix.lower() in (".csv", ".txt") else pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as broken:
        raise WorldError(f"{path.name} cannot be read as {path.suffix or 'Parquet'}: {broken}. Write it again as Parquet or CSV.") from broken
    lacking = [column for column in _NEEDED if column not in table.columns]
    if lacking:
        raise WorldError(f"{path.name} lacks {', '.join(lacking)}; found {', '.join(table.columns)}. Needed are {', '.join(_NEEDED)}.")
    try:
        table = _typed(table)
    except pl.exceptions.PolarsError as broken:
        raise WorldError(f"{path.name} holds a value of the wrong kind: {broken}. Timestamps are UTC, prices and volume numbers.") from broken
    _judge(table, path)
    return table


def _typed(table: pl.DataFrame) -> pl.DataFrame:
    stamp = table.schema["timestamp"]
    at = pl.col("timestamp").str.to_datetime(time_zone="UTC") if stamp == pl.String else pl.col("timestamp").cast(pl.Datetime("ns"))
    if isinstance(stamp, pl.Datetime) and stamp.time_zone is not None:
        at = pl.col("timestamp").dt.convert_time_zone("UTC")
    nanoseconds = at.dt.replace_time_zone(None).cast(pl.Datetime("ns")).cast(pl.Int64).alias("timestamp")
    numbers = [pl.col(column).cast(pl.Float64).round(4) for column in _PRICES]
    volume = pl.col("volume").cast(pl.Float64).round(0).cast(pl.Int64)
    mean = ((pl.col("high") + pl.col("low") + pl.col("close")) / 3).round(4)
    vwap = pl.coalesce(pl.col("vwap").cast(pl.Float64), mean) if "vwap" in table.columns else mean
    guess = (pl.col("volume") // 100).clip(lower_bound=1)
    count = pl.coalesce(pl.col("trade_count").cast(pl.Int64), guess) if "trade_count" in table.columns else guess
    plain = table.with_columns(pl.col("symbol").cast(pl.String), nanoseconds, *numbers, volume)
    return plain.with_columns(vwap.round(4).alias("vwap"), count.cast(pl.Int64).alias("trade_count")).select(*_NEEDED, "vwap", "trade_count")


def _judge(table: pl.DataFrame, path: Path) -> None:
    if table.is_empty():
        raise WorldError(f"{path.name} has no rows. Choose a file that holds bars.")
    bad = table.filter(pl.any_horizontal(pl.all().is_null()) | (pl.min_horizontal(_PRICES) <= 0) | (pl.col("volume") < 0))
    if not bad.is_empty():
        raise WorldError(f"{path.name} has {len(bad)} rows with a gap, a price <= 0 or a negative volume, the first: {bad.row(0)}. Remove them.")


def _by_session(table: pl.DataFrame) -> dict[date, dict[str, Bars]]:
    day = pl.col("timestamp").cast(pl.Datetime("ns")).dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York").dt.date()
    unique = table.unique(["symbol", "timestamp"], keep="last").sort("symbol", "timestamp").with_columns(day.alias("day"))
    found: dict[date, dict[str, Bars]] = {}
    for key, part in unique.partition_by("day", "symbol", as_dict=True).items():
        found.setdefault(key[0], {})[str(key[1])] = _bars(part, walkable=True)
    return found


def _bars(part: pl.DataFrame, *, walkable: bool = False) -> Bars:
    """As recorded, defects and all; `walkable` widens highs and lows to hold open and close, so that a path inside the minute exists."""
    part = part.sort("timestamp").unique("timestamp", keep="last", maintain_order=True)
    o, h, low, c = (part[name].to_numpy() for name in _PRICES)
    return Bars(
        part["timestamp"].to_numpy(),
        o,
        np.maximum.reduce([o, h, low, c]) if walkable else h,
        np.minimum.reduce([o, h, low, c]) if walkable else low,
        c,
        part["volume"].to_numpy(),
        part["trade_count"].to_numpy(),
        part["vwap"].to_numpy(),
    )


def _calendar(minutes: pl.DataFrame, history: pl.DataFrame) -> Calendar:
    stamps = pl.concat([minutes["timestamp"], history["timestamp"]]).cast(pl.Datetime("ns")).dt.date()
    first, last = stamps.min(), stamps.max()
    if not isinstance(first, date) or not isinstance(last, date):
        raise WorldError("The files hold no timestamps. Choose files that hold bars.")
    return Calendar(first - timedelta(days=10), last + timedelta(days=430))


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths)
