"""A seeded market that never was: market, sector and own factor by day, tied down to minutes that add up to exactly those days.

The chain of days starts at a fixed session, so the same seed shows the same past whatever day the exchange is opened on.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any

import numpy as np

from live.sim.clock import MINUTE
from live.sim.errors import WorldError
from live.sim.worlds.actions import Actions
from live.sim.worlds.events import events, scales
from live.sim.worlds.halts import Halt, drawn
from live.sim.worlds.outside import outside
from live.sim.worlds.recording.ticks import Ticks
from live.sim.worlds.sessions import Calendar, Session
from live.sim.worlds.universe import listings
from live.sim.worlds.world import Asset, Bars, Floats, Integers, empty, join

_ANCHOR = date(2019, 1, 2)
_EARLIEST = date(2021, 1, 4)  # 400 sessions of history lie before it
_LATEST = date(2034, 12, 29)
_MARKET, _SECTOR = 0.0105, 0.0065  # daily volatility of the two common factors
_OVERNIGHT = 0.30  # share of a day's variance that falls into the gap
_EVENT_RATE = 0.08
_PULL = 0.006  # a day's share of the way back to the starting price: keeps invented prices plausible over years
_CACHE = 64
_HISTORY = 450


@dataclass(frozen=True, slots=True)
class _Chain:
    """Whole days by (session, symbol): opening and closing price in dollars, mean volume, and the event drift in daily sigmas (0 on most days)."""

    opening: Floats
    closing: Floats
    volume: Floats
    event: Floats
    level: Floats  # of volatility, by session


class GeneratedWorld:
    """Around forty large caps and SPY; minutes are made when asked for."""

    kind = "generated"
    thin = True
    rescaled: Mapping[str, float] = MappingProxyType({})

    def __init__(
        self, *, day: date, seed: int, extended: bool = False, halts: bool = False, splits: bool = False, assets: Mapping[str, Asset] | None = None
    ) -> None:
        """What is switched on changes nothing else: the regular minutes stay the same, but for those of a halt and the scale after a split."""
        if not _EARLIEST <= day <= _LATEST:
            raise WorldError(f"A generated world covers {_EARLIEST} to {_LATEST}, not {day}. Choose a --date in between.")
        self.seed = seed
        self.name = f"generated-{seed}"
        self.calendar = Calendar(_ANCHOR, min(day + timedelta(days=430), date(2035, 12, 31)))
        self._listings = listings()
        known = {row.symbol: Asset(row.symbol, row.name, row.exchange) for row in self._listings}
        self.assets: Mapping[str, Asset] = {symbol: (assets or {}).get(symbol, asset) for symbol, asset in known.items()}
        self.first = self.calendar.sessions[0].date
        self.last = self.calendar.sessions[-20].date  # the venue looks a few sessions ahead
        self._extended, self._halts = extended, halts
        sessions = self.calendar.sessions
        self.actions = events(list(known), [session.date for session in sessions], seed=seed) if splits else Actions()
        self._chain = _split(_days(len(sessions), seed), scales(self.actions, list(known), [session.date for session in sessions]))
        self._minutes: OrderedDict[int, Mapping[str, Bars]] = OrderedDict()
        self._daily: dict[int, dict[str, Any]] = {}

    def halts(self, day: date) -> list[Halt]:
        session = self.calendar.find(day)
        return drawn(list(self.assets), session, seed=self.seed) if self._halts and session is not None else []

    def day(self, day: date) -> Mapping[str, Bars]:
        session = self.calendar.find(day)
        if session is None or not self.first <= day <= self.last:
            return {}
        known = self._minutes.get(session.ordinal)
        if known is None:
            known = self._minutes[session.ordinal] = self._make(session)
            if len(self._minutes) > _CACHE:
                self._minutes.popitem(last=False)
        else:
            self._minutes.move_to_end(session.ordinal)
        return known

    def ticks(self, day: date) -> Mapping[str, Ticks]:
        return {}

    def official(self, session: Session) -> int:
        return session.close

    def daily(self, symbol: str, before: date, since: date | None = None) -> Bars:
        """The last sessions before that day, enough for a year of returns and its warm-up."""
        if symbol not in self.assets:
            return empty()
        ordinals = [session.ordinal for session in self.calendar.since(max(since or self.first, self.first), before - timedelta(days=1))][-_HISTORY:]
        column = list(self.assets).index(symbol)
        rows = [self._summary(ordinal) for ordinal in ordinals]
        if not rows:
            return empty()
        starts = np.array([self.calendar.sessions[ordinal].midnight for ordinal in ordinals], np.int64)
        return Bars(starts, *(np.array([row[name][column] for row in rows]) for name in ("o", "h", "l", "c", "v", "n", "vw")))

    def _summary(self, ordinal: int) -> dict[str, Any]:
        known = self._daily.get(ordinal)
        if known is None:
            known = self._daily[ordinal] = _totals(self._columns(self.calendar.sessions[ordinal]))
        return known

    def _make(self, session: Session) -> Mapping[str, Bars]:
        columns = self._columns(session)
        starts = session.open + MINUTE * np.arange(session.minutes, dtype=np.int64)
        found = {
            symbol: Bars(starts, *(columns[name][row] for name in ("o", "h", "l", "c", "v", "n", "vw"))) for row, symbol in enumerate(self.assets)
        }
        for halt in self.halts(session.date):
            traded = np.flatnonzero(found[halt.symbol].v > 0)
            found[halt.symbol] = Bars(*(getattr(found[halt.symbol], name)[traded] for name in ("t", "o", "h", "l", "c", "v", "n", "vw")))
        return self._around(session, found) if self._extended else found

    def _around(self, session: Session, found: Mapping[str, Bars]) -> Mapping[str, Bars]:
        """Thin minutes before the open and after the close."""
        chain, day = self._chain, session.ordinal
        ratios = np.array([float(self.actions.ratio(symbol, session.date)) for symbol in self.assets])
        before = chain.closing[day - 1] / ratios if day else chain.opening[day]
        rng = np.random.default_rng([self.seed, 202, day])
        early = outside(rng, session.early, session.open, before, chain.opening[day], volume=chain.volume[day], opening=True)
        late = outside(rng, session.close, session.late, chain.closing[day], chain.closing[day], volume=chain.volume[day], opening=False)
        return {symbol: join([early[row], found[symbol], late[row]]) for row, symbol in enumerate(self.assets)}

    def _columns(self, session: Session) -> dict[str, Any]:
        """All minutes of a session as (symbol, minute) arrays."""
        rng = np.random.default_rng([self.seed, 101, session.ordinal])
        chain, day, count = self._chain, session.ordinal, session.minutes
        weight = _profile(count)
        path = _paths(rng, self._listings, weight, chain.level[day], chain.event[day])
        total = np.log(chain.closing[day] / chain.opening[day])
        drift = _ramps(rng, weight, chain.event[day])
        close = np.round(chain.opening[day][:, None] * np.exp(path + drift * total[:, None]), 2)
        close[:, -1] = chain.closing[day]
        columns = _bars(
            rng, close, opening=chain.opening[day], volume=chain.volume[day], weight=weight, sigmas=_sigmas(self._listings) * chain.level[day]
        )
        rank = {symbol: row for row, symbol in enumerate(self.assets)}
        for halt in self.halts(session.date):
            _silence(columns, rank[halt.symbol], (halt.start - session.open) // MINUTE, (halt.end - session.open) // MINUTE)
        return columns


def _silence(columns: dict[str, Any], row: int, first: int, last: int) -> None:
    """Minutes in which nothing trades: they keep the price before them, so that sums and extremes pass over them."""
    for name in ("o", "h", "l", "c", "vw"):
        columns[name][row, first:last] = columns["c"][row, first - 1]
    for name in ("v", "n"):
        columns[name][row, first:last] = 0


def _split(chain: _Chain, scale: Floats) -> _Chain:
    """Raw prices: what one share was before the first split is `scale` shares on a later day."""
    if (scale == 1).all():
        return chain
    return replace(chain, opening=np.round(chain.opening / scale, 2), closing=np.round(chain.closing / scale, 2), volume=chain.volume * scale)


def _sigmas(rows: list[Any]) -> Floats:
    return np.array([row.sigma for row in rows])


def _own(rows: list[Any]) -> Floats:
    """Volatility left for the symbol itself once market and sector have had their part."""
    common = np.array([(row.beta * _MARKET) ** 2 + (_SECTOR**2 if row.sector else 0) for row in rows])
    return np.asarray(np.sqrt(np.maximum(_sigmas(rows) ** 2 - common, (0.35 * _sigmas(rows)) ** 2)) * [1.0 if row.sector else 0.05 for row in rows])


def _members(rows: list[Any]) -> Floats:
    """(symbol, sector) of ones and zeros; SPY belongs to no sector."""
    sectors = sorted({row.sector for row in rows if row.sector})
    return np.array([[float(row.sector == sector) for sector in sectors] for row in rows])


def _days(count: int, seed: int) -> _Chain:
    """Each kind of draw has its own generator and is drawn row by row: a longer calendar leaves the days before unchanged."""
    rows, size = listings(), len(listings())
    members, betas, own = _members(rows), np.array([row.beta for row in rows]), _own(rows)
    level = _levels(np.random.default_rng([seed, 1]).standard_normal((count, 2)))
    fat = np.random.default_rng([seed, 2]).standard_t(4, (count, 2, 1 + members.shape[1] + size)) / np.sqrt(2)
    chance = np.random.default_rng([seed, 3]).random((count, 3, size))
    market, sector, idio = fat[:, :, :1], fat[:, :, 1 : 1 + members.shape[1]], fat[:, :, 1 + members.shape[1] :]
    moves = level[:, None, None] * (market * _MARKET * betas + (sector * _SECTOR) @ members.T + idio * own)
    moves = np.clip(moves, -0.14, 0.14)
    happens = (chance[:, 0] < _EVENT_RATE) & (members.sum(axis=1) > 0)
    event = np.where(happens, (2 + chance[:, 1]) * np.where(chance[:, 2] < 0.5, -1.0, 1.0), 0.0)
    inside = np.where(happens, event * _sigmas(rows) * level[:, None], moves[:, 1] * np.sqrt(1 - _OVERNIGHT))
    opening, closing = _prices(moves[:, 0] * np.sqrt(_OVERNIGHT), inside, np.array([row.price for row in rows]))
    busy = np.exp(0.25 * np.random.default_rng([seed, 4]).standard_normal((count, size)))
    volume = np.array([row.volume for row in rows]) * busy * np.sqrt(level)[:, None] * np.where(happens, 2.2, 1.0)
    return _Chain(opening, closing, np.clip(volume, 3e5, 1.6e8), event, level)


def _levels(noise: Floats) -> Floats:
    """Volatility by day: a slow wave times a calm or a stormy regime that lasts weeks. Below 1 on average: event days add the rest."""
    level, wave, storm = np.empty(len(noise)), 0.0, False
    for day, (small, large) in enumerate(noise):
        wave = 0.96 * wave + 0.045 * small
        storm = large < 1.65 if storm else large > 2.2
        level[day] = np.exp(wave) * (1.05 if storm else 0.72)
    return level


def _prices(gaps: Floats, moves: Floats, start: Floats) -> tuple[Floats, Floats]:
    opening, closing, last = np.empty_like(gaps), np.empty_like(gaps), start
    for day in range(len(gaps)):
        pull = _PULL * np.log(start / last)
        opening[day] = np.round(last * np.exp(gaps[day] + pull), 2)
        last = closing[day] = np.round(opening[day] * np.exp(moves[day]), 2)
    return opening, closing


def _profile(count: int) -> Floats:
    """U-shaped share of the day's variance by minute; sums to 1."""
    at = np.linspace(0, 1, count)
    shape = 0.55 + 2.4 * np.exp(-at * 11) + 0.75 * np.exp(-(1 - at) * 14)
    return np.asarray(shape / shape.sum())


def _paths(rng: np.random.Generator, rows: list[Any], weight: Floats, level: float, event: Floats) -> Floats:
    """Log price against the open by (symbol, minute), pinned to 0 at the close: what happens within the day beside its drift."""
    members = _members(rows)
    size = 1 + members.shape[1] + len(rows)
    plain = rng.standard_normal((size, len(weight)))
    steps = plain * (1 + 0.06 * plain * plain) * np.sqrt(weight / 1.414)  # the cube fattens the tails; a Student draw costs three times as much
    walk = np.cumsum(steps, axis=1)
    walk -= walk[:, -1:] * np.cumsum(weight)
    scale = level * np.sqrt(1 - _OVERNIGHT)
    common = np.array([row.beta for row in rows])[:, None] * _MARKET * walk[:1] + _SECTOR * (members @ walk[1 : 1 + members.shape[1]])
    own = _own(rows) * np.where(event != 0, 0.6, 1.0)
    return np.asarray(scale * (common + own[:, None] * walk[1 + members.shape[1] :]))


def _ramps(rng: np.random.Generator, weight: Floats, event: Floats) -> Floats:
    """How much of the day's move is done by each minute. On event days it starts within the first hour and lasts hours: a trend."""
    done = np.cumsum(weight)
    start = rng.uniform(0.01, 0.18, len(event))[:, None]
    end = start + rng.uniform(0.35, 0.78, len(event))[:, None]
    trend = np.clip((np.linspace(0, 1, len(weight))[None, :] - start) / (end - start), 0, 1)
    return np.where((event != 0)[:, None], trend, done[None, :])


def _bars(rng: np.random.Generator, close: Floats, *, opening: Floats, volume: Floats, weight: Floats, sigmas: Floats) -> dict[str, Any]:
    """Open, high, low and volume around the closes of (symbol, minute)."""
    shape = close.shape
    before = np.concatenate((opening[:, None], close[:, :-1]), axis=1)
    jitter = np.round(rng.normal(0, 0.25, shape), 0) * 0.01
    jitter[:, 0] = 0.0
    opens = np.round(before + jitter, 2)
    reach = close * sigmas[:, None] * np.sqrt(weight) * 0.55
    highs = np.round(np.maximum(opens, close) + reach * rng.exponential(0.5, shape), 2)
    lows = np.round(np.minimum(opens, close) - reach * rng.exponential(0.5, shape), 2)
    swing = np.abs(close - before) / (close * sigmas[:, None] * np.sqrt(weight) + 1e-9)
    crowd = np.exp(0.35 * rng.standard_normal(shape)) * (0.7 + 0.3 * np.minimum(swing, 4)) * weight**0.8
    shares = np.maximum(volume[:, None] * crowd / crowd.sum(axis=1, keepdims=True), 1).astype(np.int64)
    trades: Integers = np.maximum(shares // 110, 1)
    mean = np.round((highs + lows + close) / 3, 4)
    return {"o": opens, "h": highs, "l": lows, "c": close, "v": shares, "n": trades, "vw": mean}


def _totals(columns: dict[str, Any]) -> dict[str, Any]:
    volume = columns["v"].sum(axis=1)
    return {
        "o": columns["o"][:, 0],
        "h": columns["h"].max(axis=1),
        "l": columns["l"].min(axis=1),
        "c": columns["c"][:, -1],
        "v": volume,
        "n": columns["n"].sum(axis=1),
        "vw": np.round((columns["vw"] * columns["v"]).sum(axis=1) / volume, 4),
    }
