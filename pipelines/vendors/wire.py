"""The shapes of the rows that the vendors have agreed to send. Checked strictly: a price written as text is no price.

Facts: Alpaca's market data and trading references (docs.alpaca.markets), Polygon's REST reference (polygon.io/docs). Keys that are not
named here may come and go.
"""

from datetime import date
from typing import Annotated, NotRequired

from pydantic import BeforeValidator, Field, TypeAdapter
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12


def _day(value: object) -> date:
    if not isinstance(value, str):
        raise ValueError("expected a day like 2026-11-20")
    return date.fromisoformat(value)


Name = Annotated[str, Field(min_length=1)]
Day = Annotated[date, BeforeValidator(_day)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Milliseconds = Annotated[int, Field(ge=0, lt=4_102_444_800_000)]
"""Since 1970 and before 2100: seconds or nanoseconds in their place fall on days that nobody asked for, or outside."""
Nanoseconds = Annotated[int, Field(ge=0, lt=4_102_444_800_000_000_000)]


class AlpacaBar(TypedDict):
    """`t` is the start in RFC 3339; a bar may have no count and no vwap."""

    t: str
    o: float
    h: float
    l: float  # noqa: E741  # the vendor's own name
    c: float
    v: float
    vw: NotRequired[float | None]
    n: NotRequired[int | None]


class AlpacaTrade(TypedDict):
    """`u` marks a trade that was canceled, corrected or incorrect."""

    t: str
    p: float
    s: float
    x: NotRequired[str | None]
    i: NotRequired[int | None]
    c: NotRequired[list[str] | None]
    z: NotRequired[str | None]
    u: NotRequired[str | None]


class AlpacaAsset(TypedDict):
    symbol: Name
    name: NotRequired[str | None]
    exchange: NotRequired[str | None]
    tradable: bool
    shortable: bool


class AlpacaSplit(TypedDict):
    """`new_rate` shares for `old_rate`."""

    symbol: Name
    ex_date: Day
    new_rate: Rate
    old_rate: Rate


class AlpacaDividend(TypedDict):
    """`rate` is dollars a share, or new shares for each share where it is paid in shares."""

    symbol: Name
    ex_date: Day
    rate: Rate


class PolygonBar(TypedDict):
    """`t` is the start in unix milliseconds; the grouped day has the ticker `T` as well, and may stamp the day's close."""

    t: Milliseconds
    o: float
    h: float
    l: float  # noqa: E741
    c: float
    v: float
    vw: NotRequired[float | None]
    n: NotRequired[int | None]


class PolygonDay(PolygonBar):
    T: Name


class PolygonTrade(TypedDict):
    """The moment is the tape's (SIP), in unix nanoseconds."""

    sip_timestamp: Nanoseconds
    price: float
    size: float
    exchange: NotRequired[int | None]
    id: NotRequired[str | None]
    conditions: NotRequired[list[int] | None]
    tape: NotRequired[int | None]


class PolygonTicker(TypedDict):
    ticker: Name
    name: NotRequired[str | None]
    primary_exchange: NotRequired[str | None]


class PolygonSplit(TypedDict):
    """`split_to` shares for `split_from`."""

    ticker: Name
    execution_date: Day
    split_to: Rate
    split_from: Rate


class PolygonDividend(TypedDict):
    """Anything that is paid in cash; only dollars can be set against prices."""

    ticker: Name
    ex_dividend_date: Day
    cash_amount: Rate
    currency: NotRequired[str | None]


ALPACA_BARS = TypeAdapter(list[AlpacaBar])
ALPACA_TRADES = TypeAdapter(list[AlpacaTrade])
ALPACA_ASSETS = TypeAdapter(list[AlpacaAsset])
ALPACA_SPLITS = TypeAdapter(list[AlpacaSplit])
ALPACA_DIVIDENDS = TypeAdapter(list[AlpacaDividend])
POLYGON_BARS = TypeAdapter(list[PolygonBar])
POLYGON_DAYS = TypeAdapter(list[PolygonDay])
POLYGON_TRADES = TypeAdapter(list[PolygonTrade])
POLYGON_TICKERS = TypeAdapter(list[PolygonTicker])
POLYGON_SPLITS = TypeAdapter(list[PolygonSplit])
POLYGON_DIVIDENDS = TypeAdapter(list[PolygonDividend])
