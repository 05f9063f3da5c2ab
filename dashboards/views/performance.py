"""Performance: what a book earned and what it cost to earn it, day by day, trade by trade, and where it came from."""

import polars as pl
import streamlit as st

from dashboards import frame, scoped, tables, words
from dashboards.charts import earned
from dashboards.charts.style import drawn, stacked
from dashboards.frame import Card
from dashboards.scoped import Chosen
from pipelines.core.analytics.performance import Measures, Performance
from pipelines.core.analytics.returns import ENOUGH
from pipelines.core.analytics.risk import RiskMeasures
from pipelines.core.analytics.scope import DIMENSIONS
from pipelines.core.words import counted

FEW = 5
"""Sessions below which there is no distribution to see."""


def show() -> None:
    """The page for the chosen book and span."""
    source = frame.opened()
    st.title("Performance")
    with frame.section():
        chosen = scoped.bar(source)
        if chosen is None:
            return
        found = chosen.performance
        _figures(found.numbers, chosen.risk.numbers)
        with frame.section("Equity and drawdown"):
            _curve(found, chosen)
        with frame.section("Calendar"):
            _calendar(found, chosen)
        with frame.section("Distribution"):
            _distribution(found, chosen)
        with frame.section("Where it came from"):
            _parts(found, chosen)
        with frame.section("Worst days"):
            _risk(chosen)
        with frame.section("What to change"):
            _suggestions(chosen)


def _figures(n: Measures, r: RiskMeasures) -> None:
    frame.cards([
        Card("Net", words.money(n.net, signed=True), f"after {words.money(n.fees)} of fees", n.net >= 0),
        Card("Return", words.percent(n.total_return, 2, signed=True), f"benchmark {words.percent(n.benchmark, 2, signed=True)}"),
        Card("Sharpe", words.ratio(n.sharpe), f"Sortino {words.ratio(n.sortino)}", meaning="A year's worth, cash at zero; from 20 sessions on"),
        Card("Max drawdown", words.percent(n.max_drawdown, 2),
             f"longest {counted(n.drawdown_days or 0, 'session')}", meaning="From one close to the next"),
        Card("Calmar", words.ratio(n.calmar), f"{words.percent(n.annual_return, 1, signed=True)} a year"),
        Card("Round trips", f"{n.trades:,}", f"{counted(n.sessions, 'session')}"),
        Card("Win rate", words.percent(n.win_rate, 1),
             f"mean {words.money(n.average_gain, 0)} / {words.money(n.average_loss, 0)}", meaning="Mean gain and mean loss of a round trip, net"),
        Card("Profit factor", words.ratio(n.profit_factor), "gains over losses"),
        Card("Expectancy", words.money(n.expectancy, signed=True), f"{words.ratio(n.average_r)} R a trip"),
        Card("Exposure", words.percent(n.exposure, 1), f"turnover {words.ratio(n.turnover)} × a day"),
        Card("VaR 95 %", words.percent(r.var_95, 2), f"ES {words.percent(r.es_95, 2)}", meaning="Loss that one day in twenty exceeds"),
        Card("Held", f"{words.ratio(n.minutes_held, 0)} min", "mean time in a trip"),
    ])  # fmt: skip
    if n.sessions < ENOUGH:
        st.caption(f"Ratios and value at risk are told from {ENOUGH} sessions on; these are {n.sessions}.")


def _curve(found: Performance, chosen: Chosen) -> None:
    if found.curve.is_empty():
        st.caption("No session in this span.")
        return
    n = found.numbers
    stacked(earned.curve(found.curve), f"Growth {words.percent(n.total_return, 2, signed=True)}, deepest fall {words.percent(n.max_drawdown, 2)}")
    st.caption(earned.READ)
    tables.exported(found.curve, f"curve-{chosen.scope.book}")


def _calendar(found: Performance, chosen: Chosen) -> None:
    curve = found.curve
    if curve.is_empty():
        st.caption("No session in this span.")
        return
    drawn(earned.calendar(curve, dark=st.context.theme.type == "dark"), "Each session's return, weeks from left to right")
    months = _months(curve)
    tables.shown(
        months.with_columns(pl.exclude("year") * 100), f"months-{chosen.scope.book}",
        {"year": st.column_config.NumberColumn("year", format="%d", pinned=True)}
        | {name: tables.percent("whole year" if name == "whole" else name, 2) for name in months.columns if name != "year"},
        export=months,
    )  # fmt: skip


def _months(curve: pl.DataFrame) -> pl.DataFrame:
    """Rows year, Jan ... Dec, year's whole: compounded returns."""
    whole = ((1 + pl.col("return")).product() - 1).alias("return")
    by_month = curve.group_by(pl.col("session").dt.year().alias("year"), pl.col("session").dt.month().alias("month")).agg(whole)
    names = dict(enumerate(("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1))
    wide = (
        by_month.sort("month")
        .with_columns(pl.col("month").replace_strict(names, return_dtype=pl.String))
        .pivot("month", index="year", values="return")
    )
    years = curve.group_by(pl.col("session").dt.year().alias("year")).agg(whole.alias("whole"))
    kept = [name for name in names.values() if name in wide.columns]
    return wide.select("year", *kept).join(years, on="year").sort("year", descending=True)


def _distribution(found: Performance, chosen: Chosen) -> None:
    trips = chosen.trips
    if trips.is_empty():
        st.caption("No round trip in this span.")
        return
    left, middle, right = st.columns(3)
    with left:
        st.markdown("**Round trips** · R")
        drawn(earned.spread(trips.select("r"), "r", "+.1f", "profit over the risk taken"), "Distribution of R")
    with middle:
        st.markdown("**Round trips** · net dollars")
        drawn(earned.spread(trips.select("net"), "net", "$,.0f", "net of a round trip"), "Distribution of net dollars")
    with right:
        st.markdown("**Sessions** · return")
        if found.curve.height < FEW:
            st.caption(f"From {FEW} sessions on; these are {found.curve.height}.")
        else:
            drawn(earned.spread(found.curve.select("return"), "return", "+.1%", "return of a session"), "Distribution of daily returns")


def _parts(found: Performance, chosen: Chosen) -> None:
    name = st.segmented_control(
        "By", list(DIMENSIONS), default="strategy", key="by", bind="query-params", required=True, label_visibility="collapsed"
    )
    rows = found.by[name or "strategy"]
    if rows.is_empty():
        st.caption("No round trip in this span.")
        return
    ordered = rows.sort(name) if name == "hour" else rows
    drawn(earned.parts(ordered.head(30), name or "strategy"), f"Net dollars by {name}")
    shown = ordered.with_columns(pl.col("win_rate") * 100)
    tables.shown(
        shown, f"by-{name}-{chosen.scope.book}",
        {
            str(name): tables.pinned(str(name)), "trades": tables.whole("trips"), "net": tables.dollars("net"),
            "profit": tables.dollars("before fees"), "fees": tables.dollars("fees"),
            "win_rate": tables.percent("win rate", 0), "profit_factor": tables.number("profit factor"),
            "expectancy": tables.dollars("expectancy"), "average_r": tables.number("mean R"), "best": tables.dollars("best"),
            "mae_r": tables.number("MAE R", 2, "Mean farthest move against the entry, in R."),
            "mfe_r": tables.number("MFE R", 2, "Mean farthest move for it, in R."),
            "worst": tables.dollars("worst"), "minutes_held": tables.number("minutes", 0),
        },
        rows=12, export=rows,
    )  # fmt: skip


def _risk(chosen: Chosen) -> None:
    found = chosen.risk
    if found.tail.is_empty():
        st.caption("No session of this span ended below the one before it.")
        return
    left, right = st.columns(2)
    with left:
        st.markdown("**Deepest drawdowns**")
        shown = found.drawdowns.with_columns(pl.col("depth") * 100)
        columns = {"start": tables.day("high of"), "bottom": tables.day("bottom"), "end": tables.day("reached again"),
                   "depth": tables.percent("depth", 2), "days": "sessions", "recovery": "of them recovering"}  # fmt: skip
        tables.shown(shown, f"drawdowns-{chosen.scope.book}", columns, rows=6, export=found.drawdowns)
    with right:
        st.markdown("**Worst sessions**")
        tail = found.tail.with_columns(pl.col("return") * 100)
        tables.shown(
            tail, f"worst-{chosen.scope.book}", {"session": tables.day("session"), "return": tables.percent("return", 2)}, rows=6, export=found.tail
        )  # fmt: skip


def _suggestions(chosen: Chosen) -> None:
    """What the night found in the whole book; it says nothing where the evidence is thin."""
    found = chosen.suggestions
    if found.is_empty():
        st.caption("Nothing that the evidence bears out. From 50 sessions on the night asks what other exits, hours, symbols or limits would have "
                   "brought, and tells what holds in sessions that had no say in asking; `daybot optimization` says what was asked.")  # fmt: skip
        return
    st.caption("Dollars a session of the whole book, in sessions that had no say in choosing the question; they do not add up.")
    tables.shown(
        found.select("rank", "change", "setting", "effect", "low", "high", "sessions", "trades", "q", "evidence"), f"suggestions-{chosen.scope.book}",
        {
            "rank": st.column_config.NumberColumn("#", width="small"), "change": tables.pinned("what to do"),
            "effect": tables.dollars("a session"), "low": tables.dollars("from", "Lower end of the 95 % interval."), "high": tables.dollars("to"),
            "q": tables.number("luck", 3, "Expected share of false suggestions down to this one."), "evidence": tables.long("evidence"),
        },
        export=found,
    )  # fmt: skip


show()
