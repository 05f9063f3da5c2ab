"""The tear sheet: a report as one HTML file that needs nothing else, pictures included, and stays readable in ten years."""

from collections.abc import Callable, Mapping
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

import polars as pl

from pipelines.core.analytics.returns import ENOUGH
from pipelines.core.backtest.report import Report
from pipelines.core.market.session import NEW_YORK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MONEY = {"start", "end", "profit", "fees", "spread", "impact", "net", "expectancy", "best", "worst"}
FRACTIONS = {"return", "benchmark", "win_rate", "max_drawdown", "exposure", "max_exposure", "annual_return", "volatility", "alpha"}
COUNTS = {"sessions", "trades", "refused", "times", "quantity", "hour"}

SHOWN = 500
"""Round trips in the list; the rest is in the JSON."""

MEANINGS = {
    "profit": "Profit before fees",
    "net": "Profit after fees",
    "spread": "Paid in spread",
    "impact": "Paid for our footprint",
    "fees": "Regulatory fees",
    "average_r": "Mean profit in units of the risk taken",
    "minutes_held": "Mean minutes in a trade",
    "exposure": "Mean gross exposure",
    "max_exposure": "Largest gross exposure",
    "max_drawdown": "Deepest fall from a peak",
}

LONG = {"reason", "example", "by_strategy"}
"""Columns of sentences: they alone break into lines."""

COLUMNS = {
    "trades": (
        *("opened_at", "closed_at", "symbol", "strategy", "side", "quantity", "entry", "exit"),
        *("profit", "spread", "impact", "fees", "net", "r", "reason"),
    ),
    "sessions": ("session", "start", "end", "profit", "spread", "impact", "fees", "trades", "refused", "return", "benchmark"),
}

STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; color: #222; margin: 2rem auto; max-width: 76rem; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .15rem .6rem; text-align: right; vertical-align: top; white-space: nowrap; border-bottom: 1px solid #eee }
td.text, th.text { text-align: left } td.long { text-align: left; white-space: normal; min-width: 12rem }
.wide { overflow-x: auto; font-size: 12px } .wide td, .wide th { padding: .15rem .4rem }
.cards { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 2rem } .cards table + table { flex: 1 1 24rem }
.bad { color: #b3261e } svg { width: 100%; height: auto } .note { color: #666 }
"""


def html(report: Report) -> str:
    """The whole page."""
    words = report.words
    parts = [
        f"<h1>Backtest: {escape(words['strategies'])}</h1>",
        f'<p class="note">{escape(words["sessions"])} · {escape(words["market"])} · {escape(words["origin"])} prices. '
        "A backtest is not a promise: fills and costs are a model, written in pipelines/core/backtest/fills.py and costs.py.</p>",
        '<div class="cards">',
        _facts(report.numbers),
        _facts(words),
        "</div>",
        _few(report.numbers["sessions"] or 0.0),
        _picture("Equity", lambda axes: _equity(axes, report), 3.2),
        _picture("Fall from the highest equity", lambda axes: _drawdown(axes, report), 1.8),
        _picture("Exposure by strategy, at entry prices", lambda axes: _exposure(axes, report), 2.2),
        _picture("Profit after fees by hour of the entry, New York", lambda axes: _bars(axes, report.tables["hour"], "hour"), 2.2),
        _table("By strategy", report.tables["strategy"]),
        _table("By hour of the entry, New York", report.tables["hour"]),
        _table("By symbol", report.tables["symbol"]),
        _table("By session", report.tables["sessions"].select(COLUMNS["sessions"])),
        _table("Refused: the first limit that stopped each entry", report.tables["refused"]),
        _table("What people would have heard of", report.tables["notices"]),
        _table("Round trips", report.tables["trades"].select(COLUMNS["trades"])),
    ]
    head = f'<meta charset="utf-8"><title>Backtest {escape(words["sessions"])}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'


def shown(name: str, value: Any) -> str:
    """A value as people read it; a dash where it cannot be said."""
    if value is None:
        return "–"
    if hasattr(value, "astimezone"):
        return f"{value.astimezone(NEW_YORK):%Y-%m-%d %H:%M}"
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if name in MONEY:
        return f"{value:,.2f}"
    if name in FRACTIONS:
        return f"{value:.2%}"
    return f"{value:,.0f}" if name in COUNTS else f"{value:,.2f}" if abs(value) >= 1 or value == 0 else f"{value:.4f}"


def label(name: str) -> str:
    """A number's name in words."""
    return MEANINGS.get(name, heading(name))


def heading(name: str) -> str:
    """A column's name, short."""
    return "R" if name in {"r", "average_r"} else name.replace("_", " ").capitalize()


def _facts(values: Mapping[str, Any]) -> str:
    text = all(isinstance(value, str) for value in values.values())
    named, kind = (heading, "long") if text else (label, "")
    rows = [
        f'<tr><td class="text">{escape(named(name))}</td><td class="{kind}">{escape(shown(name, value))}</td></tr>' for name, value in values.items()
    ]
    return f"<table>{''.join(rows)}</table>"


def _few(sessions: float) -> str:
    return "" if sessions >= ENOUGH else f'<p class="note">{sessions:.0f} sessions say little: ratios of risk are told from {ENOUGH} on.</p>'


def _table(title: str, frame: pl.DataFrame) -> str:
    if frame.is_empty():
        return f'<h2>{escape(title)}</h2><p class="note">None.</p>'
    text = {name for name, kind in frame.schema.items() if not kind.is_numeric()}
    head = "".join(f'<th class="{"text" if name in text else ""}">{escape(heading(name))}</th>' for name in frame.columns)
    rows = []
    for row in frame.head(SHOWN).iter_rows(named=True):
        cells = [f'<td class="{_class(name, value, text)}">{escape(shown(name, value))}</td>' for name, value in row.items()]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    more = f'<p class="note">The first {SHOWN} of {frame.height:,}; all are in the JSON.</p>' if frame.height > SHOWN else ""
    return f'<h2>{escape(title)}</h2><div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>{more}'


def _class(name: str, value: Any, text: set[str]) -> str:
    if name in text:
        return "long" if name in LONG else "text"
    return "bad" if name in {"profit", "net", "return", "r"} and isinstance(value, float) and value < 0 else ""


def _picture(title: str, draw: Callable[["Axes"], None], height: float) -> str:
    """An SVG inside the page; matplotlib without its window system."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "daybot", "font.size": 8}):  # the same report is the same file
        figure = Figure(figsize=(10, height), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.spines[["top", "right"]].set_visible(False)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
        image = StringIO()
        figure.savefig(image, format="svg", metadata={"Date": None})
    return f"<h2>{escape(title)}</h2>{image.getvalue()[image.getvalue().index('<svg') :]}"


def _steps(axes: "Axes", moments: pl.Series) -> list[int]:
    """Places of the moments without the nights between them, the sessions' dates written where they begin."""
    days = moments.dt.convert_time_zone(NEW_YORK.key).dt.date()
    starts = [i for i, day in enumerate(days) if i == 0 or day != days[i - 1]]
    every = max(1, len(starts) // 12)
    axes.set_xticks(starts[::every], [f"{days[i]:%Y-%m-%d}" for i in starts[::every]])
    return list(range(len(moments)))


def _equity(axes: "Axes", report: Report) -> None:
    equity, benchmark = report.tables["equity"], report.tables["benchmark"].select("at", "growth")
    both = equity.join_asof(benchmark.sort("at"), on="at", strategy="backward")
    places = _steps(axes, both["at"])
    start = report.numbers["start"] or 0.0
    axes.plot(places, both["equity"].to_numpy(), color="#1f4e79", linewidth=1.2, label="equity")
    axes.plot(places, (both["growth"].fill_null(1.0) * start).to_numpy(), color="#999999", linewidth=0.8, label=f"{report.words['benchmark']}, held")
    axes.legend(frameon=False)


def _drawdown(axes: "Axes", report: Report) -> None:
    equity = report.tables["equity"]
    axes.fill_between(_steps(axes, equity["at"]), -100 * equity["drawdown"].to_numpy(), 0, color="#eda4a0")
    axes.set_ylabel("%")


def _exposure(axes: "Axes", report: Report) -> None:
    moments = report.tables["equity"].select("at")
    names = report.tables["exposure"]["strategy"].unique().sort().to_list()
    held = [
        moments.join_asof(report.tables["exposure"].filter(pl.col("strategy") == name).sort("at"), on="at", strategy="backward")["value"]
        .fill_null(0.0)
        .to_numpy()
        for name in names
    ]
    places = _steps(axes, moments["at"])
    if names:
        axes.stackplot(places, held, labels=names)
        axes.legend(frameon=False, loc="upper left")


def _bars(axes: "Axes", frame: pl.DataFrame, name: str) -> None:
    values = frame["net"].to_list()
    axes.bar([str(value) for value in frame[name]], values, color=["#5b8f6b" if value >= 0 else "#c0605a" for value in values])
    axes.axhline(0, color="#333333", linewidth=0.6)
