"""Numbers and moments as people read them: dollars, percent, New York clock. Nothing here knows Streamlit."""

from datetime import date, datetime, timedelta

import polars as pl

from pipelines.core.briefing import Origin
from pipelines.core.market.session import NEW_YORK
from pipelines.core.risk import units

NONE = "–"
"""Shown where there is no value: unknown is never zero."""

LABELS: dict[Origin, tuple[str, str]] = {
    Origin.GENERATED: ("SIMULATED", "invented prices on the simulated exchange, no market and no money"),
    Origin.RECORDED: ("RECORDED", "a past market served again by the simulated exchange, simulated fills, no money"),
    Origin.VENDOR: ("MARKET DATA", "real prices"),
}

ACCOUNTS = {
    "paper": ("PAPER", "real prices, the broker's paper account, no money"),
    "live": ("LIVE", "real prices, real money"),
}
"""What stands in the place of MARKET DATA once a session was run; a simulated session keeps the label of its prices."""

COLORS = {"SIMULATED": "orange", "RECORDED": "violet", "MARKET DATA": "gray", "PAPER": "blue", "LIVE": "red"}
"""Of each label, beside its word."""


def money(value: float | None, digits: int = 2, *, signed: bool = False) -> str:
    """Dollars and cents, or with no digits whole dollars."""
    if value is None:
        return NONE
    sign = "−" if round(value, digits) < 0 else "+" if signed else ""
    return f"{sign}${abs(value):,.{digits}f}"


def percent(value: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """A fraction as percent."""
    if value is None:
        return NONE
    sign = "−" if round(value * 100, digits) < 0 else "+" if signed else ""
    return f"{sign}{abs(value) * 100:.{digits}f} %"


def ratio(value: float | None, digits: int = 2) -> str:
    """A plain number, or that there is none."""
    return NONE if value is None else f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")


def number(value: float) -> str:
    """A measured value of any kind: whole from a thousand on, else with the decimals it has, four at most."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{round(value, 4) + 0.0:.4f}".rstrip("0").rstrip(".")


def measured(code: str, value: float | None) -> str:
    """What a control measured, or allows, in its unit; a verdict has no number: its words say it."""
    if value is None or code in units.VERDICTS:
        return NONE
    if code in units.FRACTIONS:
        return percent(value, 2)
    if code in units.DOLLARS:
        return money(value)
    said = number(round(value, 2))
    return f"{said} {units.after(code, said)}".rstrip()


def day(session: date) -> str:
    """'Fri 20 Nov 2026'."""
    return f"{session:%a} {session.day} {session:%b %Y}"


def clock(moment: datetime) -> str:
    """Hours, minutes and seconds in New York."""
    return f"{moment.astimezone(NEW_YORK):%H:%M:%S}"


def ago(age: timedelta) -> str:
    """An age in its largest whole unit."""
    minutes = int(age.total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    if minutes < 48 * 60:
        return f"{minutes // 60} h ago"
    return f"{minutes // (24 * 60)} days ago"


def local(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The columns on a New York clock and without a zone: a browser shows those as they are, wherever it stands."""
    return frame.with_columns(pl.col(name).dt.convert_time_zone(NEW_YORK.key).dt.replace_time_zone(None) for name in columns)


def plain(text: str) -> str:
    """Text for Markdown, in which two dollar signs would begin a formula."""
    return text.replace("$", r"\$")


def setting(value: object) -> str:
    """A setting's value as one would write it; an empty one is said."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, int | float) else str(value) or "(empty)"
