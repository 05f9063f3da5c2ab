"""Published homes for the pages to read: the ledger of a real backtest, written and released as the pipeline does it, without Dagster."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest, app_test

from pipelines import publish
from pipelines.core.analytics import books, wishes
from pipelines.core.analytics.session import ledger
from pipelines.core.backtest.run import run
from pipelines.core.briefing import Briefing, Candidate, CheckResult, Origin, Severity, SymbolBrief
from pipelines.core.journal import GENESIS, Employed, Manifest, Record, encode, records, seal
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.market.session import moment
from pipelines.core.risk.limits import Limits
from pipelines.core.risk.regimes import classify
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.orders import Side
from pipelines.core.trading.seats import Allocation
from pipelines.core.trading.strategy import Enter, Leave, Strategy, View
from pipelines.lake.bars import Lake
from pipelines.settings import Settings
from pipelines.store import Warehouse

APP = Path(__file__).parents[2] / "dashboards" / "app.py"


@pytest.fixture(scope="session", autouse=True)
def _streamlit_leaves_nothing() -> Iterator[None]:
    """Streamlit's tests keep a folder for the life of the process, which warns as it goes."""
    yield
    app_test.TMP_DIR.cleanup()


SESSION, NEXT = date(2026, 11, 20), date(2026, 11, 23)
MIDDAY = 200
"""Minutes after the open at which a cut journal ends, with positions still open."""

SECTORS = {
    "AAPL": "Information Technology",
    "MSFT": "Information Technology",
    "NVDA": "Information Technology",
    "AVGO": "Information Technology",
    "JPM": "Financials",
    "XOM": "Energy",
}

TIGHT = Limits(max_sector_exposure=0.025)
"""The second position in a sector is refused."""

ENTERS = {"AAPL": 30, "MSFT": 31, "JPM": 40, "NVDA": 190, "XOM": 50}
"""Minutes after the open at which `Clockwork` wants in; MSFT comes while AAPL fills its sector, XOM is sold short."""

LEAVES = {"AAPL": 90, "JPM": 250}

Tables = dict[str, pl.DataFrame]


class Clockwork(Strategy):
    """A strategy by the clock: what these tests see does not depend on what the real one thinks."""

    name: ClassVar[str] = "clockwork"

    def on_bar(self, view: View) -> Enter | Leave | None:
        symbol, minute = view.bar.symbol, view.session.minute(view.bar.start)
        if view.position:
            return Leave("time is up") if minute == LEAVES.get(symbol) else None
        side = Side.SELL if symbol == "XOM" else Side.BUY
        return Enter(side, f"minute {minute}") if minute == ENTERS.get(symbol) else None


@dataclass(frozen=True)
class Home:
    """A published home, and what was put into it."""

    path: Path
    tables: Tables
    briefing: Briefing


@dataclass(frozen=True)
class Page:
    """A page as a person reads it."""

    app: AppTest

    def metric(self, label: str) -> str:
        """What a figure says."""
        (found,) = [m.value for m in self.app.metric if m.label == label]
        return str(found)

    @property
    def words(self) -> str:
        """All prose on the page."""
        app = self.app
        parts = [*app.title, *app.subheader, *app.markdown, *app.caption, *app.info, *app.warning, *app.code]
        return "\n".join(str(part.value) for part in parts)

    def table(self, *columns: str) -> pl.DataFrame:
        """The one table on the page that has these columns."""
        (found,) = [frame.value for frame in self.app.dataframe if set(columns) <= set(frame.value.columns)]
        return pl.DataFrame(found.to_dict(orient="list"), strict=False)


@pytest.fixture(scope="session")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A whole session with trades both ways and a refusal, and the briefing for the next one."""
    path, bars = tmp_path_factory.mktemp("traded"), walk()
    stored(path, bars)
    return publish_home(path, "aa", journal(bars))


@pytest.fixture(scope="session")
def midday(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A journal that ends with positions open; the lake has the session's minute bars."""
    path, bars = tmp_path_factory.mktemp("midday"), walk()
    tables = journal(bars, until=opens() + MIDDAY * MINUTE)
    stored(path, bars)
    return publish_home(path, "bb", tables)


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A session in which nobody wanted anything: a journal without a trade."""
    return publish_home(tmp_path_factory.mktemp("quiet"), "cc", journal([bar for bar in walk() if bar.symbol not in ENTERS]))


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The night before the first session: a briefing, and journal tables without a row."""
    return publish_home(tmp_path_factory.mktemp("night"), "dd", marted(ledger.empty()), origin=Origin.RECORDED)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A snapshot that lacks one table: fills were never written."""
    tables = journal(walk())
    return publish_home(tmp_path_factory.mktemp("bare"), "ee", {name: frame for name, frame in tables.items() if name != "fills"})


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Page]:
    """Run the app on a home, on one of its pages; whatever follows a name is in the address."""

    def start(home: Path, page: str = "today", **query: str) -> Page:
        monkeypatch.setenv("DAYBOT_HOME", str(home))
        app = AppTest.from_file(APP, default_timeout=60)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        if page != "today":
            app.switch_page(f"views/{page}.py").run()
        assert not app.exception, app.exception[0].value
        return Page(app)

    return start


def opens() -> int:
    """The session's open, nanoseconds UTC."""
    return int(datetime(2026, 11, 20, 14, 30, tzinfo=UTC).timestamp()) * 1_000_000_000


def walk() -> list[Bar]:
    """Minute bars of random walks around 100 dollars."""
    rng = np.random.default_rng(0)
    steps = {symbol: rng.normal(0, 0.0004, 390) for symbol in sorted(SECTORS)}
    paths = {symbol: np.round(100 * np.exp(np.cumsum(own)), 2) for symbol, own in steps.items()}
    bars = []
    for minute in range(390):
        for symbol, path in paths.items():
            first, close = float(path[minute - 1]) if minute else 100.0, float(path[minute])
            high, low = max(first, close) + 0.02, min(first, close) - 0.02
            volume = float(rng.integers(500, 5000))
            bars.append(Bar(symbol, opens() + minute * MINUTE, first, high, low, close, volume, (high + low + close) / 3, 50))
    return bars


def journal(bars: Iterable[Bar], *, until: int | None = None) -> Tables:
    """The ledger of a session over these bars: engine, records, chain, tables, as live and the pipeline make it. `until`: the run died then."""
    made = briefing(SESSION, "2026-11-20-test", Origin.GENERATED)
    engine = Engine(made, TIGHT, [Allocation(Clockwork(), "v1")], run="t1")
    head = Manifest(
        session=SESSION, run="t1", mode="sim", account="A", code="c", strategies=(Employed(name="clockwork", parameters={}, version="v1"),),
        limits=TIGHT, briefing=made,
    )  # fmt: skip
    said = [(opens(), "session", encode(head))]
    for step in run(engine, bars, equity=100_000):
        if until is not None and step.event.at > until:
            break
        said.append((step.event.at, "event", encode(step.event)))
        said += [(decision.at, "decision", encode(decision)) for decision in step.decisions]
    lines, digest = [], GENESIS
    for number, (at, kind, data) in enumerate(said, start=1):
        line, digest = seal(digest, number, at, kind, data)
        lines.append(line)
    read = list(records(lines))
    return marted(ledger.tables(read), read)


def marted(tables: Tables, read: Sequence[Record] = ()) -> Tables:
    """With the marts that the night makes of them."""
    found = wishes.wished(read, tables["runs"]) if read else (wishes.CANDIDATES.to_frame(), wishes.EXITS.to_frame())
    return {
        **tables, "round_trips": books.trips(tables), "trading_days": books.days(tables, 0.001), "executions": books.executions(tables),
        "candidates": found[0], "exits": found[1],
    }  # fmt: skip


def stored(path: Path, bars: Iterable[Bar]) -> None:
    """The session's minutes in the lake of this home."""
    rows = pl.DataFrame(
        [(b.symbol, moment(b.start), b.open, b.high, b.low, b.close, b.volume, b.vwap, b.trades, "backtest", SESSION) for b in bars],
        schema=["symbol", "timestamp", "open", "high", "low", "close", "volume", "vwap", "trades", "feed", "session"],
        orient="row",
    )
    Lake(Settings(daybot_home=path)).put("minute", SESSION, "backtest", rows, rows.clear(), list(SECTORS))


def briefing(session: date, version: str, origin: Origin) -> Briefing:
    """Six names of which AAPL, MSFT and NVDA move as one; a check that advises failed, and one that starts the session in REDUCING."""
    rng = np.random.default_rng(7)
    common = rng.normal(0, 0.01, 60)
    returns = {symbol: rng.normal(0, 0.01, 60) for symbol in SECTORS} | {s: common + rng.normal(0, 0.0005, 60) for s in ("AAPL", "MSFT", "NVDA")}
    symbols = {
        symbol: SymbolBrief(
            symbol=symbol, name=symbol, exchange="NASDAQ", sector=sector, tradable=True, shortable=True, history=300, close=100.0, atr=2.0,
            beta=0.8 + 0.1 * i, adv=1e7, returns=tuple(returns[symbol].tolist()), seed=None,
        )
        for i, (symbol, sector) in enumerate(SECTORS.items())
    }  # fmt: skip
    return Briefing(
        version=version,
        session=session,
        open=datetime(session.year, session.month, session.day, 14, 30, tzinfo=UTC),
        close=datetime(session.year, session.month, session.day, 21, 0, tzinfo=UTC),
        data_session=date(2026, 11, 19) if session == SESSION else SESSION,
        created_at=datetime.now(UTC),
        origin=origin,
        feed="backtest",
        benchmark="SPY",
        regime=classify(np.random.default_rng(1).normal(0, 0.01, 300)),
        symbols=symbols,
        watchlist=tuple(Candidate(rank=i, symbol=s, score=1 / i, reasons=(f"moves {i}.0% a day", "calm")) for i, s in enumerate(SECTORS, start=1)),
        checks=(
            CheckResult(name="complete", asset="daily_bars", passed=True, severity=Severity.BLOCKING, detail="0 bars missing"),
            CheckResult(name="split", asset="daily_bars", passed=False, severity=Severity.REDUCING, detail="AAPL unknown split"),
            CheckResult(name="agreeing", asset="features", passed=False, severity=Severity.ADVICE, detail="XOM 100.00 against 50.00 a day"),
        ),
        inputs={},
    )


def publish_home(path: Path, content: str, tables: Tables, *, origin: Origin = Origin.GENERATED) -> Home:
    """Write and release: the journal's tables, the traded session's briefing and the one for the next."""
    settings = Settings(daybot_home=path)
    warehouse = Warehouse(settings)
    warehouse.replace(tables, [SESSION])
    name = publish.version(NEXT, datetime.now(UTC), content * 4)
    traded = [briefing(SESSION, "2026-11-20-test", origin)] if any(frame.height for frame in tables.values()) else []
    made = [*traded, briefing(NEXT, name, origin)]
    rows = pl.DataFrame({"session": [b.session for b in made], "version": [b.version for b in made], "json": [b.model_dump_json() for b in made]})
    warehouse.replace({"briefings": rows}, [b.session for b in made])
    publish.release(settings, name, warehouse.copy)
    return Home(path, tables, made[0])
