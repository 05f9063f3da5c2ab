"""The session that runs now, above every page: whose money, which state, what it has earned, and the way to stop it.

It needs no snapshot: a night that went wrong hides nothing of a day that goes on, and stopping is possible whenever the runner answers.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import polars as pl
import streamlit as st

from dashboards import runner, tape, words
from dashboards.runner import Door, Silent
from dashboards.tape import Tape
from pipelines.core.briefing import Origin
from pipelines.core.errors import DaybotError, JournalError
from pipelines.core.market.session import moment
from pipelines.core.words import counted
from pipelines.settings import Settings

EVERY = 2.0
"""Wall seconds between two looks."""

STATES = {
    "active": (":green-badge[:material/play_arrow: **ACTIVE**]", "takes entries"),
    "reducing": (":orange-badge[:material/trending_down: **REDUCING**]", "takes only what reduces risk, until a person resumes"),
    "halted": (":red-badge[:material/stop: **HALTED**]", "does nothing but protect"),
    "arming": (":gray-badge[:material/hourglass: **ARMING**]", "connects and asks for the account"),
}

STEADY = """<style>[data-testid="stMain"] [data-stale="true"] {opacity: 1 !important; transition: none !important}</style>"""
"""What is about to be drawn anew does not fade meanwhile: on a page that does so every two seconds that would be a flicker."""

BREAK_GLASS = """daybot flat --direct  # closes everything at the broker, without the runner
daybot live           # or goes on: it recovers from its journal"""


class Standing(StrEnum):
    """What is known of a runner in this home."""

    RUNNING = "running"
    SILENT = "silent"
    DEAD = "dead"
    NONE = "none"


@dataclass(frozen=True)
class Live:
    """A look at the runner: its own answer, and its journal."""

    standing: Standing
    status: dict[str, Any] | None
    tape: Tape | None
    why: str = ""

    @property
    def state(self) -> str:
        """By the runner, else by its journal."""
        return str(self.status["state"]) if self.status else self.tape.state if self.tape else "arming"


class Told(NamedTuple):
    """The last command that was given here: its key, what went wrong in giving it, and the runner's newest answer to it (None: it may be taken)."""

    action: str
    key: str
    wrong: str
    answer: dict[str, Any] | None

    @property
    def done(self) -> bool:
        """Flat is what the broker's own books say is flat."""
        answer = self.answer or {}
        return answer.get("flat") == "yes" if self.action == "flat_all" else answer.get("outcome") == "done"


def look(settings: Settings) -> Live:
    """Ask the runner and read its journal on. A journal that cannot be read is said, and takes nothing away from the rest."""
    standing, status, why = Standing.NONE, None, ""
    try:
        status = Door(settings).ask("/status")
        standing = Standing.RUNNING if status else Standing.DEAD if tape.sign(settings) else Standing.NONE
    except Silent as error:
        standing, why = Standing.SILENT, str(error)
    except DaybotError as error:
        standing, why = Standing.RUNNING, str(error)
    path = tape.newest(settings)
    read: Tape | None = None
    if path is not None:
        try:
            read = tape.opened(path).follow()
            read.session  # noqa: B018  # raises where not even the manifest is there yet
        except (JournalError, OSError) as error:
            read, why = None, f"{why} {error}".strip()
    if status and read is not None and read.session.isoformat() != status["session"]:
        read = None
    return Live(standing, status, read, why)


def label(mode: str, origin: Origin) -> tuple[str, str, str]:
    """Colour, word and meaning: whose prices and whose money."""
    word, meaning = words.ACCOUNTS.get(mode, words.LABELS[origin])
    return words.COLORS[word], word, meaning


def _whose(now: Live) -> tuple[str, str, str]:
    """Colour, word and meaning of the running session's money: by its journal, else by the runner's own word; empty where neither is known."""
    if now.tape:
        color, word, meaning = label(now.tape.head.mode, now.tape.head.briefing.origin)
        return color, word, f"account `{now.tape.head.account}`: {meaning}"
    said = str(now.status["label"]) if now.status else ""
    word = {"SIM": "SIMULATED"}.get(said, said)
    return words.COLORS.get(word, "gray"), word, "by the runner's own word"


def strip(settings: Settings) -> None:
    """The line above every page; nothing where no session runs and none died."""

    @st.fragment(run_every=EVERY)
    def drawn() -> None:
        now = look(settings)
        if now.standing is not Standing.NONE:
            st.html(STEADY)
            with st.container(border=True, key="strip"):
                _line(now, settings)
        _changed(now)

    drawn()
    asked = st.session_state.pop("asked", None)
    if asked is not None:
        _ask(asked, settings)


def _asking(action: str) -> None:
    """The dialog is the page's: this line is drawn anew every few seconds and would take it along."""
    st.session_state["asked"] = action
    st.rerun()


def _changed(now: Live) -> None:
    """A session that begins or ends changes every page: drawn anew, once."""
    known = (now.standing, now.status["session"] if now.status else None)
    before = st.session_state.get("standing", known)
    st.session_state["standing"] = known
    if before != known:
        st.rerun()


def _line(now: Live, settings: Settings) -> None:
    left, right = st.columns([3, 2], vertical_alignment="center")
    with left:
        _standing(now)
    with right:
        _buttons(now)
    _outcome(now, settings)


def _standing(now: Live) -> None:
    badge, meaning = STATES[now.state]
    color, word, _ = _whose(now)
    whose, clock = f":{color}-badge[**{word}**] " if word else "", ""
    if now.tape:
        clock = f" · {words.day(now.tape.session)} {words.clock(moment(now.tape.at))}"
    if now.standing is Standing.RUNNING:
        st.markdown(f"{whose}{badge} **session running**{clock}")
        st.caption(words.plain(f"{_earned(now)} · {now.tape.reason if now.tape and now.state != 'active' else meaning}{_doubt(now)}"))
    elif now.standing is Standing.SILENT:
        st.markdown(f"{whose}:red-badge[:material/sync_problem: **NOT ANSWERING**] the runner is there and says nothing{clock}")
        st.caption(words.plain(now.why))
    else:
        st.markdown(f"{whose}:red-badge[:material/dangerous: **RUNNER DEAD**] it ended without a word{clock}")
        st.caption(
            "Stops and targets that rest at the broker go on protecting; nothing else happens until somebody acts. The watchdog does if it runs."
        )
        st.code(BREAK_GLASS, language="bash")


def _doubt(now: Live) -> str:
    doubts = now.status.get("doubts") if now.status else None
    return f" · {'; '.join(doubts)}" if doubts else f" · {now.why}" if now.why else ""


def _earned(now: Live) -> str:
    status = now.status or {}
    held = len(status.get("positions") or {})
    equity, realised, open_ = (status.get(name) for name in ("equity", "realised", "open"))
    if equity is None:
        return "the account is not known yet"
    profit = None if realised is None or open_ is None else realised + open_
    return f"equity {words.money(equity)} · P&L {words.money(profit, signed=True)} · {counted(held, 'position')}"


def _buttons(now: Live) -> None:
    if now.standing not in {Standing.RUNNING, Standing.SILENT}:
        return
    row = st.container(horizontal=True, horizontal_alignment="right", gap="small")
    if now.state in {"halted", "reducing"} and row.button("Resume…", icon=":material/play_arrow:", key="resume", help="Take entries again"):
        _asking("resume")
    if now.state != "halted" and row.button("Halt…", icon=":material/pause:", key="halt", help="No more entries; what is held stays protected"):
        _asking("halt")
    if row.button(
        "Flatten all…", icon=":material/stop_circle:", key="flatten", type="primary", help="Halt, cancel every order, close every position"
    ):
        _asking("flat_all")


ASKED: dict[str, tuple[str, str, str]] = {
    "flat_all": ("Flatten everything?", "Halts trading, cancels every order and closes every position at the market.", "Flatten all now"),
    "halt": ("Halt entries?", "Nothing is entered any more. What is held keeps its stops and targets.", "Halt now"),
    "resume": ("Let the session trade again?", "Entries are taken again. Only do this after a look at why it stopped.", "Resume now"),
}


def _ask(action: str, settings: Settings) -> None:
    """One more press, with what it will do to what is held now."""
    title, meaning, verb = ASKED[action]

    @st.dialog(title)
    def confirm() -> None:
        now = look(settings)
        st.write(meaning)
        color, word, whose = _whose(now)
        if word:
            st.markdown(f":{color}-badge[**{word}**] {whose}")
        positions = (now.status or {}).get("positions") or {}
        if action == "flat_all":
            held = [(symbol, p["quantity"], p["quantity"] * p["price"]) for symbol, p in sorted(positions.items())]
            st.dataframe(
                pl.DataFrame(held, schema={"symbol": pl.String, "shares": pl.Int64, "value": pl.Float64}, orient="row"),
                hide_index=True, width="stretch", column_config={"value": st.column_config.NumberColumn(format="dollar")},
            ) if held else st.caption("Nothing is held; every order is cancelled.")  # fmt: skip
        row = st.container(horizontal=True)
        if row.button(verb, type="primary", key="confirm"):
            _tell(action, settings)
            st.rerun()
        if row.button("Cancel", key="cancel"):
            st.rerun()

    confirm()


def _tell(action: str, settings: Settings) -> None:
    """Give the command. Asked again after no answer it bears the same key: it is one command."""
    before: Told | None = st.session_state.get("told")
    again = before is not None and before.action == action and before.wrong == "" and not before.done
    st.session_state["told"] = _given(action, before.key if again and before is not None else runner.key(), settings, runner.WAIT)


def _given(action: str, key: str, settings: Settings, wait: float) -> Told:
    try:
        answer = Door(settings).tell(action, key, wait=wait)
        wrong = "" if answer is not None else "no runner is there to take it: `daybot flat --direct` talks to the broker without one"
        return Told(action, key, wrong, answer)
    except Silent:
        return Told(action, key, "", None)
    except DaybotError as error:
        return Told(action, key, str(error), None)


def _outcome(now: Live, settings: Settings) -> None:
    """What became of the last command that was given here, asked for until it is done: it bears its key, and is done once."""
    told: Told | None = st.session_state.get("told")
    if told is None:
        return
    if not told.wrong and not told.done:
        told = _given(told.action, told.key, settings, 0.0)
        st.session_state["told"] = told
    name = ASKED[told.action][2].removesuffix(" now")
    row = st.container(horizontal=True, vertical_alignment="center")
    if told.wrong:
        row.error(words.plain(f"**{name}**: {told.wrong}"), icon=":material/error:")
    elif told.done:
        row.success(words.plain(f"**{name}** done: {_words(told, now)}"), icon=":material/check_circle:")
    else:
        row.warning(words.plain(f"**{name}** under way: {_words(told, now)}"), icon=":material/pending:")
    if (told.wrong or told.done) and row.button("Dismiss", key="dismiss", type="tertiary"):
        del st.session_state["told"]
        st.rerun(scope="fragment")


def _words(told: Told, now: Live) -> str:
    """The runner's words; of a flattening also the venue's fills."""
    said = str(told.answer.get("detail", "")) if told.answer else "the runner has not answered; it may have taken it, and is asked again by its name"
    since = now.tape.given(told.key) if now.tape else None
    if told.action != "flat_all" or now.tape is None or since is None:
        return f"{said} `{told.key}`"
    fills = now.tape.tables()["fills"].filter((pl.col("role") == "exit") & (pl.col("at") >= moment(since)))
    price = (pl.col("price") * pl.col("quantity")).sum() / pl.col("quantity").sum()
    summed = fills.group_by("side", "symbol", maintain_order=True).agg(pl.col("quantity").sum(), price.alias("price"))
    sold = ", ".join(f"{row['side']} {row['quantity']} {row['symbol']} at {row['price']:.2f}" for row in summed.iter_rows(named=True))
    return f"{said}. Filled: {sold or 'nothing was to be filled'} `{told.key}`"


def feeds(read: Tape) -> pl.DataFrame:
    """Rows feed, health, bars, late, newest (UTC), lag (seconds), age (seconds of the session's clock), detail."""
    rows = [
        (f.name, "not said" if f.healthy is None else "healthy" if f.healthy else "NOT HEALTHY", f.bars, f.late,
         moment(f.newest) if f.newest else None, f.lag, (read.at - f.newest) / 1e9 if f.newest else None, f.detail)
        for f in sorted(read.feeds.values(), key=lambda f: f.name)
    ]  # fmt: skip
    schema: dict[str, Any] = {"feed": pl.String, "health": pl.String, "bars": pl.Int64, "late": pl.Int64, "newest": pl.Datetime("us", "UTC"),
              "lag": pl.Float64, "age": pl.Float64, "detail": pl.String}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def vendors(settings: Settings, read: Tape) -> pl.DataFrame:
    """The runner's own word on its feeds: rows feed, health, leads, symbols, newest, lag, detail; without it, as the journal has them."""
    try:
        answer = Door(settings).ask("/feeds")
    except DaybotError:
        answer = None
    if answer is None:
        return feeds(read)
    rows = [
        (f["name"], "healthy" if f["healthy"] else "NOT HEALTHY", "yes" if f["leads"] else "", f["symbols"], f["newest"], f["lag"], f["detail"])
        for f in answer["feeds"]
    ]
    schema: dict[str, Any] = {"feed": pl.String, "health": pl.String, "leads": pl.String, "symbols": pl.Int64, "newest": pl.String,
                              "lag": pl.Float64, "detail": pl.String}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("newest").str.to_datetime(time_unit="us", time_zone="UTC"))
