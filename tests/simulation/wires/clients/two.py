"""Every call of alpaca-trade-api (python) 3.2 against one exchange. Prints {"done": [...], "failed": {...}, "seen": {...}}."""

import json
import os
import sys
import threading
import time
import urllib.request
import warnings
from collections import Counter
from typing import Any

warnings.simplefilter("ignore")
URL = sys.argv[1]
os.environ["APCA_API_DATA_URL"] = URL
import alpaca_trade_api as alpaca  # noqa: E402 - it reads the address when it is imported

done: list[str] = []
failed: dict[str, str] = {}
seen: Counter[str] = Counter()


def attempt(name: str, call: Any) -> Any:
    try:
        found = call()
    except Exception as error:  # whatever it was, it is the result
        failed[name] = f"{type(error).__name__}: {error}"
        return None
    done.append(name)
    return found


def sim(path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(f"{URL}/sim/{path}", data=None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def step(seconds: float) -> None:
    sim("clock/step", {"seconds": seconds})


def main() -> None:
    rest = alpaca.REST("SIM", "SIM", base_url=URL)
    attempt("account", rest.get_account)
    attempt("configuration", rest.get_account_configurations)
    attempt("configure", lambda: rest.update_account_configurations(no_shorting=False, dtbp_check="both", trade_confirm_email="all"))
    attempt("clock", rest.get_clock)
    attempt("calendar", lambda: rest.get_calendar("2026-11-20", "2026-11-30"))
    attempt("assets", lambda: rest.list_assets(status="active"))
    attempt("asset", lambda: rest.get_asset("AAPL"))
    bought = attempt("order", lambda: rest.submit_order("AAPL", qty=3, side="buy", type="market", time_in_force="day"))
    attempt("notional", lambda: rest.submit_order("KO", notional=50, side="buy", type="market", time_in_force="day"))
    legs: dict[str, Any] = {
        "order_class": "bracket",
        "take_profit": {"limit_price": "2000"},
        "stop_loss": {"stop_price": "1"},
        "client_order_id": "two",
    }
    attempt("bracket", lambda: rest.submit_order("MSFT", qty=1, side="buy", type="market", time_in_force="gtc", **legs))
    limit = attempt("limit", lambda: rest.submit_order("GE", qty=1, side="buy", type="limit", limit_price=10, time_in_force="day"))
    step(5)
    attempt("orders", lambda: rest.list_orders(status="all", nested=True, limit=10, after="2026-11-20", direction="asc", symbols=["AAPL", "GE"]))
    attempt("one", lambda: rest.get_order(bought.id, nested=True))
    attempt("by client", lambda: rest.get_order_by_client_order_id("two"))
    moved = attempt("replace", lambda: rest.replace_order(limit.id, qty="2", limit_price="11"))
    step(3)
    attempt("cancel", lambda: rest.cancel_order(moved.id))
    attempt("cancel all", rest.cancel_all_orders)
    step(3)
    attempt("positions", rest.list_positions)
    attempt("position", lambda: rest.get_position("AAPL"))
    attempt("close", lambda: rest.close_position("AAPL", qty=1))
    step(3)
    attempt("close all", rest.close_all_positions)
    step(3)
    attempt("history", lambda: rest.get_portfolio_history(period="1D", timeframe="5Min").df)
    attempt("activities", rest.get_activities)
    attempt("activities of a type", lambda: rest.get_activities(activity_types="FILL", page_size=2))
    made = attempt("watchlist", lambda: rest.create_watchlist("two", ["AAPL", "KO"]))
    attempt("watchlists", rest.get_watchlists)
    attempt("watchlist by name", lambda: rest.get_watchlist_by_name("two"))
    attempt("watchlist add", lambda: rest.add_to_watchlist(made.id, "GE"))
    attempt("watchlist less", lambda: rest.delete_from_watchlist(made.id, "KO"))
    attempt("watchlist gone", lambda: rest.delete_watchlist(made.id))
    attempt("bars", lambda: rest.get_bars(["AAPL", "KO"], alpaca.TimeFrame.Minute, "2026-11-20", "2026-11-20", adjustment="raw", limit=50).df)
    attempt("days", lambda: rest.get_bars("AAPL", alpaca.TimeFrame.Day, "2026-10-01", "2026-11-20").df)
    attempt("trades", lambda: rest.get_trades("AAPL", "2026-11-19T15:00:00Z", "2026-11-19T15:05:00Z", limit=20).df)
    attempt("quotes", lambda: rest.get_quotes("AAPL", "2026-11-20", "2026-11-20", limit=20).df)
    for kind in ("latest_bar", "latest_trade", "latest_quote", "snapshot"):
        attempt(kind, lambda kind=kind: getattr(rest, f"get_{kind}")("AAPL"))
        attempt(f"{kind}s", lambda kind=kind: getattr(rest, f"get_{kind}s")(["AAPL", "KO"]))
    attempt("news", lambda: rest.get_news("AAPL", limit=5))
    listen(rest)
    sys.stdout.write(json.dumps({"done": done, "failed": failed, "seen": seen}))


def listen(rest: Any) -> None:
    stream = alpaca.Stream("SIM", "SIM", base_url=URL, data_stream_url=URL.replace("http", "ws"), data_feed="sip")

    async def heard(message: Any) -> None:
        seen[message.event if hasattr(message, "event") else type(message).__name__.lower()] += 1

    stream.subscribe_trade_updates(heard)
    stream.subscribe_trades(heard, "AAPL")
    stream.subscribe_quotes(heard, "AAPL")
    stream.subscribe_bars(heard, "*")
    stream.subscribe_updated_bars(heard, "*")
    stream.subscribe_statuses(heard, "*")
    threading.Thread(target=stream.run, daemon=True).start()
    for _ in range(100):
        clients = sim("clock")["clients"]
        if clients["market"] and clients["trading"]:
            break
        time.sleep(0.05)
    attempt("order heard of", lambda: rest.submit_order("AAPL", qty=1, side="buy", type="market", time_in_force="day"))
    step(65)
    step(65)
    time.sleep(0.5)


main()
sys.stdout.flush()
os._exit(0)  # its stream threads have no end
