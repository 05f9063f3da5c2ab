"""Whose path it is: Alpaca's trading host, its data host, Polygon's host and the simulator's own API share one port."""

from typing import Literal

Name = Literal["trading", "data", "polygon", "sim"]
Stream = Literal["trading", "market", "polygon"]

POLYGON = (
    "/v1/indicators/",
    "/v1/marketstatus/",
    "/v1/open-close/",
    "/v2/aggs/",
    "/v2/last/",
    "/v2/reference/",
    "/v2/snapshot/",
    "/v3/quotes/",
    "/v3/reference/",
    "/v3/snapshot",
    "/v3/trades/",
    "/vX/",
)
"""Beginnings of Polygon's paths."""
_DATA = ("/v2/stocks", "/v1beta1", "/v1/corporate-actions")


def host_of(path: str) -> Name:
    """Everything that is nobody else's belongs to the trading host."""
    if path.startswith("/sim/"):
        return "sim"
    if path.startswith(POLYGON):
        return "polygon"
    return "data" if path.startswith(_DATA) else "trading"


def stream_of(path: str) -> Stream:
    """The stream behind a websocket's path."""
    if path.rstrip("/") == "/stream":
        return "trading"
    return "market" if path.startswith(("/v1beta1/", "/v2/")) else "polygon"
