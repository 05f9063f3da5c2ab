"""The command's options by subject, each with what it does: the panels of `daybot exchange --help`."""

from pathlib import Path
from typing import Annotated

from typer import Option

_MARKET, _TIME, _ACCOUNT, _ALPACA, _POLYGON, _WHERE = "The market", "Time", "The account", "Alpaca's terms", "Polygon's terms", "Addresses and faults"

World = Annotated[
    list[Path] | None,
    Option(
        rich_help_panel=_MARKET,
        help="Recorded minutes: Parquet or CSV with symbol, timestamp (UTC start), open, high, low, close, volume. Repeatable. "
        "Without it the market is generated.",
    ),
]
Ticks = Annotated[
    list[Path] | None,
    Option(
        rich_help_panel=_MARKET,
        help="Recorded trades (symbol, timestamp, price, size, exchange, conditions) and quotes (symbol, timestamp, bid, ask, bid_size, ask_size, "
        "exchange): played as they were, minutes are made of them. Repeatable.",
    ),
]
ThinIex = Annotated[
    bool,
    Option("--thin-iex", rich_help_panel=_MARKET, help="Recorded market: the iex feed shows one venue's share, as a generated one's always does."),
]
History = Annotated[
    list[Path] | None,
    Option(
        rich_help_panel=_MARKET,
        help="Daily bars before the recorded minutes, same columns. Repeatable. Symbols in none of these have no history.",
    ),
]
Actions = Annotated[
    Path | None,
    Option(rich_help_panel=_MARKET, help="Splits and dividends of recorded minutes: symbol, type, ex_date, new_rate, old_rate, rate."),
]
Assets = Annotated[
    Path | None,
    Option(rich_help_panel=_MARKET, help="CSV that overrides name, exchange, shortable, easy_to_borrow, fractionable, tradable."),
]
Seed = Annotated[
    int,
    Option(rich_help_panel=_MARKET, help="Chooses prices, latencies and ids: same seed, same requests, same venue times, same answers."),
]
Splits = Annotated[bool, Option("--splits", rich_help_panel=_MARKET, help="Generated market: splits and dividends now and then.")]
Halts = Annotated[bool, Option("--halts", rich_help_panel=_MARKET, help="Generated market: trading halts now and then.")]
Extended = Annotated[
    bool,
    Option("--extended", rich_help_panel=_MARKET, help="Generated market: thin minutes before the open and after the close."),
]
Slips = Annotated[
    float,
    Option(min=0, max=1, rich_help_panel=_MARKET, help="Share of minutes whose first report is wrong and put right 30 s later."),
]

Day = Annotated[
    str | None,
    Option("--date", rich_help_panel=_TIME, show_default=False, help="Session to open on. Without it 2026-11-20, or the first recorded day."),
]
Start = Annotated[str, Option(rich_help_panel=_TIME, help="New York time at which venue time begins.")]
Speed = Annotated[float, Option(min=0.001, rich_help_panel=_TIME, help="Venue seconds a wall second: 1 is real time, 60 plays a minute a second.")]
Stepped = Annotated[bool, Option("--stepped", rich_help_panel=_TIME, help="Time moves only by POST /sim/clock/step. For tests and demos.")]
SkipClosed = Annotated[bool, Option("--skip-closed", rich_help_panel=_TIME, help="After the close jump to 08:00 New York of the next session.")]

Cash = Annotated[float, Option(min=0, rich_help_panel=_ACCOUNT, help="Dollars the account starts with.")]
Multiplier = Annotated[int, Option(rich_help_panel=_ACCOUNT, help="Margin of the account: 1 (cash), 2 or 4.")]
PartialRate = Annotated[float, Option(min=0, max=1, rich_help_panel=_ACCOUNT, help="Share of orders that are filled in two to four pieces.")]
Participation = Annotated[
    float | None,
    Option(min=0.0001, max=1, rich_help_panel=_ACCOUNT, help="Share of printed volume an order may take; without it all it wants, as on paper."),
]
Fees = Annotated[
    str,
    Option(
        rich_help_panel=_ACCOUNT,
        help="regulatory, as live and paper accounts pay them, none, or rates that differ: sec=0.0000278,taf=0.000166,cap=8.30,cat=0.",
    ),
]
Dividends = Annotated[bool, Option("--dividends", rich_help_panel=_ACCOUNT, help="Pay dividends to the account; a paper account gets none.")]

Key = Annotated[
    str | None,
    Option(rich_help_panel=_ALPACA, help="The only accepted API key. Without it any non-empty pair is accepted, such as SIM / SIM."),
]
Secret = Annotated[str | None, Option(rich_help_panel=_ALPACA, help="The secret that goes with --key.")]
RateLimit = Annotated[
    int,
    Option(min=0, rich_help_panel=_ALPACA, help="Requests a venue minute, trading and data each; 0 switches the limit off."),
]
DataPlan = Annotated[str, Option(rich_help_panel=_ALPACA, help="Data plan: unlimited, or basic with 30 symbols, IEX only and no recent SIP.")]

PolygonKey = Annotated[str | None, Option(rich_help_panel=_POLYGON, help="The only accepted key. Without it any that is not empty.")]
PolygonPlan = Annotated[
    str,
    Option(rich_help_panel=_POLYGON, help="realtime, or delayed: REST a quarter of an hour late, and a stream that lets nobody subscribe."),
]
PolygonRateLimit = Annotated[
    int,
    Option(min=0, rich_help_panel=_POLYGON, help="REST requests a venue minute and key; 0 switches the limit off. Polygon's free plan has 5."),
]
PolygonConnections = Annotated[int, Option(min=1, rich_help_panel=_POLYGON, help="Stream connections a key may hold at once.")]
PolygonLoser = Annotated[str, Option(rich_help_panel=_POLYGON, help="Who is closed when there is one too many: the older or the newer.")]

Port = Annotated[
    int,
    Option(min=0, max=65535, rich_help_panel=_WHERE, help="Port on 127.0.0.1, for everything; 0 picks a free one (see --ready-file)."),
]
At = Annotated[
    list[str] | None,
    Option(
        rich_help_panel=_WHERE,
        help="A host at an address of its own as well: polygon=8766 on that port, polygon=/polygon under that path. "
        "Hosts: trading, data, stream, polygon. Repeatable.",
    ),
]
Scenario = Annotated[
    Path | None,
    Option(rich_help_panel=_WHERE, help="Faults from a file, TOML or JSON; see live/sim/faults. `daybot fault` adds more while it runs."),
]
ReadyFile = Annotated[
    Path | None,
    Option(rich_help_panel=_WHERE, help="Once the sockets listen, write {url, pid, hosts} there as JSON, in one step."),
]
