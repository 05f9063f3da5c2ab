"""A briefing and a market of the tests' own making, small and deterministic."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

import numpy as np

from pipelines.core.briefing import Briefing, Origin, SymbolBrief
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.risk.regimes import classify

SESSION = date(2026, 11, 20)
OPEN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
CLOSE = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)

SECTORS = {"AAPL": "Information Technology", "MSFT": "Information Technology", "JPM": "Financials", "BAC": "Financials", "XOM": "Energy"}


def symbol_brief(symbol: str, **changes: object) -> SymbolBrief:
    """One symbol that may be traded: 100 dollars, ATR of 2, plenty of history."""
    rng = np.random.default_rng(sum(map(ord, symbol)))
    known = {
        "symbol": symbol,
        "name": symbol,
        "exchange": "NASDAQ",
        "sector": SECTORS.get(symbol, "Unknown"),
        "tradable": True,
        "shortable": True,
        "history": 300,
        "close": 100.0,
        "atr": 2.0,
        "beta": 1.0,
        "adv": 1e7,
        "returns": tuple(rng.normal(0, 0.01, 60).tolist()),
        "seed": None,
    }
    return SymbolBrief.model_validate(known | changes)


def briefing_of(symbols: Iterable[str]) -> Briefing:
    """A briefing of tradable symbols for a full session."""
    return Briefing(
        version="2026-11-20-test",
        session=SESSION,
        open=OPEN,
        close=CLOSE,
        data_session=date(2026, 11, 19),
        created_at=datetime(2026, 11, 20, 13, 0, tzinfo=UTC),
        origin=Origin.GENERATED,
        feed="iex",
        benchmark="SPY",
        regime=classify(np.random.default_rng(1).normal(0, 0.01, 300)),
        symbols={s: symbol_brief(s) for s in symbols},
        watchlist=(),
        checks=(),
        inputs={},
    )


def day_bars(symbols: tuple[str, ...] = tuple(SECTORS), *, seed: int = 3, drift: float = 0.0002, after: int = 20) -> list[Bar]:
    """Minute bars of a whole session, sorted by minute and symbol: a random walk, with a drift from a given minute on."""
    rng = np.random.default_rng(seed)
    start = int(OPEN.timestamp()) * 1_000_000_000
    paths = {}
    for symbol in symbols:
        steps = rng.normal(0, 0.0008, 390)
        steps[after:] += drift
        paths[symbol] = 100 * np.exp(np.cumsum(steps))
    bars = []
    for minute in range(390):
        for symbol in sorted(symbols):
            close = round(float(paths[symbol][minute]), 2)
            first = round(float(paths[symbol][minute - 1]), 2) if minute else 100.0
            high, low = max(first, close) + 0.02, min(first, close) - 0.02
            volume = float(rng.integers(500, 5000))
            bars.append(Bar(symbol, start + minute * MINUTE, first, high, low, close, volume, (high + low + close) / 3, 50))
    return bars
