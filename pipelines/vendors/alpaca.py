"""Alpaca's history and asset list through alpaca-py; the same code reads the simulated exchange, which speaks the same wire.

Answers are read raw (`raw_data=True`): the models of alpaca-py refuse an exchange or a status that they do not know yet.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from typing import Any

import polars as pl
import requests
from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import AssetClass, AssetStatus
from alpaca.trading.requests import GetAssetsRequest

from pipelines.core.briefing import Origin
from pipelines.core.errors import BrokerError, Unreachable
from pipelines.core.market.session import NEW_YORK
from pipelines.settings import Mode, Settings
from pipelines.vendors.source import ASSETS, BARS

TIMEOUT = (5.0, 30.0)
"""Seconds to connect and between two pieces of an answer; alpaca-py itself waits for ever."""

CHUNK = 400
"""Symbols in one request: they travel in the address, and 8 kB is what servers take for certain."""

SIMULATED = "X-DayBot-Simulated"


class Alpaca:
    """Alpaca as a source. `feed` is Alpaca's own (iex, sip), or the origin's name when the exchange is simulated."""

    def __init__(self, settings: Settings) -> None:
        key, secret = settings.keys
        self._settings = settings
        self._session = _Session()
        self._data = StockHistoricalDataClient(key, secret, raw_data=True, url_override=settings.data_url)
        self._trading = TradingClient(key, secret, raw_data=True, url_override=settings.alpaca_base_url)
        # Private, but the only door: alpaca-py takes neither a session nor a timeout.
        self._data._session = self._session
        self._trading._session = self._session

    @property
    def origin(self) -> Origin:
        """What the simulated exchange says of its prices; a real vendor says nothing."""
        if self._session.simulated is None and self._settings.daybot_mode is Mode.SIM:
            self._ask(self._trading.get_clock)
        return Origin(self._session.simulated or Origin.VENDOR)

    @property
    def feed(self) -> str:
        """The name under which the bars are kept."""
        return self._settings.alpaca_feed if self.origin is Origin.VENDOR else self.origin.value

    def assets(self) -> pl.DataFrame:
        """Active US equities."""
        listed = self._ask(self._trading.get_all_assets, GetAssetsRequest(status=AssetStatus.ACTIVE, asset_class=AssetClass.US_EQUITY))
        rows = [
            {
                "symbol": asset["symbol"],
                "name": asset.get("name") or asset["symbol"],
                "exchange": asset.get("exchange") or "",
                "tradable": bool(asset.get("tradable")),
                "shortable": bool(asset.get("shortable")),
            }
            for asset in listed
        ]
        return pl.DataFrame(rows, schema=ASSETS).unique("symbol", keep="first").sort("symbol")

    def daily(self, symbols: Sequence[str], first: date, last: date) -> pl.DataFrame:
        """Daily bars, unadjusted."""
        return self._bars(symbols, TimeFrame.Day, datetime.combine(first, time(0), NEW_YORK), datetime.combine(last, time(20), NEW_YORK))

    def minutes(self, symbols: Sequence[str], session: date) -> pl.DataFrame:
        """Minute bars, unadjusted."""
        return self._bars(symbols, TimeFrame.Minute, datetime.combine(session, time(4), NEW_YORK), datetime.combine(session, time(19, 59), NEW_YORK))

    def _bars(self, symbols: Sequence[str], frame: TimeFrame, start: datetime, end: datetime) -> pl.DataFrame:
        feed = self.feed
        pieces = [BARS.to_frame()]
        for at in range(0, len(symbols), CHUNK):
            request = StockBarsRequest(
                symbol_or_symbols=list(symbols[at : at + CHUNK]),
                timeframe=frame,
                start=start,
                end=end,
                adjustment=Adjustment.RAW,
                feed=DataFeed(self._settings.alpaca_feed),
            )
            answer: dict[str, list[dict[str, Any]]] = self._ask(self._data.get_stock_bars, request)
            pieces.extend(_frame(symbol, bars, feed) for symbol, bars in answer.items() if bars)
        return pl.concat(pieces)

    def _ask(self, call: Any, *arguments: Any) -> Any:
        """One call of alpaca-py with its faults translated."""
        try:
            return call(*arguments)
        except APIError as error:
            raise BrokerError(
                f"expected history from Alpaca, found HTTP {error.status_code}: {error}; check ALPACA_API_KEY, ALPACA_SECRET_KEY and ALPACA_FEED"
            ) from error
        except requests.RequestException as error:
            raise Unreachable(
                f"expected an answer from {self._settings.alpaca_base_url}, found none ({error}); check the network, or start the simulated exchange"
            ) from error


class _Session(requests.Session):
    """Puts the timeout into every request and notes whether a simulated exchange answered."""

    simulated: str | None = None

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        options.setdefault("timeout", TIMEOUT)
        response = super().request(*arguments, **options)
        self.simulated = response.headers.get(SIMULATED, self.simulated)
        return response


def _frame(symbol: str, bars: Iterable[dict[str, Any]], feed: str) -> pl.DataFrame:
    """One symbol's raw bars (keys t o h l c v n vw) as `BARS`."""
    rows = list(bars)
    return pl.DataFrame(
        {
            "symbol": [symbol] * len(rows),
            "timestamp": pl.Series([bar["t"] for bar in rows], dtype=pl.String).str.to_datetime("%+", time_unit="us", time_zone="UTC"),
            **{name: [bar.get(key) for bar in rows] for name, key in (("open", "o"), ("high", "h"), ("low", "l"), ("close", "c"), ("volume", "v"))},
            "vwap": [bar.get("vw") for bar in rows],
            "trades": [bar.get("n") for bar in rows],
            "feed": [feed] * len(rows),
        },
        schema=BARS,
        strict=False,
    )
