"""One venue, two wires: Alpaca's streams, and Polygon's beside them, hear the same market."""

from live.sim.alpaca.streams.broadcast import Streams
from live.sim.polygon.streams.stocks import Stream
from live.sim.venue.feed import Feed
from live.sim.venue.venue import Venue
from live.sim.worlds.slips import Slip
from live.sim.worlds.tape import Print
from live.sim.worlds.world import Bars


class Chorus(Streams):
    """Alpaca's streams as they are; what concerns the market is told to Polygon's too, and both are written together."""

    def __init__(self, venue: Venue, polygon: Stream) -> None:
        super().__init__(venue)
        self._polygon = polygon

    def watches(self, feed: Feed, symbol: str) -> bool:
        return super().watches(feed, symbol) or (self._whole(feed) and self._polygon.watches(symbol))

    def bars(self, feed: Feed, rows: list[tuple[str, Bars, int]]) -> None:
        super().bars(feed, rows)
        if self._whole(feed):
            self._polygon.bars(rows)

    def trade(self, feed: Feed, symbol: str, trade: Print) -> None:
        super().trade(feed, symbol, trade)
        if self._whole(feed):
            self._polygon.trade(symbol, trade)

    def amend(self, feed: Feed, symbol: str, slip: Slip, bars: Bars, row: int) -> None:
        """Polygon sends no corrected minute, only the trade that came late."""
        super().amend(feed, symbol, slip, bars, row)
        if slip.kind == "late" and self._whole(feed):
            self._polygon.late(symbol, slip.trade)

    def _whole(self, feed: Feed) -> bool:
        """Polygon knows the consolidated market only."""
        return feed is self._venue.feeds["sip"]

    def kick(self) -> None:
        super().kick()
        self._polygon.kick()

    async def flush(self) -> None:
        await super().flush()
        await self._polygon.flush()

    async def stop(self) -> None:
        await super().stop()
        await self._polygon.stop()
