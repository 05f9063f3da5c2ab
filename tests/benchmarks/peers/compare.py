"""DayBot beside vectorbt, backtesting.py and nautilus_trader: the same bars, the same rule, one process; speeds and trade lists.

`make peers` runs it in an environment of its own: these packages are no part of ours. What is not installed is skipped.

A sweep is every set of `GRID` over several days, on both sides. It is timed twice: trading alone, from each side's own arrays to its records of
trades; and with the making of these arrays, as a user waits for it. vectorbt's have a column for each symbol and set; its signals are made from
DayBot's indicators, which it is given.

The rule: momentum's entries (long), a market order at the next bar's open, a stop 1.5 and a target 3 ATR from the deciding close, out when the
trend turns or 15 minutes before the close. No costs. Indicators are computed once, by DayBot, for everyone: only trading is timed. DayBot's engine
runs its gate, sizing and portfolio, which the others do not have; its limits are wide, so that none of them stops a trade that others make.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "markets")]

from market import CLOSE, OPEN, briefing_of  # noqa: E402

from pipelines.core.backtest.costs import FREE  # noqa: E402
from pipelines.core.backtest.fills import Venue  # noqa: E402
from pipelines.core.backtest.run import run  # noqa: E402
from pipelines.core.backtest.session import bars, ready, valued  # noqa: E402
from pipelines.core.risk.limits import Limits  # noqa: E402
from pipelines.core.strategies.momentum import Momentum  # noqa: E402
from pipelines.core.sweep.run import grid, sweep  # noqa: E402
from pipelines.core.sweep.shapes import Day, day  # noqa: E402
from pipelines.core.trading.decisions import TradeClosed  # noqa: E402
from pipelines.core.trading.engine import Engine  # noqa: E402
from pipelines.core.trading.seats import Allocation  # noqa: E402

os.environ.setdefault("TQDM_DISABLE", "1")

SYMBOLS = int(os.environ.get("PEERS_SYMBOLS", "100"))
DAYS = int(os.environ.get("PEERS_DAYS", "5"))
"""Of the sweeps; the others trade the first one."""
ATR = 0.6
STOP, TARGET = 1.5 * ATR, 3.0 * ATR
WIDE = Limits(
    max_positions=500,
    max_position_size=1,
    max_gross_exposure=4,
    max_net_exposure=4,
    max_sector_exposure=4,
    max_correlated_exposure=4,
    max_beta_exposure=4,
    max_concentration=4,
    max_portfolio_heat=1,
    max_daily_loss=1,
    max_drawdown=1,
    symbol_losses=100,
    strategy_losses=1000,
    max_entries=10_000,
    max_order_rate=200,
    max_order_value=1e9,
    market_open_buffer=0,
    risk_per_trade=0.00005,
)
RULE = Momentum(shorts=False, entries=1000, volume=1.0, rsi_low=50.0, rsi_high=100.0)
GRID = {"volume": [1 + i / 10 for i in range(10)], "rsi_low": [50 + i for i in range(10)]}
SETS = [(v, r) for v in GRID["volume"] for r in GRID["rsi_low"]]
"""In the order of `grid`."""
MINUTES = 390
LAST = MINUTES - 15
"""The bar at whose end everything is closed, and from which nothing is entered."""

Trip = tuple[str, int, float, int, float]
"""Symbol, minute and price of the entry, minute and price of the exit."""


def market(seed: int = 4) -> pl.DataFrame:
    """A day of minutes on the tick: random walks with a drift after the opening range."""
    rng = np.random.default_rng(seed)
    drift = rng.choice([-0.0002, 0.0002], (SYMBOLS, 1)) * (np.arange(MINUTES) > 20)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.0015, (SYMBOLS, MINUTES)) + drift, axis=1)), 2)
    opened = np.round(np.hstack([np.full((SYMBOLS, 1), 100.0), close[:, :-1]]) + rng.normal(0, 0.02, close.shape), 2)
    high, low = np.round(np.maximum(opened, close) + 0.03, 2), np.round(np.minimum(opened, close) - 0.03, 2)
    stamps = pl.datetime_range(OPEN, CLOSE, "1m", closed="left", eager=True)
    columns = {"open": opened, "high": high, "low": low, "close": close, "vwap": (high + low + close) / 3}
    columns["volume"] = rng.integers(500, 5000, close.shape).astype(float)
    names = np.repeat([f"S{i:03d}" for i in range(SYMBOLS)], MINUTES)
    frame = pl.DataFrame({"symbol": names, "timestamp": pl.concat([stamps] * SYMBOLS), **{name: c.ravel() for name, c in columns.items()}})
    return frame.with_columns(pl.lit(50).alias("trades"))


class Signals:
    """Entries and exits of the rule as boolean arrays (minute, symbol), from DayBot's indicators."""

    def __init__(self, day_: Any) -> None:
        m = day_.market
        self.open, self.high, self.low, self.close = (np.ascontiguousarray(a) for a in (m.open, m.high, m.low, m.close))
        self.strength, self.relative = m.values[:, :, 4], m.values[:, :, 9]
        last = np.vstack([np.full((1, SYMBOLS), np.nan), self.close[:-1]])
        vwap, fast, slow, top = (m.values[:, :, i] for i in (8, 0, 1, 10))
        with np.errstate(invalid="ignore"):
            self.setup = (last <= top) & (top < self.close) & (self.close > vwap) & (fast > slow)
            self.exits = (self.close < vwap) & (fast < slow)
        self.exits[LAST - 1] = True
        self.setup[LAST - 1 :] = False

    def entries(self, volume: float, rsi_low: float) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return self.setup & (self.relative >= volume) & (self.strength >= rsi_low) & (self.strength <= 100)


def timed(work: Callable[[], Any], rounds: int = 3) -> tuple[float, Any]:
    """CPU seconds of the fastest round, and what it gave."""
    best, found = float("inf"), None
    for _ in range(rounds):
        begin = time.process_time()
        found = work()
        best = min(best, time.process_time() - begin)
    return best, found


# --- DayBot


def briefing() -> Any:
    """One in which every symbol has the rule's ATR and is in no cluster."""
    made = briefing_of([f"S{i:03d}" for i in range(SYMBOLS)])
    known = {s: b.model_copy(update={"atr": ATR, "adv": None}) for s, b in made.symbols.items()}
    return made.model_copy(update={"symbols": known})


def daybot_engine(frame: pl.DataFrame) -> tuple[float, list[Trip]]:
    """The plain-Python engine with gate, sizing and portfolio on, indicators precomputed: CPU seconds of the run, and its trips."""
    morning = briefing()
    start = morning.hours.open
    made, known = bars(frame.sort("timestamp", "symbol")), valued(morning, frame)
    best, closed = float("inf"), []
    for _ in range(3):
        engine = Engine(morning, WIDE, [Allocation(RULE, "v")], run="p", ready=ready(known))
        begin = time.process_time()
        steps = run(engine, made, equity=1e6, venue=Venue(FREE, morning))
        closed = [d for step in steps for d in step.decisions if isinstance(d, TradeClosed)]
        best = min(best, time.process_time() - begin)
    return best, sorted(
        (c.symbol, (c.opened - start) // 60_000_000_000, round(c.entry, 6), _bar(c.at, c.reason, start), round(c.exit, 6)) for c in closed
    )


def _bar(at: int, reason: str, start: int) -> int:
    """The minute bar in which a trade ended: resting exits are told at its end, market orders at its beginning."""
    minute = (at - start) // 60_000_000_000
    return minute - 1 if reason in {"stop", "target"} else minute


def daybot_sweep(days: Iterable[Day]) -> pl.DataFrame:
    """Every set, each day with the same equity, as the others have it."""
    sets = grid(RULE, WIDE, GRID)
    return pl.concat([sweep([made], sets, FREE, equity=1e6).trades.with_columns(pl.lit(number).alias("day")) for number, made in enumerate(days)])


def trips(trades: pl.DataFrame) -> list[Trip]:
    """Of one set on one day, as the engine's."""
    start = int(OPEN.timestamp()) * 1_000_000_000
    columns = (trades[n].cast(pl.Int64) if n in {"opened", "closed"} else trades[n] for n in ("symbol", "opened", "entry", "closed", "why", "exit"))
    rows = zip(*columns, strict=True)
    return sorted((s, (i - start) // 60_000_000_000, round(p, 6), _bar(j, why, start), round(q, 6)) for s, i, p, j, why, q in rows)


# --- the others


def vectorbt() -> tuple[Callable[[Signals, Sequence[tuple[float, float]]], Any], Callable[[Any], list[list[Trip]]]]:
    """What makes its arrays for parameter sets, and what trades them: trips by set."""
    import pandas as pd
    import vectorbt as vbt

    index = pd.date_range(OPEN, periods=MINUTES, freq="1min")

    def arrays(signals: Signals, sets: Sequence[tuple[float, float]]) -> dict[str, Any]:
        shift = lambda a: np.vstack([np.zeros((1, a.shape[1]), bool), a[:-1]])  # noqa: E731  # a signal is acted upon at the next open
        # vectorbt takes stops as fractions of the fill; the rule has them in dollars from the deciding close.
        decided = np.vstack([signals.close[:1], signals.close[:-1]])
        once = {
            "exits": shift(signals.exits),
            "price": signals.open,
            "open": signals.open,
            "high": signals.high,
            "low": signals.low,
            "sl_stop": 1 - np.round(decided - STOP, 2) / signals.open,
            "tp_stop": np.round(decided + TARGET, 2) / signals.open - 1,
        }
        wide = {name: np.tile(column, (1, len(sets))) for name, column in once.items()}
        close = pd.DataFrame(np.tile(signals.close, (1, len(sets))), index=index)
        return {"close": close, "entries": shift(np.hstack([signals.entries(*one) for one in sets])), **wide}

    def trade(made: dict[str, Any]) -> Any:
        return vbt.Portfolio.from_signals(**made, stop_entry_price="fillprice", size=1.0, init_cash=1e9, freq="1min").trades.records

    return arrays, trade


def vectorbt_trips(rows: Any, sets: int) -> list[list[Trip]]:
    """Its records by set."""
    found: list[list[Trip]] = [[] for _ in range(sets)]
    rows = rows[rows["status"] == 1]
    columns = (rows[name] for name in ("col", "entry_idx", "entry_price", "exit_idx", "exit_price"))
    for c, i, p, j, q in zip(*columns, strict=True):
        found[c // SYMBOLS].append((f"S{c % SYMBOLS:03d}", int(i), round(p, 6), int(j), round(q, 6)))
    return [sorted(of) for of in found]


def backtesting_py(signals: Signals) -> Callable[[], list[Trip]]:
    import pandas as pd
    from backtesting import Backtest, Strategy

    entries = signals.entries(RULE.volume, RULE.rsi_low)

    def one() -> list[Trip]:
        found: list[Trip] = []
        for s in range(SYMBOLS):
            wanted, out = entries[:, s], signals.exits[:, s]

            class Rule(Strategy):
                def init(self) -> None:
                    pass

                def next(self) -> None:
                    i = len(self.data) - 1
                    if self.position:
                        if out[i]:  # noqa: B023
                            self.position.close()
                    elif wanted[i]:  # noqa: B023
                        close = self.data.Close[-1]
                        self.buy(size=1, sl=round(close - STOP, 2), tp=round(close + TARGET, 2))

            columns = {"Open": signals.open[:, s], "High": signals.high[:, s], "Low": signals.low[:, s], "Close": signals.close[:, s]}
            data = pd.DataFrame(columns, index=pd.date_range(OPEN.replace(tzinfo=None), periods=MINUTES, freq="1min")).assign(Volume=1)
            trades = Backtest(data, Rule, cash=1e6).run()["_trades"]
            rows = zip(*(trades[name] for name in ("EntryBar", "EntryPrice", "ExitBar", "ExitPrice")), strict=True)
            found += [(f"S{s:03d}", int(i), round(p, 6), int(j), round(q, 6)) for i, p, j, q in rows]
        return sorted(found)

    return one


def nautilus(signals: Signals, *, idle: bool) -> Callable[[], list[Trip]]:
    """It fills a market order on the bar that decided it, so its entries are a minute earlier; `idle` only looks at the bars."""
    import pandas as pd
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.data import BarType
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.model.identifiers import Venue as Place
    from nautilus_trader.model.objects import Money
    from nautilus_trader.persistence.wranglers import BarDataWrangler
    from nautilus_trader.test_kit.providers import TestInstrumentProvider
    from nautilus_trader.trading.strategy import Strategy

    entries = signals.entries(RULE.volume, RULE.rsi_low)
    instruments = [TestInstrumentProvider.equity(symbol=f"S{s:03d}", venue="SIM") for s in range(SYMBOLS)]
    kinds = [BarType.from_str(f"S{s:03d}.SIM-1-MINUTE-LAST-EXTERNAL") for s in range(SYMBOLS)]
    place = {kind: s for s, kind in enumerate(kinds)}
    feed = []
    for s in range(SYMBOLS):
        columns = {"open": signals.open[:, s], "high": signals.high[:, s], "low": signals.low[:, s], "close": signals.close[:, s]}
        data = pd.DataFrame(columns, index=pd.date_range(OPEN + timedelta(minutes=1), periods=MINUTES, freq="1min")).assign(volume=1e6)
        feed += BarDataWrangler(kinds[s], instruments[s]).process(data)
    feed.sort(key=lambda bar: bar.ts_init)
    start = int(OPEN.timestamp()) * 1_000_000_000

    class Rule(Strategy):
        def on_start(self) -> None:
            self.count = [0] * SYMBOLS
            for kind in kinds:
                self.subscribe_bars(kind)

        def on_bar(self, bar: Any) -> None:
            s = place[bar.bar_type]
            i = self.count[s]
            self.count[s] = i + 1
            if idle:
                return
            instrument = instruments[s]
            if not self.portfolio.is_flat(instrument.id):
                if signals.exits[i, s]:
                    self.cancel_all_orders(instrument.id)
                    self.close_all_positions(instrument.id)
            elif entries[i, s]:
                close = float(bar.close)
                bracket = self.order_factory.bracket(
                    instrument_id=instrument.id,
                    order_side=OrderSide.BUY,
                    quantity=instrument.make_qty(1),
                    sl_trigger_price=instrument.make_price(close - STOP),
                    tp_price=instrument.make_price(close + TARGET),
                )
                self.submit_order_list(bracket)

    def one() -> list[Trip]:
        engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
        engine.add_venue(Place("SIM"), OmsType.NETTING, AccountType.MARGIN, [Money(1_000_000, USD)], base_currency=USD)
        for instrument in instruments:
            engine.add_instrument(instrument)
        engine.add_data(feed, sort=False)
        engine.add_strategy(Rule())
        begin = time.process_time()
        engine.run()
        one.spent = time.process_time() - begin
        closed = [*engine.cache.positions_closed(), *engine.cache.position_snapshots()]
        rows = [
            (
                p.instrument_id.symbol.value,
                (p.ts_opened - start) // 60_000_000_000,
                p.avg_px_open,
                (p.ts_closed - start) // 60_000_000_000 - 1,
                p.avg_px_close,
            )
            for p in closed
        ]
        engine.dispose()
        return sorted(rows)

    one.spent = 0.0
    return one


def alike(ours: list[Trip], theirs: list[Trip]) -> str:
    """How many trips are the same, in words."""
    return f"{len(theirs)} trips, {shared(ours, theirs)} of our {len(ours)} the same"


def shared(ours: list[Trip], theirs: list[Trip]) -> int:
    """Trips that are the same, to a hundredth of a cent."""
    return len({(s, i, round(p, 4), j, round(q, 4)) for s, i, p, j, q in ours} & {(s, i, round(p, 4), j, round(q, 4)) for s, i, p, j, q in theirs})


def main() -> None:
    frames = [market(4 + number) for number in range(DAYS)]
    morning, frame = briefing(), frames[0]
    days = [day(morning, each, FREE) for each in frames]
    signals = Signals(days[0])
    count, cells = frame.height, DAYS * frame.height * len(SETS)
    rates: dict[str, float] = {}

    daybot_sweep(days[:1])  # compiled, or read from the cache
    spent, ours = daybot_engine(frame)
    rates["daybot engine"] = count / spent
    print(f"daybot engine      {count / spent:>14,.0f} bars/s   {len(ours)} trips")
    spent, _ = timed(lambda: daybot_sweep(day(morning, each, FREE) for each in frames))
    rates["daybot sweep, prepared"] = cells / spent
    spent, trades = timed(lambda: daybot_sweep(days))
    rates["daybot sweep"] = cells / spent
    print(f"daybot sweep       {cells / spent:>14,.0f} bars/s   {len(SETS)} sets, {DAYS} days, {SYMBOLS} symbols: {trades.height} trips")
    print(f"  with preparation {rates['daybot sweep, prepared']:>14,.0f} bars/s")
    of = {key: trips(found) for key, found in trades.partition_by("day", "set", as_dict=True).items()}
    assert of[0, 0] == ours, "the sweep's trades are not the engine's"

    for name, work in (("vectorbt", _vectorbt), ("backtesting.py", _backtesting), ("nautilus_trader", _nautilus)):
        try:
            if work is _vectorbt:
                _vectorbt_sweep(days, of, cells, rates)
            work(signals, ours, count, rates)
        except ModuleNotFoundError as missing:
            print(f"{name:<18} not installed ({missing.name})")
    for peer, own in (
        ("nautilus", "daybot engine"),
        ("backtesting.py", "daybot engine"),
        ("vectorbt", "daybot engine"),
        ("vectorbt sweep", "daybot sweep"),
        ("vectorbt sweep, prepared", "daybot sweep, prepared"),
    ):
        if peer in rates:
            print(f"{own} is {rates[own] / rates[peer]:,.1f}x {peer}")
    print(json.dumps({name: round(rate) for name, rate in rates.items()}))


def _vectorbt(signals: Signals, ours: list[Trip], count: int, rates: dict[str, float]) -> None:
    arrays, trade = vectorbt()
    made = arrays(signals, SETS[:1])
    spent, rows = timed(lambda: trade(made))
    rates["vectorbt"] = count / spent
    print(f"vectorbt           {count / spent:>14,.0f} bars/s   {alike(ours, vectorbt_trips(rows, 1)[0])}")


def _vectorbt_sweep(days: Sequence[Day], of: dict[Any, list[Trip]], cells: int, rates: dict[str, float]) -> None:
    """Day by day: the arrays of all of them would not fit into memory."""
    arrays, trade = vectorbt()
    trade(arrays(Signals(days[0]), SETS[:1]))  # compiled
    alone = prepared = 0.0
    theirs = same = 0
    for number, each in enumerate(days):
        spent, made = timed(lambda each=each: arrays(Signals(each), SETS))
        traded, rows = timed(lambda made=made: trade(made))
        alone, prepared = alone + traded, prepared + spent + traded
        for k, found in enumerate(vectorbt_trips(rows, len(SETS))):
            theirs, same = theirs + len(found), same + shared(of.get((number, k), []), found)
    rates["vectorbt sweep"], rates["vectorbt sweep, prepared"] = cells / alone, cells / prepared
    print(f"vectorbt sweep     {cells / alone:>14,.0f} bars/s   {theirs} trips, {same} of our {sum(map(len, of.values()))} the same")
    print(f"  with preparation {cells / prepared:>14,.0f} bars/s")


def _backtesting(signals: Signals, ours: list[Trip], count: int, rates: dict[str, float]) -> None:
    spent, found = timed(backtesting_py(signals))
    rates["backtesting.py"] = count / spent
    print(f"backtesting.py     {count / spent:>14,.0f} bars/s   {alike(ours, found)}")


def _nautilus(signals: Signals, ours: list[Trip], count: int, rates: dict[str, float]) -> None:
    for name, idle in (("nautilus", False), ("nautilus idle", True)):
        work = nautilus(signals, idle=idle)
        best, found = float("inf"), []
        for _ in range(2):
            found = work()
            best = min(best, work.spent)
        rates[name] = count / best
        same = {(s, i) for s, i, *_ in ours} & {(s, i) for s, i, *_ in found}  # its clock is the end of the deciding bar: our next minute
        told = f"{len(found)} trips, {len(same)} of our {len(ours)} decided on the same bar" if not idle else "a strategy that does nothing"
        print(f"{name:<18} {count / best:>14,.0f} bars/s   {told}")


if __name__ == "__main__":
    main()
