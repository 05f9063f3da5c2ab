"""Research: backtests and sweeps as they were kept, what each strategy would have made of every session, and live against both."""

from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards import data, frame, tables, words
from dashboards.charts import earned, trials
from dashboards.charts.style import drawn, stacked
from dashboards.data import Source
from dashboards.frame import Card
from pipelines import roster
from pipelines.core.analytics.performance import curve
from pipelines.core.analytics.session.truth import causes
from pipelines.core.backtest.replay import Difference, Replay, replay
from pipelines.core.backtest.report import Report
from pipelines.core.errors import DaybotError
from pipelines.core.journal import manifest, records
from pipelines.core.words import counted
from pipelines.durable import opened
from pipelines.publish import Snapshot
from pipelines.research import cache, sweeps
from pipelines.settings import Settings

SHOWN = ("return", "benchmark", "net", "trades", "win_rate", "profit_factor", "average_r", "max_drawdown", "sharpe", "sortino", "fees")
"""Numbers of a backtest that are compared."""


def show() -> None:
    """The page; nothing on it belongs to one session."""
    source = frame.opened()
    st.title("Research")
    with frame.section("Backtests"):
        _backtests(source.settings)
    with frame.section("Sweeps"):
        _sweeps(source.settings)
    with frame.section("Every strategy on every session"):
        _setups(source)
    with frame.section("Live against backtest"):
        _truth(source)
    with frame.section("Replay"):
        _replay(source.settings)


def _backtests(settings: Settings) -> None:
    names = cache.kept(settings)
    if not names:
        st.caption("None kept in this home yet.")
        st.code(f"daybot backtest --home {settings.daybot_home} --strategies momentum", language="bash")
        return
    found = {name: _report(settings, name) for name in names[:40]}
    rows = [
        {"result": name, **{word: report.words.get(word, "") for word in ("strategies", "sessions", "origin", "market")},
         **{number: report.numbers.get(number) for number in SHOWN}}
        for name, report in found.items()
    ]  # fmt: skip
    table = pl.DataFrame(rows, infer_schema_length=None)
    fractions = [name for name in ("return", "benchmark", "win_rate", "max_drawdown") if name in table.columns]
    shown = table.with_columns(pl.col(fractions).cast(pl.Float64) * 100)
    columns: dict[str, Any] = {name: tables.percent(name.replace("_", " "), 2) for name in fractions}
    columns |= {name: tables.number(name.replace("_", " ")) for name in ("profit_factor", "average_r", "sharpe", "sortino")}
    columns |= {
        "net": tables.dollars("net"),
        "fees": tables.dollars("fees"),
        "trades": tables.number("trades", 0),
        "strategies": tables.pinned("strategies"),
    }
    picked = tables.chosen(shown, "backtests", columns, rows=8, export=table)
    _one(names[picked or 0], found[names[picked or 0]])


def _one(name: str, report: Report) -> None:
    n = report.numbers
    st.markdown(f"**{report.words.get('strategies', '')}** · {report.words.get('sessions', '')} · {report.words.get('origin', '')} prices · `{name}`")
    frame.cards([
        Card("Return", words.percent(n.get("return"), 2, signed=True), f"benchmark {words.percent(n.get('benchmark'), 2, signed=True)}"),
        Card("Net", words.money(n.get("net"), signed=True), f"{words.money(n.get('fees'))} fees"),
        Card("Max drawdown", words.percent(n.get("max_drawdown"), 2), "from one close to the next"),
        Card("Sharpe", words.ratio(n.get("sharpe")), "from 20 sessions on"),
        Card("Round trips", words.ratio(n.get("trades"), 0), f"{words.percent(n.get('win_rate'), 0)} won"),
        Card("Refused", words.ratio(n.get("refused"), 0), "entries"),
    ])  # fmt: skip
    sessions = report.tables["sessions"]
    if sessions.height > 1:
        stacked(earned.curve(curve(sessions.with_columns((pl.col("profit") - pl.col("fees")).alias("net")))), "Equity of the backtest and its falls")
        st.caption(earned.READ)
    columns = {"session": tables.day("session"), **{name: tables.dollars(name) for name in ("start", "end", "profit", "fees", "spread", "impact")},
               "return": tables.percent("return", 2)}  # fmt: skip
    shown = sessions.with_columns(pl.col("return") * 100).drop("benchmark", strict=False)
    tables.shown(shown, f"backtest-{name}", columns, rows=6, export=report.tables["trades"])


@st.cache_data(max_entries=64, show_spinner=False)
def _report(_settings: Settings, name: str) -> Report:
    """A kept result never changes: its name is the hash of all that it follows from."""
    report = cache.find(_settings, name)
    assert report is not None  # `kept` has just named it
    return report


def _sweeps(settings: Settings) -> None:
    found = sweeps.kept(settings)
    if not found:
        st.caption("None kept in this home yet.")
        st.code(f"daybot sweep --home {settings.daybot_home} --strategy momentum --set volume=1:2:0.2 --set stop_atr=1,1.5,2", language="bash")
        return
    labels = {one.name: f"{one.words['strategy']} · {' '.join(one.words['set'])} · {one.words['first']} to {one.words['last']}" for one in found}
    picked = st.selectbox("Sweep", list(labels), key="sweep", bind="query-params", format_func=labels.__getitem__, label_visibility="collapsed")
    one = next(one for one in found if one.name == picked)
    if one.words["warnings"]:
        st.warning("  \n".join(words.plain(f"{warning[:1].upper()}{warning[1:]}.") for warning in one.words["warnings"]), icon=":material/warning:")
    varied = [name for name in one.changes if one.table[name].n_unique() > 1]
    if len(varied) >= 2:
        drawn(trials.grid(one.table, *varied[:2]), f"Plateau Sharpe ratio by {varied[0]} and {varied[1]}")
    elif varied:
        drawn(trials.line(one.table, varied[0]), f"Sharpe ratio by {varied[0]}, earlier and later sessions")
    columns: dict[str, Any] = {"rank": st.column_config.NumberColumn("#", width="small"), "net": tables.dollars("net"),
                               "later_net": tables.dollars("later net", "On the sessions kept out of the ranking.")}  # fmt: skip
    columns |= {name: tables.number(name.replace("_", " ")) for name in ("sharpe", "plateau", "deflated", "later_sharpe")}
    columns |= {"win_rate": tables.percent("win rate"), "drawdown": tables.percent("drawdown", 2), "later_trades": tables.whole("later trades")}
    shown = one.table.drop("set", strict=False).with_columns(pl.col("win_rate", "drawdown") * 100)
    tables.shown(shown, f"sweep-{one.name}", columns, rows=10, export=one.table)


def _setups(source: Source) -> None:
    """The nightly backtests of the same minutes, by setup."""
    if "backtests" not in data.tables(source):
        st.caption("The nightly backtest has not run yet: the after_close job runs it.")
        return
    rows = _daily(*source.key)
    if rows.is_empty():
        st.caption("The nightly backtests made no round trip yet.")
        return
    whole = (
        rows.group_by("setup")
        .agg(pl.col("trades", "net", "costs").sum(), pl.col("session").n_unique().alias("sessions"))
        .sort("net", descending=True)
    )
    if rows["session"].n_unique() > 1:
        summed = rows.sort("session").with_columns(pl.col("net").cum_sum().over("setup").alias("profit"))
        drawn(earned.cumulated(summed, "setup"), "Cumulated net dollars by setup")
    columns = {"setup": tables.pinned("setup"), "net": tables.dollars("net"), "costs": tables.dollars("spread, impact and fees")}
    tables.shown(whole, "setups", columns, export=rows)
    st.caption("`live` is what the settings name; every other line is a shipped strategy alone, on the same official minutes.")


@st.cache_data(ttl=data.KEPT, max_entries=4, show_spinner=False)
def _daily(path: str, version: str) -> pl.DataFrame:
    """Rows session, setup, trades, net, costs."""
    return Snapshot(version, Path(path)).sql(
        "SELECT session, setup, CAST(count(*) AS BIGINT) AS trades, sum(profit - fees) AS net, sum(spread + impact + fees) AS costs "
        "FROM backtests GROUP BY ALL ORDER BY ALL"
    )


def _truth(source: Source) -> None:
    if "live_against_backtest" not in data.tables(source):
        st.caption("Nothing to compare yet: the after_close job compares each traded session with its backtest.")
        return
    rows = source.snapshot.table("live_against_backtest", "session >= (SELECT max(session) FROM live_against_backtest) - INTERVAL 92 DAY")
    if rows.is_empty():
        st.caption("No session was traded live in the last three months.")
        return
    st.caption("Round trips of the last three months, live and in the backtest of the same minutes; basis points, plus is worse for live")
    columns = {"cause": tables.pinned("cause"), "difference": tables.dollars("live less backtest"), "entry_bp": tables.number("entry, bp"),
               "exit_bp": tables.number("exit, bp")}  # fmt: skip
    tables.shown(causes(rows), "causes", columns)
    columns = {"session": tables.day("session"), "symbol": tables.pinned("symbol"), "entry_bp": tables.number("entry, bp"),
               "exit_bp": tables.number("exit, bp"), "live": tables.dollars("live"), "backtest": tables.dollars("backtest"),
               "difference": tables.dollars("live less backtest"), "minutes": tables.number("live later, min", 0)}  # fmt: skip
    shown = rows.sort(pl.col("difference").abs(), descending=True).with_columns(pl.col("side").replace({"buy": "long", "sell": "short"}))
    tables.shown(shown.drop("number"), "live-against-backtest", columns, rows=8, export=rows)


def _replay(settings: Settings) -> None:
    """A session's events through a fresh engine, decision by decision."""
    files = sorted(settings.journals.glob("*.jsonl*"), reverse=True)
    kept = [path for path in files if path.name.endswith((".jsonl", ".jsonl.gz"))]
    if not kept:
        st.caption("No journal in this home: sessions leave one, `daybot backtest --journal` too.")
        return
    row = st.container(horizontal=True, vertical_alignment="bottom")
    path = row.selectbox("Journal", kept, key="journal", format_func=lambda path: path.name, width=360)
    if row.button("Replay", icon=":material/replay:", key="replay", help="Feeds its events to a fresh engine and compares every decision"):
        try:
            with st.spinner("Replaying"):
                st.session_state["replayed"] = (path, _replayed(path))
        except (DaybotError, OSError) as error:
            st.session_state.pop("replayed", None)
            st.error(words.plain(str(error)))
    if st.session_state.get("replayed", (None,))[0] == path:
        _differences(st.session_state["replayed"][1])


def _replayed(path: Path) -> Replay:
    with opened(path) as lines:
        read = list(records(lines))
    return replay(read, roster.restored(manifest(read[0])))


def _differences(found: Replay) -> None:
    said = f"{found.events:,} events, {found.decisions:,} decisions compared"
    if found.difference is None:
        st.success(f"Identical: {said}.", icon=":material/check_circle:")
        return
    _first(found.difference, said)


def _first(difference: Difference, said: str) -> None:
    st.error(f"Differs after record {difference.seq}: {said} before it.", icon=":material/difference:")
    left, right = st.columns(2)
    for side, title, made in ((left, "Recorded", difference.recorded), (right, "Replayed", difference.replayed)):
        side.markdown(f"**{title}** · {counted(len(made), 'decision')}")
        side.code("\n".join(made) or "nothing", language="json", wrap_lines=True)


show()
