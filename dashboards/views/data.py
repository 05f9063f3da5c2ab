"""Data: are the tables fresh, what did the checks say night after night, how old is the briefing, and what did the last one change?"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards import data, frame, tables, words
from dashboards.charts import nights
from dashboards.charts.style import drawn
from dashboards.data import Source
from dashboards.frame import Card
from pipelines import publish
from pipelines.core.briefing import Briefing, Origin
from pipelines.core.changes import Change, compare
from pipelines.core.errors import BrokenSnapshot, DataError, MissingData
from pipelines.core.market.session import NEW_YORK
from pipelines.publish import Snapshot

NIGHTS = 40
"""Sessions of the grid of checks."""

BEYOND = 0.10
"""Change of ATR or ADV that a trader would look at twice, as in `daybot snapshots diff`."""

OLD = timedelta(hours=36)
"""Age of a briefing that nobody should trade on without a look: a night was missed."""


def show() -> None:
    """The page for the current snapshot."""
    source = frame.opened()
    st.title("Data")
    published = data.briefing(source)
    _figures(source, published)
    with frame.section("Checks, night after night"):
        _checks(source)
    with frame.section("Tables"):
        _tables(source)
    with frame.section("Feeds in the lake"):
        _feeds(source, published)
    with frame.section("From one briefing to the next"):
        _changes(source)
    with frame.section("Snapshots kept"):
        _snapshots(source)


def _figures(source: Source, published: Briefing) -> None:
    age = datetime.now(UTC) - published.created_at
    failed = [check for check in published.checks if not check.passed]
    frame.cards([
        Card("Briefing for", words.day(published.session)[:-5], f"data to {words.day(published.data_session)}"),
        Card("Its age", words.ago(age).removesuffix(" ago"), f"made {published.created_at.astimezone(NEW_YORK):%d %b %H:%M}"),
        Card("Checks passed", f"{len(published.checks) - len(failed)} of {len(published.checks)}", "before it was published"),
        Card("Symbols", str(len(published.symbols)), f"{len(published.watchlist)} watched"),
        Card("Prices from", published.feed, words.LABELS[published.origin][0].lower()),
    ])  # fmt: skip
    if frame.past(published):
        st.warning(
            f"The briefing is for {words.day(published.session)}, which has passed: the runner refuses it. The pre_open job for the session before "
            "makes the next one; `daybot doctor` says what keeps it.", icon=":material/history:",
        )  # fmt: skip
    elif published.origin is Origin.VENDOR and age > OLD:
        st.warning(f"The briefing was made {words.ago(age)}: a night was missed.", icon=":material/history:")
    if failed:
        st.error(words.plain(" · ".join(f"{c.asset} {c.name} ({c.severity.value}): {c.detail}" for c in failed)), icon=":material/rule:")


def _checks(source: Source) -> None:
    if "checks" not in data.tables(source):
        st.caption("No check was written down yet: the nightly jobs do.")
        return
    rows = _nights(*source.key)
    latest = rows.filter(pl.col("session") == rows["session"].max())
    drawn(
        nights.grid(rows), f"Checks of the last {rows['session'].n_unique()} nights: {latest.filter(~pl.col('passed')).height} failed in the last one"
    )
    st.caption("● passed · ✚ failed: blocking publishes nothing, reducing starts the session in REDUCING, advice is told")
    shown = latest.with_columns(pl.when("passed").then(pl.lit("✓")).otherwise(pl.lit("✗")).alias("passed")).sort("passed", "asset", "name")
    tables.shown(
        shown.select("passed", "asset", "name", "severity", "session", "detail"), "checks",
        {"session": tables.day("night of"), "detail": tables.long("found")}, rows=8, export=rows,
    )  # fmt: skip


@st.cache_data(ttl=data.KEPT, max_entries=4, show_spinner=False)
def _nights(path: str, version: str) -> pl.DataFrame:
    return Snapshot(version, Path(path)).sql(
        "SELECT asset, name, severity, session, passed, detail FROM checks "
        "WHERE session IN (SELECT DISTINCT session FROM checks ORDER BY 1 DESC LIMIT ?) ORDER BY asset, name, session", [NIGHTS],
    )  # fmt: skip


def _tables(source: Source) -> None:
    rows = _fresh(*source.key)
    newest = rows["newest"].max()
    shown = rows.with_columns(
        pl.when(pl.col("newest").is_null()).then(pl.lit("empty")).when(pl.col("newest") >= newest - pl.duration(days=4)).then(pl.lit("fresh"))
        .otherwise(pl.lit("behind")).alias("state")
    ).select("table", "state", "newest", "oldest", "sessions", "rows")  # fmt: skip
    tables.shown(
        shown.sort("state", "table"), "tables",
        {"table": tables.pinned("table"), "newest": tables.day("newest session"), "oldest": tables.day("oldest"),
         "rows": tables.whole("rows")},
        rows=10,
    )  # fmt: skip


@st.cache_data(ttl=data.KEPT, max_entries=4, show_spinner=False)
def _fresh(path: str, version: str) -> pl.DataFrame:
    """Rows table, rows, sessions, oldest, newest of every table of the snapshot."""
    snapshot = Snapshot(version, Path(path))
    parts = [
        f"SELECT '{name}' AS \"table\", CAST(count(*) AS BIGINT) AS rows, CAST(count(DISTINCT session) AS BIGINT) AS sessions, "
        f'min(session) AS oldest, max(session) AS newest FROM "{name}"'
        for name in snapshot.tables()
    ]
    return snapshot.sql(" UNION ALL ".join(parts))


def _feeds(source: Source, published: Briefing) -> None:
    first = published.data_session - timedelta(days=6)
    rows = []
    for resolution in ("day", "minute"):
        try:
            found = publish.feeds(source.settings, resolution, first, published.session)
        except MissingData:
            continue
        whole = found.group_by("feed").agg(pl.len().cast(pl.Int64).alias("symbols"), pl.col("first").min(), pl.col("last").max())
        rows.append(whole.select(pl.lit(resolution).alias("bars"), pl.all()))
    if not rows or not sum(frame_.height for frame_ in rows):
        st.caption(f"The lake has no bars of the week to {words.day(published.data_session)}.")
        return
    tables.shown(pl.concat(rows), "feeds", {"first": tables.day("first of the week"), "last": tables.day("last")})


def _changes(source: Source) -> None:
    sessions = _briefings(*source.key)
    if len(sessions) < 2:
        st.caption("There is one briefing: the next night makes a second one to compare it with.")
        return
    names = [day.isoformat() for day in sessions]
    row = st.container(horizontal=True)
    before = row.selectbox("Before", names, index=1, key="before", bind="query-params", width=170)
    after = row.selectbox("After", names, index=0, key="after", bind="query-params", width=170)
    try:
        old, new = (data.briefing(source, sessions[names.index(name)]) for name in (before, after))
    except (BrokenSnapshot, DataError) as error:
        st.warning(words.plain(str(error)))
        return
    found = compare(old, new, beyond=BEYOND)
    table = _flat(found)
    if table.is_empty():
        st.caption("Nothing is different between the two.")
        return
    counts = " · ".join(f"{name} {len(changes)}" for name, changes in found.items() if changes)
    st.caption(f"Changes: {counts}. ATR and ADV from {BEYOND:.0%} on.")
    tables.shown(table, f"changes-{before}-{after}", {"about": tables.pinned("about"), "note": tables.long("in words")}, rows=10)


def _flat(found: dict[str, list[Change]]) -> pl.DataFrame:
    rows = [
        (name, c.what, *(_told(value, name, c.what) for value in (c.before, c.after)), c.note) for name, changes in found.items() for c in changes
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(("about", "what", "before", "after", "note"), pl.String), orient="row")


def _told(value: object, about: str, what: str) -> str:
    if isinstance(value, float):
        return words.percent(value) if about == "regime" and not what.endswith("multiplier") else words.number(value)
    return words.NONE if value is None else str(value)


@st.cache_data(ttl=data.KEPT, max_entries=4, show_spinner=False)
def _briefings(path: str, version: str) -> list[date]:
    return list(Snapshot(version, Path(path)).sql("SELECT session FROM briefings ORDER BY 1 DESC")["session"])


def _snapshots(source: Source) -> None:
    rows = [
        ("in use" if one.version == source.snapshot.version else "", one.version, one.path.stat().st_size / 1e6, _made(one))
        for one in publish.published(source.settings)
    ]
    schema: dict[str, Any] = {"use": pl.String, "version": pl.String, "megabytes": pl.Float64, "made": pl.Datetime("us")}
    tables.shown(
        pl.DataFrame(rows, schema=schema, orient="row"), "snapshots",
        {"use": "", "megabytes": tables.number("MB", 1), "made": tables.stamp("made, New York")}, rows=6,
    )  # fmt: skip
    st.caption("`daybot snapshots use VERSION` goes back to an earlier one; what runs keeps the one that it began with.")


def _made(one: Snapshot) -> datetime:
    """As its name says, New York without a zone."""
    stamp = one.version[len("2026-11-20-") :].split("Z")[0]
    return datetime.strptime(stamp[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).astimezone(NEW_YORK).replace(tzinfo=None)


show()
