"""What every page stands in: the running session, the label of the money, the snapshot's age, and the designed answers to what is missing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import NamedTuple

import streamlit as st

from dashboards import data, live, words
from dashboards.data import Source, Today
from dashboards.live import Live, Standing
from pipelines.core.briefing import Briefing, Origin
from pipelines.core.errors import BrokenSnapshot, DataError, MissingData, SettingsError, StaleBriefing
from pipelines.core.market.session import NEW_YORK
from pipelines.settings import Settings, load

CARD = 172
"""Least width of a figure in pixels: six side by side on a desk, two on a phone."""

TIGHTER = f"""<style>
h1 {{padding: 0.2rem 0 0.4rem !important}}
[data-testid="stHorizontalBlock"]:has(> [data-testid="stElementContainer"] > [data-testid="stMetric"]) {{
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min({CARD}px, 47%), 1fr)); align-items: stretch}}
[data-testid="stElementContainer"]:has(> [data-testid="stMetric"]) {{width: auto !important}}
[data-testid="stMetric"] {{padding: 0.7rem 0.85rem !important; height: 100%}}
[data-testid="stMetric"] > div {{padding: 0 !important}}
[data-testid="stMetricDelta"] {{height: auto !important; white-space: normal !important}}
[data-testid="stMetricDelta"] p {{white-space: normal !important; overflow: visible !important}}
[data-testid="stButtonGroup"] button {{min-height: 2.5rem}}
@media (max-width: 640px) {{
  [data-testid="stMainBlockContainer"] {{padding-left: 0.9rem; padding-right: 0.9rem}}
  [data-testid="stMetric"] {{padding: 0.5rem 0.6rem !important}}
  [data-testid="stMetricValue"] {{font-size: 1.25rem}}
}}
</style>"""
"""Density that the theme has no setting for."""


class Card(NamedTuple):
    """A figure with its name and what stands beside it; `good` colours that blue or orange, the sign says the same."""

    name: str
    value: str
    beside: str = ""
    good: bool | None = None
    meaning: str | None = None


def header(*, session: bool, label: bool = True) -> None:
    """Above every page: the running session, whose prices and money, how old the snapshot is; with `session` the choice of another one.

    Without `label` the page says itself whose they are.
    """
    st.html(TIGHTER)
    known = settings()
    live.strip(known)
    source = _quietly()
    if source is None:
        return
    published, now = data.briefing(source), live.look(known)
    if not session:
        if label:
            prices(published)
        _snapshot(source, published)
        return
    choices = [day.isoformat() for day in _choices(source, published, now)]
    left, right = st.columns([4, 1], vertical_alignment="center")
    usual = choices.index(_usual(source, published, now).isoformat())
    right.selectbox("Session", choices, index=usual, key="session", bind="query-params", label_visibility="collapsed", help="Session")
    with left:
        _session(source, published, now)
        _snapshot(source, published)


def settings() -> Settings:
    """As the environment has them; where one cannot be what it is, the page ends here with the reason."""
    try:
        return load()
    except SettingsError as error:
        st.title("A setting cannot be what it is")
        st.error(str(error))
        return st.stop()


def opened() -> Source:
    """The current snapshot; where there is none, or none that can be read, the page ends here, with the way out."""
    settings()
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
    return st.stop()


def chosen(source: Source, now: Live) -> date:
    """The session picked in the header; alone, a page takes the running or else the newest one."""
    picked = st.session_state.get("session")
    return date.fromisoformat(picked) if picked else _usual(source, data.briefing(source), now)


def today(source: Source, session: date, now: Live) -> Today:
    """The session from its journal while it runs and until the night has read it in, from the snapshot after that."""
    own = now.tape is not None and now.tape.session == session and (now.standing is not Standing.NONE or session not in data.sessions(source))
    return data.running(now.tape) if own and now.tape is not None else data.today(source, session)


@contextmanager
def section(title: str | None = None) -> Iterator[None]:
    """A part of a page, with its title. What its data lack is said in its place; the other parts stay."""
    if title:
        st.subheader(title)
    try:
        yield
    except DataError as error:
        st.info(words.plain(str(error)))


def cards(figures: Sequence[Card]) -> None:
    """Figures side by side, as many in a row as fit."""
    row = st.container(horizontal=True, gap="small")
    for card in figures:
        told = card.good is not None
        row.metric(
            card.name, card.value, words.plain(card.beside) or None, delta_color=("blue" if card.good else "orange") if told else "off",
            delta_arrow="off", border=True, width=CARD, help=card.meaning,
        )  # fmt: skip


def _quietly() -> Source | None:
    """The snapshot if there is one: what is wrong with it is the page's to say."""
    try:
        found = data.source()
        data.briefing(found)
        return found
    except DataError:
        return None


def _choices(source: Source, published: Briefing, now: Live) -> list[date]:
    """Traded sessions, the one that the snapshot prepares and the one that runs, newest first."""
    own = {now.tape.session} if now.tape else set()
    return sorted({*data.sessions(source), published.session, *own}, reverse=True)


def _usual(source: Source, published: Briefing, now: Live) -> date:
    traded = data.sessions(source)
    if now.tape and (now.standing is not Standing.NONE or not traded or now.tape.session > traded[0]):
        return now.tape.session
    return traded[0] if traded else published.session


def prices(published: Briefing) -> None:
    """Whose prices a page without a session or a book of its own stands on."""
    word, meaning = words.LABELS[published.origin]
    st.markdown(f":{words.COLORS[word]}-badge[**{word}**] {meaning}")


def _session(source: Source, published: Briefing, now: Live) -> None:
    session = chosen(source, now)
    own = now.tape is not None and now.tape.session == session
    run = data.run(source, session)
    mode = now.tape.head.mode if own and now.tape else run.mode if run else ""
    color, word, meaning = live.label(mode, published.origin)
    traded = "traded" if session in data.sessions(source) or own else "not traded yet"
    state = {Standing.NONE: traded, Standing.DEAD: "broken off"}.get(now.standing, "running") if own else traded
    badge = "" if state == "running" else f":{color}-badge[**{word}**] "  # the line above says it
    st.markdown(f"{badge}**{words.day(session)}** · {state} · {meaning}")


def past(published: Briefing) -> bool:
    """Whether its session is over. An invented or recorded market has days of its own: there no briefing is late."""
    return published.origin is Origin.VENDOR and published.session < datetime.now(NEW_YORK).date()


def _snapshot(source: Source, published: Briefing) -> None:
    """How old everything here is."""
    age = words.ago(datetime.now(UTC) - published.created_at)
    stale = " :orange-badge[:material/history: **past**: no later briefing was published]" if past(published) else ""
    st.caption(f"Snapshot `{source.snapshot.version}` · briefing for {words.day(published.session)}, made {age}{stale} · all times New York")
