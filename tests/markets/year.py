"""A year of sessions as their journals would have told it: the real engine over an invented market, written by the pipeline's functions."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl

from pipelines import publish
from pipelines.core.analytics import books, wishes
from pipelines.core.analytics import performance as measures
from pipelines.core.analytics.session import feeds, ledger
from pipelines.core.backtest.costs import Costs
from pipelines.core.backtest.run import Step
from pipelines.core.backtest.session import play
from pipelines.core.briefing import Briefing, Candidate, CheckResult, Origin, Severity, SymbolBrief
from pipelines.core.journal import Employed, Manifest, Record, encode
from pipelines.core.market.features import traded
from pipelines.core.risk.limits import Limits
from pipelines.core.risk.regimes import classify
from pipelines.core.trading.orders import Side
from pipelines.core.trading.seats import Allocation
from pipelines.core.trading.strategy import Enter, Leave, Strategy, View
from pipelines.lake.bars import Lake
from pipelines.settings import Settings
from pipelines.store import Warehouse
from pipelines.vendors import calendar

LAST = date(2026, 11, 20)
SECTORS = {
    "AAPL": "Information Technology", "MSFT": "Information Technology", "NVDA": "Information Technology", "AVGO": "Information Technology",
    "JPM": "Financials", "BAC": "Financials", "XOM": "Energy", "CVX": "Energy", "LLY": "Health Care", "UNH": "Health Care",
    "AMZN": "Consumer Discretionary", "CAT": "Industrials",
}  # fmt: skip
LIMITS = Limits(
    max_position_size=0.1, max_sector_exposure=0.2, max_correlated_exposure=0.2, max_concentration=0.4, max_portfolio_heat=0.015, max_entries=40
)
WISHED = 10
"""Last sessions whose wishes are played."""

VOLATILITY = 0.0011
"""Of a minute, where a regime does not change it."""


class Clockwork(Strategy):
    """Enters by the clock, on the side that the last half hour went: what is shown does not depend on what a real strategy thinks."""

    name: ClassVar[str] = "clockwork"
    every: int = 40
    held: int = 45
    against: bool = False

    def on_bar(self, view: View) -> Enter | Leave | None:
        minute = view.session.minute(view.bar.start)
        turn = (minute + 7 * sum(map(ord, view.bar.symbol)) + view.session.day.toordinal() * 3) % self.every
        if view.position:
            return Leave("time is up") if minute % self.held == 0 else None
        if turn or minute < 20:
            return None
        up = view.bar.close >= (view.indicators.vwap or view.bar.close)
        return Enter(Side.BUY if up is not self.against else Side.SELL, f"minute {minute}, {'above' if up else 'below'} VWAP")


class Pendulum(Clockwork):
    """The other way round, and less often."""

    name: ClassVar[str] = "pendulum"
    every: int = 90
    against: bool = True


def market(session: date, prices: dict[str, float], rng: np.random.Generator, volatility: float, drift: float = 0.0) -> pl.DataFrame:
    """Minute bars of a session of random walks with a common part, from yesterday's closes on."""
    hours, frames = calendar.session_of(session), []
    minutes = (hours.close - hours.open) // 60_000_000_000
    begin = datetime.fromtimestamp(hours.open // 1_000_000_000, tz=UTC)
    common = rng.normal(0, volatility * 0.6, minutes)
    for symbol, price in prices.items():
        path = price * np.exp(np.cumsum(common + rng.normal(drift, volatility, minutes)))
        close = np.round(path, 2)
        first = np.concatenate([[price], close[:-1]])
        wide = np.abs(rng.normal(0, volatility / 2, (2, minutes))) * close
        high, low = np.round(np.maximum(first, close) + wide[0], 2), np.round(np.minimum(first, close) - wide[1], 2)
        frames.append(
            pl.DataFrame({
                "symbol": symbol, "timestamp": [begin + timedelta(minutes=n) for n in range(minutes)], "open": first, "high": high, "low": low,
                "close": close, "volume": rng.integers(5_000, 90_000, minutes).astype(float), "vwap": (high + low + close) / 3, "trades": 200,
            })
        )  # fmt: skip
        prices[symbol] = float(close[-1])
    stamp = pl.col("timestamp").cast(pl.Datetime("us", "UTC"))
    return pl.concat(frames).with_columns(stamp, pl.lit(session).alias("session"), pl.lit("generated").alias("feed"))


def briefing(session: date, prices: dict[str, float], past: np.ndarray, rng: np.random.Generator, version: str = "") -> Briefing:
    """What the night before would have said."""
    hours = calendar.session_of(session)
    common = rng.normal(0, 0.01, 60)
    symbols = {
        symbol: SymbolBrief(
            symbol=symbol, name=symbol, exchange="NASDAQ", sector=sector, tradable=True, shortable=True, history=300, close=prices[symbol],
            atr=prices[symbol] * 0.02, beta=0.6 + 0.12 * i, adv=2e7, sigma=0.015, spread=0.0002,
            returns=tuple((common * (0.9 if sector == "Information Technology" else 0.4) + rng.normal(0, 0.006, 60)).tolist()), seed=None,
        )
        for i, (symbol, sector) in enumerate(SECTORS.items())
    }  # fmt: skip
    ranked = sorted(SECTORS, key=lambda symbol: float(rng.random()))
    failing = session.toordinal() % 9 == 0
    stamps = [datetime.fromtimestamp(edge // 1_000_000_000, tz=UTC) for edge in (hours.open, hours.close)]
    return Briefing(
        version=version or f"{session}-year",
        session=session,
        open=stamps[0],
        close=stamps[1],
        data_session=calendar.previous_session(session),
        created_at=stamps[0] - timedelta(hours=12),
        origin=Origin.GENERATED,
        feed="generated",
        benchmark="SPY",
        regime=classify(past),
        symbols=symbols,
        watchlist=tuple(Candidate(rank=i, symbol=s, score=1 / i, reasons=(f"moves {i / 2:.1f} % a day",)) for i, s in enumerate(ranked, start=1)),
        checks=(
            CheckResult(name="complete", asset="daily_bars", passed=True, severity=Severity.BLOCKING, detail="0 of 720 bars missing"),
            CheckResult(
                name="agreeing", asset="minute_bars", passed=not failing, severity=Severity.ADVICE,
                detail="3 symbols differ between days and minutes" if failing else "days and minutes agree",
            ),
            CheckResult(name="sane", asset="features", passed=True, severity=Severity.REDUCING, detail="every figure within its bounds"),
        ),
        inputs={"features": f"{session:%y%m%d}", "universe": "same"},
    )  # fmt: skip


def compared(session: date, run: str, rng: np.random.Generator) -> pl.DataFrame:
    """What the night would have measured of two vendors: the second is slower, and on some days full of holes."""
    holes, count = (0.03 if session.toordinal() % 17 == 0 else 0.001), len(SECTORS)
    lost = {"sip": rng.binomial(390, 0.0005, count), "polygon": rng.binomial(390, holes, count)}
    pairs = 390 - lost["sip"] - lost["polygon"]
    bp, apart = rng.gamma(2.0, 0.1, count), rng.binomial(pairs, 0.0002)
    return pl.concat(
        pl.DataFrame({
            "session": session, "run": run, "vendor": vendor, "symbol": list(SECTORS), "minutes": 390, "bars": 390 - missing, "missing": missing,
            "pairs": pairs, "apart": apart, "lag": late * rng.gamma(9.0, 1 / 9.0, count), "lag_max": late * rng.gamma(9.0, 0.6, count), "bp": bp,
            "bp_max": bp * 12,
        }).cast({**feeds.SIDES})
        for (vendor, missing), late in zip(lost.items(), (0.4, 1.1), strict=True)
    )  # fmt: skip


def make(home: Path, count: int = 252, *, minutes: int = 3) -> dict[str, pl.DataFrame]:
    """Write and publish `count` sessions into this home; minute bars of the last `minutes` of them. The tables that were written."""
    settings, rng, told = Settings(daybot_home=home), np.random.default_rng(11), np.random.default_rng(12)
    prices, past, equity = {symbol: 60.0 + 35 * i for i, symbol in enumerate(SECTORS)}, rng.normal(0, 0.01, 320), 100_000.0
    whole: dict[str, list[pl.DataFrame]] = {}
    sessions, briefs, days = calendar.trailing(LAST, count), [], []
    for number, session in enumerate(sessions):
        wild = 1.0 + 0.9 * max(0.0, np.sin(number / 21)) ** 2
        made = briefing(session, prices, past, rng)
        frame = market(session, prices, rng, VOLATILITY * wild)
        head = Manifest(
            session=session,
            run=f"{number:04x}",
            mode="sim",
            account="PA-YEAR",
            speed=0.0,
            code="c0de",
            strategies=_employed(),
            limits=LIMITS,
            briefing=made,
        )
        seen: list[Step] = []
        played = play(head, strategies(), traded(frame), Costs(), equity=equity, watch=seen.append if number >= count - WISHED else None)
        equity, past = played.end, np.append(past[1:], rng.normal(0, 0.01 * wild))
        briefs.append(made)
        for name, schema in ledger.SCHEMAS.items():
            whole.setdefault(name, []).append(played.tables[name].select(list(schema)))
        records = list(_records(head, seen))
        marts = {"round_trips": books.trips(played.tables), "executions": books.executions(played.tables)}
        marts["trading_days"] = books.days(played.tables, float(rng.normal(0.0003, 0.008)))
        marts["candidates"], marts["exits"] = (
            wishes.wished(records, played.tables["runs"]) if number >= count - WISHED else (wishes.CANDIDATES.to_frame(), wishes.EXITS.to_frame())
        )
        for name, rows in marts.items():
            whole.setdefault(name, []).append(rows)
        whole.setdefault("feed_comparison", []).append(compared(session, head.run, told))
        figures = measures.rows(measures.measure(played.tables["trades"], played.tables["equity"]))
        whole.setdefault("performance", []).append(figures.select(pl.lit(session).alias("session"), pl.all()))
        days.append(
            {"day": made.data_session, **made.regime.model_dump(include={"volatility", "percentile", "score"}), "name": made.regime.name.value}
        )
        rows = [
            {"session": session, "asset": c.asset, "name": c.name, "severity": c.severity.value, "passed": c.passed, "detail": c.detail}
            for c in made.checks
        ]
        whole.setdefault("checks", []).append(pl.DataFrame(rows))
        if number >= count - minutes:
            stored = frame.select("symbol", "timestamp", "open", "high", "low", "close", "volume", "vwap", "trades", "feed", "session")
            Lake(settings).put("minute", session, "generated", stored, stored.clear(), list(SECTORS))
    tables = {name: pl.concat(frames) for name, frames in whole.items()}
    tables["regime_history"] = pl.DataFrame(days).select(pl.lit(days[-1]["day"]).alias("session"), pl.all())
    following = calendar.next_session(sessions[-1])
    stamp = datetime.now(UTC)
    name = publish.version(following, stamp, "5eed" * 2)
    briefs.append(briefing(following, prices, past, rng, name).model_copy(update={"created_at": stamp}))
    texts = [b.model_dump_json() for b in briefs]
    tables["briefings"] = pl.DataFrame({"session": [b.session for b in briefs], "version": [b.version for b in briefs], "json": texts})
    warehouse = Warehouse(settings)
    warehouse.replace(tables, [calendar.previous_session(sessions[0]), *sessions, following])
    publish.release(settings, name, warehouse.copy)
    return tables


@cache
def strategies() -> tuple[Allocation, ...]:
    """Who trades."""
    return (Allocation(Clockwork(), "v1"), Allocation(Pendulum(), "v2"))


def _records(head: Manifest, seen: Iterable[Step]) -> Iterator[Record]:
    """The steps as a journal has them."""
    said: list[tuple[str, int, object]] = [("session", head.briefing.hours.open, head)]
    for step in seen:
        said.append(("event", step.event.at, step.event))
        said += [("decision", step.event.at, decision) for decision in step.decisions]
    for number, (kind, at, data) in enumerate(said, start=1):
        yield Record(number, at, kind, json.loads(encode(data)))


def _employed() -> tuple[Employed, ...]:
    return tuple(Employed(name=a.strategy.name, parameters={}, version=a.version, budget=a.budget) for a in strategies())
