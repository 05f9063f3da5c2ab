"""Polygon's (Massive's) history through polygon-api-client, behind the same interface.

It is the source when its key is the only one set; nothing is cross-checked between two vendors here yet.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl
from polygon import RESTClient
from polygon.exceptions import BadResponse
from urllib3.exceptions import HTTPError

from pipelines.core.briefing import Origin
from pipelines.core.errors import BrokerError, Unreachable
from pipelines.core.market.session import NEW_YORK
from pipelines.settings import Settings
from pipelines.vendors.source import ASSETS, BARS

PAGE = 50_000


class Polygon:
    """Polygon as a source: the whole market's tape, one request for each symbol and page."""

    feed = "polygon"
    origin = Origin.VENDOR

    def __init__(self, settings: Settings) -> None:
        self._base = settings.polygon_base_url
        self._client = RESTClient(settings.polygon_api_key.get_secret_value(), base=settings.polygon_base_url)
        # The client keeps its timeout and never hands it to its own connection pool, so it would wait for ever.
        self._client.client.connection_pool_kw["timeout"] = self._client.timeout

    def assets(self) -> pl.DataFrame:
        """Active stocks. Polygon is no broker: everything active counts as tradable, nothing as shortable."""
        listed = self._all(self._client.list_tickers, market="stocks", active=True, limit=1000)
        rows = [
            {"symbol": item.ticker, "name": item.name or item.ticker, "exchange": item.primary_exchange or "", "tradable": True, "shortable": False}
            for item in listed
        ]
        return pl.DataFrame(rows, schema=ASSETS).unique("symbol", keep="first").sort("symbol")

    def daily(self, symbols: Sequence[str], first: date, last: date) -> pl.DataFrame:
        """Daily bars, unadjusted."""
        return self._bars(symbols, "day", datetime.combine(first, time(0), NEW_YORK), datetime.combine(last, time(20), NEW_YORK))

    def minutes(self, symbols: Sequence[str], session: date) -> pl.DataFrame:
        """Minute bars, unadjusted."""
        return self._bars(symbols, "minute", datetime.combine(session, time(4), NEW_YORK), datetime.combine(session, time(19, 59), NEW_YORK))

    def _bars(self, symbols: Sequence[str], span: str, start: datetime, end: datetime) -> pl.DataFrame:
        edges = (round(start.timestamp() * 1000), round(end.timestamp() * 1000))
        pieces = [BARS.to_frame()]
        for symbol in symbols:
            bars = self._all(self._client.list_aggs, symbol, 1, span, *edges, adjusted=False, limit=PAGE)
            pieces.append(pl.DataFrame([_row(symbol, bar) for bar in bars], schema=BARS, orient="row", strict=False))
        return pl.concat(pieces)

    def _all(self, call: Any, *arguments: Any, **options: Any) -> list[Any]:
        """Every page of one listing, with the client's faults translated."""
        try:
            return list(call(*arguments, **options))
        except BadResponse as error:
            raise BrokerError(f"expected history from Polygon at {self._base}, found {error}; check POLYGON_API_KEY and its plan") from error
        except HTTPError as error:
            raise Unreachable(f"expected an answer from {self._base}, found none ({error}); check the network") from error


def _row(symbol: str, bar: Any) -> tuple[object, ...]:
    moment = datetime.fromtimestamp(bar.timestamp / 1000, tz=UTC)
    return (symbol, moment, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.vwap, bar.transactions, Polygon.feed)
