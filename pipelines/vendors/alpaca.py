"""Alpaca's history, assets and corporate actions through alpaca-py; the same code reads the simulated exchange, which speaks the same wire.

Answers are read raw and page by page: the models of alpaca-py refuse an exchange or a status that they do not know yet, and its own
paging loses everything when one page is wrong.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl
import requests
from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient
from alpaca.data.enums import Adjustment, CorporateActionsType, DataFeed
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.requests import CorporateActionsRequest, StockBarsRequest, StockTradesRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient

from pipelines.core.briefing import Origin
from pipelines.core.errors import BrokerError, Unreachable
from pipelines.core.market.session import NEW_YORK
from pipelines.settings import Mode, Settings
from pipelines.vendors import calendar, wire
from pipelines.vendors.line import TIMEOUT, Line, Reply, addressed, shared
from pipelines.vendors.rows import Refused, Unreadable, read, table, timed
from pipelines.vendors.source import ACTIONS, ASSETS, BARS, TRADES, Fetched, Traffic, whole

PAGE = 10_000
"""Rows on a page of bars or trades, counted over all symbols; Alpaca's most."""

PAGES = 10
"""Full pages in a chunk: what an interruption loses at most, and few enough half-empty last pages."""

MINUTES = 960
"""Minute bars of one symbol and session at most, 04:00 to 20:00."""

MINUTE = timedelta(minutes=1)

KINDS = (
    CorporateActionsType.FORWARD_SPLIT,
    CorporateActionsType.REVERSE_SPLIT,
    CorporateActionsType.STOCK_DIVIDEND,
    CorporateActionsType.CASH_DIVIDEND,
)

SIMULATED = "X-DayBot-Simulated"


class Alpaca:
    """Alpaca as a source. `feed` is Alpaca's own (iex, sip), or the origin's name when the exchange is simulated."""

    dated = False

    def __init__(self, settings: Settings) -> None:
        key, secret = settings.data_keys
        self._settings = settings
        self._line = Line(
            shared(f"{settings.data_url} {key}", settings.alpaca_rate), retries=settings.vendor_retries, backoff=settings.vendor_backoff
        )
        self._session = _Session(self._line)
        self._refused = Refused()
        self._data = StockHistoricalDataClient(key, secret, raw_data=True, url_override=settings.data_url)
        self._trading = TradingClient(key, secret, raw_data=True, url_override=settings.assets_url)
        self._corporate = CorporateActionsClient(key, secret, raw_data=True, url_override=settings.data_url)
        for client in (self._data, self._trading, self._corporate):
            # Private, but the only door: alpaca-py takes neither a session nor a timeout, and cannot be told not to try again.
            client._session = self._session
            client._retry_codes = []

    @property
    def origin(self) -> Origin:
        """What the simulated exchange says of its prices; a real vendor says nothing."""
        if self._session.simulated is None and self._settings.daybot_mode is Mode.SIM:
            self._ask(self._trading, "/clock", {})
        return Origin(self._session.simulated or Origin.VENDOR)

    @property
    def feed(self) -> str:
        """The name under which the bars are kept."""
        return self._settings.alpaca_feed if self.origin is Origin.VENDOR else self.origin.value

    @property
    def traffic(self) -> Traffic:
        """Requests so far, to both hosts."""
        return self._line.traffic

    @property
    def malformed(self) -> pl.DataFrame:
        """What `assets` and `actions` could not read."""
        return self._refused.frame()

    def assets(self, day: date | None = None) -> pl.DataFrame:
        """Active US equities; Alpaca keeps no past."""
        listed = self._ask(self._trading, "/assets", {"status": "active", "asset_class": "us_equity"})
        rows = [
            (asset["symbol"], asset.get("name") or asset["symbol"], asset.get("exchange") or "", asset["tradable"], asset["shortable"])
            for asset in read(listed, wire.ALPACA_ASSETS, self._refused)
        ]
        return pl.DataFrame(rows, schema=ASSETS, orient="row").unique("symbol", keep="first").sort("symbol")

    def daily(self, symbols: Sequence[str], first: date, last: date) -> Iterator[Fetched]:
        """Daily bars, unadjusted: as many symbols in a chunk as an address takes, and so many sessions as fill its pages."""
        for run in addressed(symbols, PAGE):
            days = calendar.sessions(first, last)
            step = max(1, PAGE * PAGES // len(run))
            for at in range(0, len(days), step):
                sessions = days[at : at + step]
                edges = datetime.combine(sessions[0], time(0), NEW_YORK), datetime.combine(sessions[-1], time(20), NEW_YORK)
                yield self._bars(run, TimeFrame.Day, sessions, *edges)

    def minutes(self, symbols: Sequence[str], first: date, last: date) -> Iterator[Fetched]:
        """Minute bars, unadjusted: a session in a chunk, and so many symbols as fill its pages."""
        for session in calendar.sessions(first, last):
            for run in addressed(symbols, PAGE * PAGES // MINUTES):
                edges = datetime.combine(session, time(4), NEW_YORK), datetime.combine(session, time(19, 59), NEW_YORK)
                yield self._bars(run, TimeFrame.Minute, [session], *edges)

    def recent(self, symbols: Sequence[str], start: datetime, end: datetime) -> Fetched:
        """Minute bars that start in [start, end), both with a time zone: what a stream has missed."""
        return whole(self._bars(run, TimeFrame.Minute, [start.astimezone(NEW_YORK).date()], start, end - MINUTE) for run in addressed(symbols, PAGE))

    def trades(self, symbols: Sequence[str], session: date) -> Iterator[Fetched]:
        """A symbol at a time, a chunk for each page: a busy symbol has a million trades a day."""
        for symbol in symbols:
            request = StockTradesRequest(
                symbol_or_symbols=[symbol],
                start=datetime.combine(session, time(4), NEW_YORK),
                end=datetime.combine(session, time(20), NEW_YORK),
                feed=DataFeed(self._settings.alpaca_feed),
            )
            yield from self._ticks(symbol, session, request.to_request_fields())

    def actions(self, symbols: Sequence[str], first: date, last: date) -> pl.DataFrame:
        """Splits, share dividends and cash dividends, the announced ones included (the simulated exchange tells none ahead of its day)."""
        found: list[tuple[object, ...]] = []
        for run in addressed(symbols, PAGE):
            request = CorporateActionsRequest(symbols=run, types=list(KINDS), start=first, end=last)
            query = {**request.to_request_fields(), "symbols": ",".join(run), "types": ",".join(kind.value for kind in KINDS)}
            for answer in self._pages(self._corporate, "/corporate-actions", query, 1_000):
                for kind, rows in table(answer, "corporate_actions").items():
                    found += self._actions(kind, rows)
        return pl.DataFrame(found, schema=ACTIONS, orient="row").unique(maintain_order=True).sort("symbol", "ex_date", "kind")

    def members(self, day: date) -> list[str] | None:
        """Alpaca knows no index."""
        return None

    def sectors(self, day: date) -> dict[str, str] | None:
        """Nor sectors."""
        return None

    def _actions(self, kind: str, rows: Any) -> Iterator[tuple[object, ...]]:
        """Rows of one kind as rows of `ACTIONS`. A share dividend of rate 0.05 makes 1.05 shares of each."""
        if kind in ("forward_splits", "reverse_splits"):
            for split in read(rows, wire.ALPACA_SPLITS, self._refused):
                yield split["symbol"], "split", split["ex_date"], split["new_rate"] / split["old_rate"], 0.0, "alpaca"
        elif kind == "stock_dividends":
            for paid in read(rows, wire.ALPACA_DIVIDENDS, self._refused):
                yield paid["symbol"], "split", paid["ex_date"], 1.0 + paid["rate"], 0.0, "alpaca"
        elif kind == "cash_dividends":
            for paid in read(rows, wire.ALPACA_DIVIDENDS, self._refused):
                yield paid["symbol"], "dividend", paid["ex_date"], 1.0, paid["rate"], "alpaca"
        else:
            self._refused.add("", f"expected the kinds that were asked for, found {kind}", rows)

    def _bars(self, symbols: list[str], frame: TimeFrame, sessions: list[date], start: datetime, end: datetime) -> Fetched:
        request = StockBarsRequest(
            symbol_or_symbols=symbols,
            timeframe=frame,
            start=start,
            end=end,
            adjustment=Adjustment.RAW,
            feed=DataFeed(self._settings.alpaca_feed),
        )
        feed, refused = self.feed, Refused()
        pieces, answered = [BARS.to_frame()], set(symbols)
        try:
            for answer in self._pages(self._data, "/stocks/bars", request.to_request_fields(), PAGE):
                for symbol, rows in table(answer, "bars").items():
                    if symbol not in symbols:
                        refused.add(symbol, "expected a symbol that was asked for", rows)
                    elif isinstance(rows, list):
                        pieces.append(_bars(symbol, rows, feed, refused))
                    else:
                        answered.discard(symbol)
                        refused.add(symbol, f"expected a list of rows, found {type(rows).__name__}", rows)
        except Unreadable as error:  # where it should go on is not known either, so none of it counts as answered
            refused.add("", error.reason, error.raw)
            return Fetched(BARS.to_frame(), refused.frame(), (), tuple(sessions))
        kept = pl.concat(pieces).filter(pl.col("symbol").is_in(answered))
        return Fetched(kept, refused.frame(), tuple(sorted(answered)), tuple(sessions))

    def _ticks(self, symbol: str, session: date, query: dict[str, Any]) -> Iterator[Fetched]:
        """The pages of one symbol; only the last of them, read to its end, says that it has been answered for."""
        feed = self.feed
        try:
            for answer in self._pages(self._data, "/stocks/trades", query, PAGE):
                refused = Refused()
                rows = _trades(symbol, table(answer, "trades").get(symbol) or [], feed, refused)
                yield Fetched(rows, refused.frame(), () if answer.get("next_page_token") else (symbol,), (session,))
        except Unreadable as error:
            refused = Refused()
            refused.add(symbol, error.reason, error.raw)
            yield Fetched(TRADES.to_frame(), refused.frame(), (), (session,))

    def _pages(self, client: RESTClient, path: str, query: dict[str, Any], rows: int) -> Iterator[Any]:
        """Every page of one listing as it was sent; `Unreadable` where a page is no object."""
        token: object = None
        while True:
            answer = self._ask(client, path, {**query, "limit": rows, "page_token": token})
            yield answer
            token = answer.get("next_page_token") if isinstance(answer, dict) else None
            if not token:
                return

    def _ask(self, client: RESTClient, path: str, query: dict[str, Any]) -> Any:
        """One request of alpaca-py with its faults translated."""
        try:
            return client.get(path, query)
        except APIError as error:
            if error.status_code is not None and (error.status_code == 429 or error.status_code >= 500):
                raise Unreachable(_none(self._settings, f"HTTP {error.status_code} after every try")) from error
            raise BrokerError(
                f"expected history from Alpaca, found HTTP {error.status_code}: {error}; check ALPACA_API_KEY, ALPACA_SECRET_KEY and ALPACA_FEED"
            ) from error
        except requests.JSONDecodeError as error:
            raise Unreadable("expected JSON, found another text", error.doc) from error
        except requests.RequestException as error:
            raise Unreachable(_none(self._settings, f"none ({error})")) from error


class _Session(requests.Session):
    """Sends every request of alpaca-py over our line, with a timeout, and notes whether a simulated exchange answered."""

    simulated: str | None = None

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        options.setdefault("timeout", TIMEOUT)

        def send() -> Reply:
            response = super(_Session, self).request(*arguments, **options)
            return Reply(response.status_code, response.headers, response.content, response)

        response = self._line.ask(send).whole
        assert isinstance(response, requests.Response)
        self.simulated = response.headers.get(SIMULATED, self.simulated)
        return response


def _bars(symbol: str, rows: list[Any], feed: str, refused: Refused) -> pl.DataFrame:
    """One symbol's bars as `BARS`."""
    good = read(rows, wire.ALPACA_BARS, refused, symbol)
    frame = pl.DataFrame(
        {
            "symbol": [symbol] * len(good),
            "timestamp": pl.Series([bar["t"] for bar in good], dtype=pl.String).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False),
            "open": [bar["o"] for bar in good],
            "high": [bar["h"] for bar in good],
            "low": [bar["l"] for bar in good],
            "close": [bar["c"] for bar in good],
            "volume": [bar["v"] for bar in good],
            "vwap": [bar.get("vw") for bar in good],
            "trades": [bar.get("n") for bar in good],
            "feed": [feed] * len(good),
        },
        schema=BARS,
    )
    return timed(frame, good, refused, symbol)


def _trades(symbol: str, rows: Any, feed: str, refused: Refused) -> pl.DataFrame:
    """One page of a symbol's trades as `TRADES`. What was canceled or turned out incorrect is set aside; what corrects it stays."""
    good = read(rows, wire.ALPACA_TRADES, refused, symbol)
    for trade in good:
        if trade.get("u") in ("canceled", "incorrect"):
            refused.add(symbol, f"the vendor marks it {trade.get('u')}", trade)
    good = [trade for trade in good if trade.get("u") not in ("canceled", "incorrect")]
    times = pl.Series([trade["t"] for trade in good], dtype=pl.String)
    frame = pl.DataFrame(
        {
            "symbol": [symbol] * len(good),
            "timestamp": times.str.to_datetime("%+", time_unit="ns", time_zone="UTC", strict=False),
            "price": [trade["p"] for trade in good],
            "size": [trade["s"] for trade in good],
            "exchange": [trade.get("x") for trade in good],
            "id": [str(trade.get("i")) if trade.get("i") is not None else None for trade in good],
            "conditions": [trade.get("c") for trade in good],
            "tape": [trade.get("z") for trade in good],
            "feed": [feed] * len(good),
        },
        schema=TRADES,
    )
    return timed(frame, good, refused, symbol)


def _none(settings: Settings, found: str) -> str:
    return f"expected an answer from {settings.data_url or 'Alpaca'}, found {found}; check the network, or start the simulated exchange"
