"""Polygon's (Massive's) history through polygon-api-client, or through `massive`, its successor, where that is installed: the same calls.

Answers are read raw and page by page: the client's own paging stops without a word at a page that it cannot read.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import polars as pl
import urllib3
from urllib3.exceptions import HTTPError

from pipelines.core.briefing import Origin
from pipelines.core.errors import BrokerError, Unreachable
from pipelines.core.market.session import NEW_YORK
from pipelines.settings import Mode, Settings
from pipelines.vendors import calendar, wire
from pipelines.vendors.line import TIMEOUT, Line, Reply, shared
from pipelines.vendors.rows import Refused, Unreadable, read
from pipelines.vendors.source import ACTIONS, ASSETS, BARS, TRADES, Fetched, Traffic, whole

PAGE = 50_000
"""Base aggregates, or trades, on a page; Polygon's most."""

LISTED = 1_000
"""Rows on a page of reference data; Polygon's most."""

MINUTES = 960
"""Minute bars of one symbol and session at most, 04:00 to 20:00."""

MINUTE = 60_000
"""Milliseconds."""

PAID = 160
"""Dividends of all stocks and funds on a calendar day, roughly: decides whether to ask for everybody's or for each symbol's."""

SIMULATED = "X-DayBot-Simulated"


class Industry(NamedTuple):
    """What Polygon says a company does: the SEC's four digits and their text, empty for a fund and for a ticker that it does not know."""

    sic: str
    text: str


class Polygon:
    """Polygon as a source: the whole market's tape. Its minutes cost a request for each symbol, a day of all symbols costs one."""

    dated = True

    def __init__(self, settings: Settings) -> None:
        # `massive` first: polygon-api-client has not been released since 2025-10-30.
        package = "massive" if find_spec("massive") else "polygon"
        self._settings = settings
        self._base = settings.polygon_url
        self._line = Line(
            shared(f"{self._base} {settings.polygon_api_key.get_secret_value()}", settings.polygon_rate),
            retries=settings.vendor_retries,
            backoff=settings.vendor_backoff,
        )
        self._refused = Refused()
        self._bad: type[Exception] = import_module(f"{package}.exceptions").BadResponse
        self._client = import_module(package).RESTClient(settings.polygon_api_key.get_secret_value(), base=self._base)
        # The client keeps its timeout and never hands it to its own connection pool; and it tries again by itself, without a pace.
        self._pool = _Pool(self._client.client, self._line)
        self._client.client = self._pool

    @property
    def origin(self) -> Origin:
        """What the simulated exchange says of its prices; a real vendor says nothing."""
        if self._pool.simulated is None and self._settings.daybot_mode is Mode.SIM:
            self._ask(self._client.get_market_status)
        return Origin(self._pool.simulated or Origin.VENDOR)

    @property
    def feed(self) -> str:
        """polygon; of a simulated exchange it says so: Alpaca's side of it already has the origin's plain name."""
        return "polygon" if self.origin is Origin.VENDOR else f"polygon-{self.origin.value}"

    @property
    def traffic(self) -> Traffic:
        """Requests so far."""
        return self._line.traffic

    @property
    def malformed(self) -> pl.DataFrame:
        """What `assets` and `actions` could not read."""
        return self._refused.frame()

    def assets(self, day: date | None = None) -> pl.DataFrame:
        """Stocks that were active on that day. Polygon is no broker: everything active counts as tradable, nothing as shortable."""
        dated = {"date": day.isoformat()} if day else {}
        listed = self._listed(wire.POLYGON_TICKERS, self._client.list_tickers, market="stocks", active=True, limit=LISTED, **dated)
        rows = [(row["ticker"], row.get("name") or row["ticker"], row.get("primary_exchange") or "", True, False) for row in listed]
        return pl.DataFrame(rows, schema=ASSETS, orient="row").unique("symbol", keep="first").sort("symbol")

    def daily(self, symbols: Sequence[str], first: date, last: date) -> Iterator[Fetched]:
        """Daily bars, unadjusted: a session of all symbols in a request or a symbol's whole history in one, whichever takes fewer."""
        days = calendar.sessions(first, last)
        if len(days) < len(symbols):
            for day in days:
                yield self._day(symbols, day)
        else:
            for symbol in symbols:
                yield self._bars(symbol, "day", days, _milliseconds(days[0], time(0)), _milliseconds(days[-1], time(20)))

    def minutes(self, symbols: Sequence[str], first: date, last: date) -> Iterator[Fetched]:
        """Minute bars, unadjusted: a symbol in a chunk, with so many sessions as a page holds."""
        days, step = calendar.sessions(first, last), PAGE // MINUTES
        for symbol in symbols:
            for at in range(0, len(days), step):
                some = days[at : at + step]
                yield self._bars(symbol, "minute", some, _milliseconds(some[0], time(4)), _milliseconds(some[-1], time(19, 59)))

    def recent(self, symbols: Sequence[str], start: datetime, end: datetime) -> Fetched:
        """Minute bars that start in [start, end), both with a time zone: what a stream has missed. A request for each symbol."""
        edges = round(start.timestamp() * 1000), round(end.timestamp() * 1000) - MINUTE
        return whole(self._bars(symbol, "minute", [start.astimezone(NEW_YORK).date()], *edges) for symbol in symbols)

    def trades(self, symbols: Sequence[str], session: date) -> Iterator[Fetched]:
        """A symbol at a time, a chunk for each page; only a symbol's last one, read to its end, says that it has been answered for."""
        edges = {"timestamp_gte": _milliseconds(session, time(4)) * 1_000_000, "timestamp_lt": _milliseconds(session, time(20)) * 1_000_000}
        for symbol in symbols:
            try:
                for answer in self._pages(self._client.list_trades, quote(symbol), order="asc", sort="timestamp", limit=PAGE, **edges):
                    refused = Refused()
                    rows = _trades(symbol, _results(answer), self.feed, refused)
                    yield Fetched(rows, refused.frame(), () if answer.get("next_url") else (symbol,), (session,))
            except Unreadable as error:
                refused = Refused()
                refused.add(symbol, error.reason, error.raw)
                yield Fetched(TRADES.to_frame(), refused.frame(), (), (session,))

    def actions(self, symbols: Sequence[str], first: date, last: date) -> pl.DataFrame:
        """Splits and cash dividends, announced ones included. Share dividends are among Polygon's splits."""
        wanted = set(symbols)
        splits, paid = list[dict[str, Any]](), list[dict[str, Any]]()
        for each in self._asking(symbols, first, last):
            edges = {"execution_date_gte": first, "execution_date_lte": last}
            splits += self._listed(wire.POLYGON_SPLITS, self._client.list_splits, limit=LISTED, **each, **edges)
            edges = {"ex_dividend_date_gte": first, "ex_dividend_date_lte": last}
            paid += self._listed(wire.POLYGON_DIVIDENDS, self._client.list_dividends, limit=LISTED, **each, **edges)
        rows: list[tuple[object, ...]] = [
            (row["ticker"], "split", row["execution_date"], row["split_to"] / row["split_from"], 0.0, "polygon") for row in splits
        ]
        for row in paid:
            if (row.get("currency") or "USD") == "USD":
                rows.append((row["ticker"], "dividend", row["ex_dividend_date"], 1.0, row["cash_amount"], "polygon"))
            elif row["ticker"] in wanted:
                self._refused.add(row["ticker"], f"expected a dividend in USD, found {row['currency']}", row)
        found = pl.DataFrame(rows, schema=ACTIONS, orient="row").filter(pl.col("symbol").is_in(list(wanted)))
        return found.unique(maintain_order=True).sort("symbol", "ex_date", "kind")

    def members(self, day: date) -> list[str] | None:
        """Polygon's stock plans know no index."""
        return None

    def sectors(self, day: date) -> dict[str, str] | None:
        """Polygon knows industries (`industry`), as of now."""
        return None

    def industry(self, symbol: str) -> Industry:
        """The industry of one company. Raises `Unreachable` and `BrokerError` as the rest does, but not for an unknown ticker."""
        try:
            answer = self._ask(self._client.get_ticker_details, quote(symbol))
        except _Absent:
            return Industry("", "")
        found = answer.get("results")
        if not isinstance(found, dict):
            raise Unreadable("expected a company under `results`", answer)
        return Industry(str(found.get("sic_code") or ""), str(found.get("sic_description") or ""))

    def _asking(self, symbols: Sequence[str], first: date, last: date) -> list[dict[str, str]]:
        """Which tickers to name, one for each listing: everybody's once, unless so few symbols are wanted that theirs take fewer pages."""
        pages = ((last - first).days + 1) * PAID // LISTED + 2
        return [{"ticker": symbol} for symbol in symbols] if 2 * len(symbols) < pages else [{}]

    def _day(self, symbols: Sequence[str], day: date) -> Fetched:
        """One session of the whole market, cut to the symbols."""
        refused, wanted = Refused(), set(symbols)
        try:
            sent = _results(self._ask(self._client.get_grouped_daily_aggs, day, adjusted=False, include_otc=False))
        except Unreadable as error:
            refused.add("", error.reason, error.raw)
            return Fetched(BARS.to_frame(), refused.frame(), (), (day,))
        good = read([row for row in sent if _ticker(row) is None or _ticker(row) in wanted], wire.POLYGON_DAYS, refused)
        rows = _frame([row["T"] for row in good], good, self.feed)
        return Fetched(_midnight(rows), _midnight(refused.frame()), tuple(symbols), (day,))

    def _bars(self, symbol: str, span: str, days: list[date], start: int, end: int) -> Fetched:
        """Both edges in unix milliseconds, included."""
        refused, pieces, feed = Refused(), [BARS.to_frame()], self.feed
        try:
            for answer in self._pages(self._client.list_aggs, quote(symbol), 1, span, start, end, adjusted=False, limit=PAGE):
                good = read(_results(answer), wire.POLYGON_BARS, refused, symbol)
                pieces.append(_frame([symbol] * len(good), good, feed))
        except Unreadable as error:
            refused.add(symbol, error.reason, error.raw)
            return Fetched(BARS.to_frame(), refused.frame(), (), tuple(days))
        rows = pl.concat(pieces)
        return Fetched(_midnight(rows) if span == "day" else rows, refused.frame(), (symbol,), tuple(days))

    def _listed(self, shape: Any, call: Any, **options: Any) -> list[Any]:
        """Every row of a listing that could be read; the rest is in `malformed`."""
        return [row for answer in self._pages(call, **options) for row in read(_results(answer), shape, self._refused)]

    def _pages(self, call: Any, *arguments: Any, **options: Any) -> Iterator[dict[str, Any]]:
        """Every page of one listing as it was sent. The client's own iterator hides what it cannot read, and `raw` gives the first page only."""
        answer = self._ask(call, *arguments, **options)
        while True:
            yield answer
            following = answer.get("next_url")
            if not following:
                return
            address = urlsplit(str(following))
            answer = self._ask(self._client._get, f"{address.path}?{address.query}")

    def _ask(self, call: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
        """One request of the client as the JSON object that came, with its faults translated."""
        try:
            sent = call(*arguments, raw=True, **options).data
        except HTTPError as error:
            raise Unreachable(f"expected an answer from {self._base}, found none ({error}); check the network") from error
        except self._bad as error:
            raise self._refusal(error) from error
        try:
            answer = json.loads(sent)
        except ValueError as error:
            raise Unreadable("expected JSON, found another text", sent.decode(errors="replace")) from error
        if not isinstance(answer, dict):
            raise Unreadable("expected an object", answer)
        return answer

    def _refusal(self, error: Exception) -> BrokerError:
        """What the last answer's HTTP status means."""
        status = self._pool.status
        if status == 429 or status >= 500:
            return Unreachable(f"expected an answer from {self._base}, found HTTP {status} after every try; try later, or lower POLYGON_RATE")
        if status == 404:
            return _Absent(f"expected what was asked for at {self._base}, found HTTP 404: {error}")
        return BrokerError(f"expected history from Polygon at {self._base}, found HTTP {status}: {error}; check POLYGON_API_KEY and its plan")


class _Absent(BrokerError):
    """There is no such thing at the vendor."""


class _Pool:
    """Sends every request of the client over our line, and notes whether a simulated exchange answered."""

    def __init__(self, pool: Any, line: Line) -> None:
        self._pool = pool
        self._line = line
        self.simulated: str | None = None
        self.status = 0

    def request(self, method: str, url: str, **options: Any) -> Any:
        connect, each = TIMEOUT

        def send() -> Reply:
            answer = self._pool.request(method, url, retries=False, timeout=urllib3.Timeout(connect=connect, read=each), **options)
            return Reply(answer.status, answer.headers, answer.data, answer)

        reply = self._line.ask(send)
        self.status = reply.status
        self.simulated = reply.headers.get(SIMULATED, self.simulated)
        return reply.whole


def _results(answer: dict[str, Any]) -> list[Any]:
    """What is under `results`, which is missing where nothing matches; `Unreadable` if it is no list."""
    found = answer.get("results")
    if found is None:
        return []
    if not isinstance(found, list):
        raise Unreadable(f"expected a list of rows, found {type(found).__name__}", found)
    return found


def _ticker(row: Any) -> str | None:
    """Whose row of the grouped day it is, if it says so."""
    found = row.get("T") if isinstance(row, dict) else None
    return found if isinstance(found, str) else None


def _frame(symbols: list[str], good: list[Any], feed: str) -> pl.DataFrame:
    """Bars that have been read, as `BARS`."""
    return pl.DataFrame(
        {
            "symbol": symbols,
            "timestamp": pl.Series([bar["t"] * 1_000 for bar in good], dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
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


def _midnight(days: pl.DataFrame) -> pl.DataFrame:
    """Daily bars at midnight in New York: the grouped day is stamped with its close."""
    local = pl.col("timestamp").dt.convert_time_zone(NEW_YORK.key).dt.truncate("1d")
    return days.with_columns(local.dt.convert_time_zone("UTC").alias("timestamp"))


def _trades(symbol: str, rows: Any, feed: str, refused: Refused) -> pl.DataFrame:
    """One page of a symbol's trades as `TRADES`; codes are numbers, kept as text."""
    good = read(rows, wire.POLYGON_TRADES, refused, symbol)
    return pl.DataFrame(
        {
            "symbol": [symbol] * len(good),
            "timestamp": pl.Series([trade["sip_timestamp"] for trade in good], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
            "price": [trade["price"] for trade in good],
            "size": [trade["size"] for trade in good],
            "exchange": [_code(trade.get("exchange")) for trade in good],
            "id": [trade.get("id") for trade in good],
            "conditions": [[str(code) for code in trade.get("conditions") or []] for trade in good],
            "tape": [_code(trade.get("tape")) for trade in good],
            "feed": [feed] * len(good),
        },
        schema=TRADES,
    )


def _code(value: int | None) -> str | None:
    return None if value is None else str(value)


def _milliseconds(day: date, clock: time) -> int:
    return round(datetime.combine(day, clock, NEW_YORK).timestamp() * 1000)
