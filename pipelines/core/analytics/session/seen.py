"""The market as one run of the live runner saw it: the bars of its journal, each with the moment when it was received."""

from collections.abc import Iterable

import polars as pl
from msgspec.structs import astuple

from pipelines.core.briefing import Origin
from pipelines.core.journal import Record, event_of, manifest
from pipelines.core.market.session import moment
from pipelines.core.trading.events import MarketBar

STAMP = pl.Datetime("us", "UTC")

SEEN = pl.Schema(
    [
        ("symbol", pl.String),
        ("timestamp", STAMP),
        *((name, pl.Float64) for name in ("open", "high", "low", "close", "volume", "vwap")),
        ("trades", pl.Int64),
        ("feed", pl.String),
        ("learned_at", STAMP),
        ("late", pl.Boolean),
    ]
)
"""Raw dollars and shares; `timestamp` is the bar's start; `late` says that it was back-filled after a gap and caused no entry."""


def bars(records: Iterable[Record]) -> pl.DataFrame:
    """Every bar that was received, as `SEEN`, in the order of receipt; one that came twice is there twice.

    `feed` is the name under which the pipelines keep the same market: a simulated one never has the name of a real one.
    """
    lines = iter(records)
    first = next(lines, None)
    if first is None:
        return SEEN.to_frame()
    origin = manifest(first).briefing.origin
    events = (event_of(record) for record in lines if record.kind == "event" and record.data["kind"] == "bar")
    rows = [_row(event, origin) for event in events if isinstance(event, MarketBar)]
    return pl.DataFrame(rows, schema=SEEN, orient="row")


def _row(event: MarketBar, origin: Origin) -> tuple[object, ...]:
    symbol, start, *values = astuple(event.bar)
    return (symbol, moment(start), *values, _feed(event.feed, origin), moment(event.at), event.late)


def _feed(feed: str, origin: Origin) -> str:
    if origin is Origin.VENDOR:
        return feed
    return f"polygon-{origin.value}" if feed == "polygon" else origin.value
