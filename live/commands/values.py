"""Values as people read them: dollars, per cent, thousands, New York time, a control's number in its unit."""

from datetime import datetime
from typing import Any

from rich.markup import escape

from pipelines.core.market.session import NEW_YORK

UNKNOWN = "—"
"""Never zero."""

FRACTIONS = {
    "share", "change", "loss", "max_daily_loss", "drawdown", "heat", "max_heat", "total_return", "annual_return", "volatility", "max_drawdown",
    "deepest_day", "benchmark", "alpha", "win_rate", "exposure", "max_exposure", "var_95", "var_99", "es_95", "es_99", "worst_day", "best_day",
    "downside", "fill_rate", "entry_fill_rate", "return", "depth", "turnover",
}  # fmt: skip
"""Values that are shown per cent."""
SECONDS = {"lag", "seconds_to_fill"}
RISKS = {"r", "average_r"}
"""Profit in units of the risk taken."""
DOLLARS = {
    "profit", "fees", "net", "gross", "expectancy", "average_gain", "average_loss", "best", "worst", "shortfall", "cost", "missed", "forgone",
    "value", "price", "average", "entry", "exit", "open", "realised", "stop", "target", "atr", "equity", "cash",
    "buying_power", "start", "end", "own_equity",
}  # fmt: skip


def measured(code: str, value: float | None) -> str:
    """A control's number in its unit; a dash where it knows only yes and no."""
    from pipelines.core.risk import units

    if value is None or code in units.VERDICTS:
        return UNKNOWN
    if code in units.FRACTIONS:
        return cell(float(value), "share")
    if code in units.DOLLARS:
        return f"${value:z,.2f}".replace("$-", "-$")
    said = cell(round(float(value), 0 if units.AFTER.get(code) == "shares" else 2))
    return f"{said} {units.after(code, said)}".rstrip()


def cell(value: Any, name: str = "") -> str:
    """A value as it is read: New York time, thousands, per cent where the name says so, an unknown as a dash."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "[green]yes[/]" if value else "[red]no[/]"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return _number(value, name)
    if isinstance(value, list | tuple):
        return escape("; ".join(map(str, value))) or "none"
    if isinstance(value, dict):
        return escape("; ".join(f"{key} {part}" for key, part in value.items())) or "none"
    text = str(value)
    return f"{moment:%H:%M:%S}" if (moment := _moment(text)) is not None else escape(text)


def _number(value: float, name: str) -> str:
    if name in FRACTIONS:
        return f"{value:z,.2%}"
    if name in SECONDS:
        return f"{value:.1f} s"
    if name in RISKS:
        return f"{round(value, 2) + 0.0:+.2f}"
    if value == int(value) and name not in DOLLARS and abs(value) < 1e6:
        return f"{int(value):,}"
    if name in DOLLARS or abs(value) >= 10:
        return f"{value:z,.2f}"
    return f"{value:,.4g}"


def clock(text: str) -> str:
    """A moment of an answer as New York's clock shows it."""
    return f"{datetime.fromisoformat(text).astimezone(NEW_YORK):%H:%M:%S}"


def _moment(text: str) -> datetime | None:
    if len(text) < 19 or text[10:11] != "T":
        return None
    try:
        return datetime.fromisoformat(text).astimezone(NEW_YORK)
    except ValueError:
        return None
