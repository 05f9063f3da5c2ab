"""What all pictures share. Two colours that also the colour-blind tell apart, of a lightness that stands on white and on black; a shape, a dash or a
word says the same as the colour."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias

import altair as alt
import polars as pl
import streamlit as st

Picture: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart

Edges: TypeAlias = tuple[datetime, datetime]
"""A session's open and close, New York without a zone."""

BLUE, ORANGE, GREY, VIOLET = "#2f7fc1", "#d9701a", "#8a8f98", "#9b6fc4"
LINE = 18
"""Height in pixels of one row of names."""

DASHES = [[1, 0], [6, 2], [2, 2], [8, 2, 2, 2]]

SIDE = 62
"""Pixels of a vertical axis where pictures stand one under the other."""


def hours(edges: Edges, *, labels: bool = True) -> alt.X:
    """The time of a session from one edge to the other, New York clock without a zone."""
    axis = alt.Axis(format="%H:%M", tickCount=8, grid=False, labels=labels, ticks=labels)
    return alt.X("at:T", title=None, scale=alt.Scale(domain=list(edges)), axis=axis)


FEW = 8
"""Days that are each named below a picture; of more, some."""


def days(sessions: pl.Series, *, labels: bool = True) -> alt.X:
    """Sessions along the year; of a few each is named, and a place is kept beside them."""
    named = sorted(set(sessions.to_list()))
    if len(named) > FEW:
        return alt.X("session:T", title=None, axis=alt.Axis(format="%d %b", tickCount=8, grid=False, labels=labels, ticks=labels))
    axis = alt.Axis(format="%d %b", values=[alt.DateTime(year=d.year, month=d.month, date=d.day) for d in named], labelFlush=False, grid=False,
                    labels=labels, ticks=labels)  # fmt: skip
    return alt.X("session:T", title=None, axis=axis, scale=alt.Scale(padding=30))


def signed(field: str, *, worse: bool = False) -> Any:
    """Blue from nought up, orange below; the other way round where more is `worse`."""
    above, below = (ORANGE, BLUE) if worse else (BLUE, ORANGE)
    return alt.condition(f"datum['{field}'] >= 0", alt.value(above), alt.value(below))


def rows_high(rows: int, *, title: bool = False) -> int:
    """Pixels of a picture with so many names one under the other, its axis and that one's title."""
    return (LINE + 8) * rows + (62 if title else 36)


def ranked(names: Sequence[str], field: str = "name") -> alt.Y:
    """Names one under the other in this order."""
    return alt.Y(f"{field}:N", title=None, sort=list(names), axis=alt.Axis(labelLimit=190, ticks=False, domain=False, labelOverlap=False))


def drawn(picture: Picture, words: str) -> None:
    """On the page, with words for who cannot see it.

    Its data bear the same names each time, so that what is sent differs only where they do.
    """
    sets: dict[str, pl.DataFrame] = {}
    _name(picture, sets)
    spec = picture.to_dict()
    # Not Altair's own sizes: Streamlit's are meant. Its first and last labels of a vertical axis would be moved off their lines.
    spec["config"] = {"axisY": {"labelFlush": False}}
    st.vega_lite_chart(spec=spec | {"datasets": sets}, width="stretch", alt=words)


def stacked(pictures: Sequence[Picture], words: str) -> None:
    """One under the other on the same width; their axes are to be of `SIDE` pixels."""
    with st.container(gap=None):
        for picture in pictures:
            drawn(picture, words)


def _name(picture: Any, sets: dict[str, pl.DataFrame]) -> None:
    """Put names in the place of the frames, all the way down."""
    if isinstance(picture.data, pl.DataFrame):
        known = next((name for name, frame in sets.items() if frame is picture.data), None)
        name = known or f"data-{len(sets)}"
        sets[name], picture.data = picture.data, alt.NamedData(name=name)
    inside = getattr(picture, "layer", None)
    for inner in inside if isinstance(inside, list) else ():
        _name(inner, sets)
