"""The vendors' real clients against real servers, the calendar and the sectors."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import polars as pl
import pytest

from live.sim.embedded import Exchange
from pipelines.core.briefing import UNKNOWN_SECTOR, Origin
from pipelines.core.errors import BrokerError, DataError, MissingData, SettingsError, Unreachable
from pipelines.defs.resources import DayBot
from pipelines.vendors import calendar, sectors
from pipelines.vendors.alpaca import Alpaca
from pipelines.vendors.files import Files
from pipelines.vendors.polygon import Polygon
from pipelines.vendors.source import ASSETS, BARS


class Market(BaseHTTPRequestHandler):
    """Polygon's aggregates in pages of two bars, and one page of tickers."""

    def do_GET(self) -> None:
        url = urlparse(self.path)
        base = f"http://{self.headers['Host']}"
        if self.headers["Authorization"] != "Bearer KEY":
            return self.answer(401, {"status": "ERROR", "error": "Unknown API Key"})
        if url.path.startswith("/v3/reference/tickers"):
            return self.answer(200, {"results": [{"ticker": "AAPL", "name": "Apple Inc.", "primary_exchange": "XNAS"}]})
        assert parse_qs(url.query).get("adjusted", ["false"]) == ["false"]
        start = int(url.path.split("/")[-2])
        page = int(parse_qs(url.query).get("page", ["0"])[0])
        bars = [{"t": start + (2 * page + n) * 60_000, "o": 1.0, "h": 2.0, "l": 0.5, "c": 1.5, "v": 100, "vw": 1.2, "n": 7} for n in range(2)]
        more = {"next_url": f"{base}{url.path}?page={page + 1}"} if page < 2 else {}
        return self.answer(200, {"results": bars, **more})

    def answer(self, status: int, body: dict[str, object]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *arguments: object) -> None:
        """Silence."""


@pytest.fixture
def polygon_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Market) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_polygon_follows_every_page(polygon_url: str, tools: Callable[..., DayBot]) -> None:
    source = Polygon(tools(polygon_api_key="KEY", polygon_base_url=polygon_url).settings)
    bars = source.minutes(["AAPL", "MSFT"], date(2024, 6, 18))
    assert bars.schema == BARS
    assert bars.group_by("symbol").len().sort("symbol").rows() == [("AAPL", 6), ("MSFT", 6)]
    assert bars["timestamp"][0] == datetime(2024, 6, 18, 8, 0, tzinfo=UTC), "04:00 in New York"
    assert bars.row(0, named=True)["trades"] == 7
    assert source.daily(["AAPL"], date(2024, 6, 17), date(2024, 6, 18)).height == 6
    assert source.assets().schema == ASSETS


def test_polygon_refusing_the_key_says_which_key(polygon_url: str, tools: Callable[..., DayBot]) -> None:
    source = Polygon(tools(polygon_api_key="WRONG", polygon_base_url=polygon_url).settings)
    with pytest.raises(BrokerError, match="POLYGON_API_KEY"):
        source.daily(["AAPL"], date(2024, 6, 17), date(2024, 6, 18))


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with Exchange(stepped=True) as running:
        yield running


def simulated(tools: Callable[..., DayBot], exchange: Exchange, **changes: object) -> DayBot:
    return tools(daybot_mode="sim", alpaca_base_url=exchange.url, alpaca_api_key="SIM", alpaca_secret_key="SIM", **changes)


def test_alpaca_reads_history_over_several_pages_and_knows_that_it_is_invented(exchange: Exchange, tools: Callable[..., DayBot]) -> None:
    source = Alpaca(simulated(tools, exchange).settings)
    assert (source.origin, source.feed) == (Origin.GENERATED, "generated")
    assets = source.assets()
    assert assets.schema == ASSETS
    window = calendar.trailing(date(2026, 11, 19), 300)
    bars = source.daily(assets["symbol"].to_list(), window[0], window[-1])
    assert bars.schema == BARS
    assert bars.height > 10_000, "more than Alpaca's page"
    dates = bars["timestamp"].dt.convert_time_zone("America/New_York")
    assert set(dates.dt.time()) == {time(0)}
    assert sorted(set(dates.dt.date())) == window
    minutes = source.minutes(["SPY"], date(2026, 11, 19))
    assert minutes["timestamp"].dt.convert_time_zone("America/New_York").dt.date().unique().to_list() == [date(2026, 11, 19)]


def test_alpaca_without_an_answer_is_unreachable(tools: Callable[..., DayBot]) -> None:
    source = Alpaca(tools(daybot_mode="sim", alpaca_base_url="http://127.0.0.1:9", alpaca_api_key="SIM", alpaca_secret_key="SIM").settings)
    with pytest.raises(Unreachable, match="start the simulated exchange"):
        source.assets()


def test_no_source_at_all_names_the_settings(tools: Callable[..., DayBot]) -> None:
    with pytest.raises(SettingsError, match="ALPACA_API_KEY"):
        _ = tools(alpaca_api_key="", polygon_api_key="").source


def test_own_files_may_be_csv_and_an_empty_folder_is_an_error(
    folder: object, tools: Callable[..., DayBot], market: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    daybot = tools(bars_folder=str(folder))
    source = daybot.source
    assert isinstance(source, Files)
    before = source.daily(["AAPL"], date(2024, 6, 3), date(2024, 6, 18))
    path = daybot.settings.daybot_home.parent / "own" / "daily"
    (path / "all.parquet").unlink()
    market[0].write_csv(path / "all.csv")
    after = source.daily(["AAPL"], date(2024, 6, 3), date(2024, 6, 18))
    assert after.equals(before)
    assert after.schema == BARS
    (path / "all.csv").unlink()
    with pytest.raises(MissingData, match="BARS_FOLDER"):
        source.daily(["AAPL"], date(2024, 6, 3), date(2024, 6, 18))


def test_early_closes_and_clock_changes_are_the_exchange_own() -> None:
    thanksgiving = calendar.session_of(date(2026, 11, 27))
    assert (thanksgiving.close - thanksgiving.open) == 3.5 * 3600 * 1e9
    early = calendar.calendar().filter(pl.col("session") == date(2026, 11, 27))
    assert early["early"].item() is True
    assert early["close"].item() == datetime(2026, 11, 27, 18, 0, tzinfo=UTC)
    assert calendar.calendar().filter(pl.col("session") == date(2024, 3, 11))["open"].item() == datetime(2024, 3, 11, 13, 30, tzinfo=UTC)


def test_neighbouring_sessions_skip_holidays_and_weekends() -> None:
    assert calendar.next_session(date(2024, 6, 18)) == date(2024, 6, 20)
    assert calendar.previous_session(date(2024, 6, 20)) == date(2024, 6, 18)
    assert calendar.previous_session(date(2024, 6, 16)) == date(2024, 6, 14)
    assert calendar.sessions(date(2025, 1, 8), date(2025, 1, 10)) == [date(2025, 1, 8), date(2025, 1, 10)], "the day of mourning"


def test_a_day_without_a_session_is_refused_with_the_one_before() -> None:
    with pytest.raises(DataError, match="2024-06-18"):
        calendar.session_of(date(2024, 6, 19))


@pytest.mark.parametrize(
    ("symbol", "sector"),
    [
        ("AAPL", "Information Technology"),
        ("BRK.B", "Financials"),
        ("DUK", "Utilities"),
        ("EQIX", "Real Estate"),
        ("STE", "Health Care"),
        ("SPY", UNKNOWN_SECTOR),
    ],
)
def test_sectors_are_gics_names_or_unknown(symbol: str, sector: str) -> None:
    assert sectors.with_sectors(pl.DataFrame({"symbol": [symbol]}))["sector"].item() == sector


def test_every_member_of_the_index_has_a_sector() -> None:
    known = sectors.sectors()
    assert len(sectors.members()) > 490
    assert {known[symbol] for symbol in sectors.members()} == set(sectors.GICS)
