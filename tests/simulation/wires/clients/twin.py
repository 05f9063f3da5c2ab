"""Calls of `massive` 2.9, Polygon's client under its new name, against one exchange. Prints {"done": [...], "failed": {...}, "seen": {...}}."""

import json
import os
import sys
import threading
import time
import urllib.request
from collections import Counter
from typing import Any

from massive import RESTClient, WebSocketClient

URL = sys.argv[1]
done: list[str] = []
failed: dict[str, str] = {}
seen: Counter[str] = Counter()


def attempt(name: str, call: Any, holds: Any = bool) -> None:
    """The call must answer, and what it answers must hold."""
    try:
        found = call()
        if not holds(found):
            raise ValueError(f"unexpected answer {found!r:.300}")
    except Exception as error:  # whatever it was, it is the result
        failed[name] = f"{type(error).__name__}: {error}"
    else:
        done.append(name)


def sim(path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(f"{URL}/sim/{path}", data=None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def ask(rest: RESTClient) -> None:
    """Prices, reference and market, with pages where there are some."""
    attempt("aggregates", lambda: list(rest.list_aggs("AAPL", 1, "minute", "2026-11-18", "2026-11-19", limit=100)), lambda rows: len(rows) == 780)
    attempt("aggregates of a page", lambda: rest.get_aggs("AAPL", 1, "day", "2026-11-02", "2026-11-19"), lambda rows: len(rows) == 14)
    attempt("grouped", lambda: rest.get_grouped_daily_aggs("2026-11-19"), lambda rows: len(rows) == 41)
    attempt("previous close", lambda: rest.get_previous_close_agg("AAPL"), lambda rows: rows[0].ticker == "AAPL")
    attempt("open and close", lambda: rest.get_daily_open_close_agg("AAPL", "2026-11-19"), lambda day: day.symbol == "AAPL" and day.open > 0)
    bounds = {"timestamp_gte": "2026-11-19T15:00:00Z", "timestamp_lt": "2026-11-19T15:05:00Z"}
    attempt("trades", lambda: list(rest.list_trades("AAPL", **bounds, limit=10)), lambda rows: len(rows) > 10)
    attempt("quotes", lambda: list(rest.list_quotes("AAPL", **bounds, limit=10)), lambda rows: len(rows) > 10)
    attempt("last trade", lambda: rest.get_last_trade("AAPL"), lambda trade: trade.ticker == "AAPL")
    attempt("last quote", lambda: rest.get_last_quote("AAPL"), lambda quote: quote.bid_price < quote.ask_price)
    attempt("snapshot", lambda: rest.get_snapshot_ticker("stocks", "AAPL"), lambda shown: shown.day.close > 0)
    attempt("snapshots", lambda: rest.get_snapshot_all("stocks"), lambda rows: len(rows) == 41)
    attempt("gainers", lambda: rest.get_snapshot_direction("stocks", "gainers"))
    attempt("tickers", lambda: list(rest.list_tickers(limit=7)), lambda rows: len(rows) == 41)
    attempt("details", lambda: rest.get_ticker_details("AAPL"), lambda found: found.sic_code and found.sic_description)
    attempt("market status", rest.get_market_status, lambda found: found.market == "open")
    attempt("splits", lambda: list(rest.list_splits(ticker="AAPL")), lambda rows: rows == [])
    attempt("dividends", lambda: list(rest.list_dividends(ticker="AAPL")), lambda rows: rows == [])


def listen() -> None:
    client = WebSocketClient("KEY", feed=URL.removeprefix("http://"), secure=False, subscriptions=["AM.*", "T.AAPL", "Q.AAPL", "A.AAPL"])

    def heard(messages: list[Any]) -> None:
        for message in messages:
            seen[str(message.event_type)] += 1
            if message.event_type == "AM" and message.end_timestamp - message.start_timestamp != 60_000:
                failed["minute"] = repr(message)

    threading.Thread(target=client.run, args=(heard,), daemon=True).start()
    for _ in range(200):
        if sim("clock")["polygon_clients"]:
            break
        time.sleep(0.05)
    sent = 0
    for _ in range(2):
        sent = sim("clock/step", {"seconds": 60})["sent"]["polygon"]
    for _ in range(200):
        if seen.total() >= sent:
            break
        time.sleep(0.05)
    seen["sent"] = sent


sim("clock/step", {"seconds": 5})
ask(RESTClient("KEY", base=URL))
listen()
sys.stdout.write(json.dumps({"done": done, "failed": failed, "seen": seen}))
sys.stdout.flush()
os._exit(0)  # its stream thread has no end
