"""Which vendors a session follows, by its settings: Alpaca always, Polygon where its key is set; and what it subscribes to at them."""

from collections.abc import Callable, Sequence
from random import Random

from live.clock import Clock
from live.feeds.alpaca import AlpacaFeed
from live.feeds.backfill import History
from live.feeds.failover import Failover
from live.feeds.polygon import PolygonFeed
from live.feeds.vendor import Channels, Feed, Note, Raw, Refuse, Sink
from pipelines.core.market.session import Session
from pipelines.core.trading.events import Event
from pipelines.settings import Settings
from pipelines.vendors.alpaca import Alpaca
from pipelines.vendors.polygon import Polygon


def follow(
    settings: Settings,
    symbols: Sequence[str],
    *,
    hours: Session,
    clock: Clock,
    seed: str,
    emit: Callable[[Event], None],
    refuse: Refuse,
    note: Note,
    heard: Callable[[], None],
    trades: bool = False,
    raw: Raw | None = None,
) -> Failover:
    """The feeds of a session. `trades`: a strategy needs them. `seed` makes the pauses between tries repeatable. `raw` is given every frame."""
    channels = Channels(settings.feed_trades or trades, settings.feed_quotes, settings.feed_canary)

    def vendors(sink: Sink) -> list[Feed]:
        found: dict[str, Feed] = {"alpaca": AlpacaFeed(settings, symbols, sink=sink, clock=clock, channels=channels, raw=raw)}
        if has_polygon(settings):
            found["polygon"] = PolygonFeed(settings, symbols, sink=sink, clock=clock, channels=channels, raw=raw)
        first = settings.feed_primary or ("polygon" if settings.history_source == "polygon" else "alpaca")
        return [found.pop(first), *found.values()] if first in found else list(found.values())

    return Failover(
        settings,
        symbols,
        vendors,
        histories(settings),
        hours=hours,
        clock=clock,
        chance=Random(seed),
        emit=emit,
        refuse=refuse,
        note=note,
        heard=heard,
    )


def has_polygon(settings: Settings) -> bool:
    """Whether there is a second vendor."""
    return bool(settings.polygon_api_key.get_secret_value())


def histories(settings: Settings) -> dict[str, History]:
    """REST sides by feed name. They do not try twice: a gap has a deadline, and whoever fills it decides what to ask next."""
    once = settings.model_copy(update={"vendor_retries": 0})
    found: dict[str, History] = {settings.alpaca_feed: Alpaca(once)}
    if has_polygon(settings):
        found["polygon"] = Polygon(once)
    return found
