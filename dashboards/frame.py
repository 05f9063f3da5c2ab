"""What every page stands in: the origin's label, the session, the snapshot and its age, and the designed answers to what is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

import streamlit as st

from dashboards import data, words
from dashboards.data import Source
from pipelines.core.briefing import Briefing, Origin
from pipelines.core.errors import BrokenSnapshot, DataError, MissingData, SettingsError, StaleBriefing

CARD = 180
"""Width of a figure in pixels: six side by side on a desk, two on a phone."""

COLORS = {Origin.GENERATED: "orange", Origin.RECORDED: "violet", Origin.VENDOR: "blue"}


def header() -> None:
    """The strip above every page: whose prices these are, which session, how old the snapshot is, and the choice of another session."""
    source = opened()
    published = data.briefing(source)
    choices = [day.isoformat() for day in _choices(source, published)]
    left, right = st.columns([4, 1], vertical_alignment="center")
    with right:
        st.selectbox("Session", choices, index=_usual(source, choices), key="session", bind="query-params", label_visibility="collapsed")
    with left:
        _label(source, published)


def opened() -> Source:
    """The current snapshot; where there is none, or none that can be read, the page ends here, with the way out."""
    try:
        found = data.source()
        data.briefing(found)
        return found
    except (BrokenSnapshot, StaleBriefing) as error:
        st.title("The published snapshot cannot be read")
        st.error(words.plain(f"{error}."))
        st.write("An earlier one may do until the next is published: the first command lists them with their age, the second goes back to one.")
        st.code("daybot snapshots list\ndaybot snapshots use VERSION", language="bash")
    except MissingData as error:
        st.title("No snapshot published yet")
        st.info(f"{error}.")
        st.write("One minute, no account, no keys: this runs a simulated exchange, the pipeline and a session, and publishes.")
        st.code("make demo", language="bash")
    except SettingsError as error:
        st.title("A setting cannot be what it is")
        st.error(str(error))
    return st.stop()


def chosen(source: Source) -> date:
    """The session picked in the header; alone, a page takes the newest one."""
    picked = st.session_state.get("session")
    if picked:
        return date.fromisoformat(picked)
    traded = data.sessions(source)
    return traded[0] if traded else data.briefing(source).session


@contextmanager
def section(title: str | None = None) -> Iterator[None]:
    """A part of a page, with its title. What its data lack is said in its place; the other parts stay."""
    if title:
        st.subheader(title)
    try:
        yield
    except DataError as error:
        st.info(str(error))


def tall(rows: int) -> int:
    """Pixels that show this many rows and their head without a scroll bar of their own."""
    return 35 * (rows + 1) + 3


def _choices(source: Source, published: Briefing) -> list[date]:
    """Traded sessions and the one that the snapshot prepares, newest first."""
    return sorted({*data.sessions(source), published.session}, reverse=True)


def _usual(source: Source, choices: list[str]) -> int:
    traded = data.sessions(source)
    return choices.index(traded[0].isoformat()) if traded else 0


def _label(source: Source, published: Briefing) -> None:
    session = chosen(source)
    run = data.run(source, session)
    word, meaning = words.ACCOUNTS.get(run.mode if run else "", words.LABELS[published.origin])
    state = "not traded yet" if session not in data.sessions(source) else "traded"
    age = words.ago(datetime.now(UTC) - published.created_at)
    st.markdown(f":{COLORS[published.origin]}-badge[**{word}**] **{words.day(session)}** · {state} · {meaning}")
    st.caption(f"Snapshot `{source.snapshot.version}` · briefing for {words.day(published.session)}, made {age} · all times New York")
