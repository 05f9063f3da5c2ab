"""Risk: the regime and what it does, the limits and how near the book came, what moves together, and what is watched and why."""

import polars as pl
import streamlit as st

from dashboards import book, charts, data, frame, words
from dashboards.data import Risk, Source
from pipelines.core.briefing import Briefing, Severity
from pipelines.core.risk.limits import Limits, source_of


def show(source: Source) -> None:
    """The page for the chosen session: what its briefing said before it, and what it used of the limits."""
    session = frame.chosen(source)
    st.title("Risk")
    limits = data.limits(source, session)
    with frame.section():
        found = data.risk(source, session)
        _regime(found.briefing)
        with frame.section("Use of the limits"):
            _use(data.used(source, session).limits, found.briefing)
        with frame.section("Sectors"):
            _sectors(found, source, limits)
        with frame.section("What moves together"):
            _together(found, limits)
        with frame.section(f"Watchlist: {words.count(len(found.briefing.watchlist), 'name')}"):
            _watchlist(found.briefing)
        with frame.section("Data checks before the briefing"):
            _checks(found.briefing)
    with frame.section("Limits"):
        _limits(limits)


def _regime(briefing: Briefing) -> None:
    regime = briefing.regime
    row = st.container(horizontal=True)
    cards = [
        ("Regime", regime.name.value.capitalize(), f"of {briefing.benchmark}"),
        ("Volatility", words.percent(regime.volatility), "yearly, 20 sessions"),
        ("Size of an entry", f"× {regime.size_multiplier:.2f}", "of the risk per trade"),
        ("Stops and targets", f"× {regime.stop_multiplier:.2f}", "of their distances"),
        ("Position and heat", f"× {regime.position_multiplier:.2f}", "of their limits"),
    ]
    for label, value, beside in cards:
        row.metric(label, value, beside, delta_color="off", delta_arrow="off", border=True, width=frame.CARD)
    if regime.percentile is None or regime.score is None:
        st.caption(f"{words.count(regime.sessions, 'session')} of {briefing.benchmark}: too few to say; the multiples above stand for not knowing.")
        return
    ranges = "" if regime.atr_percentile is None else f", the market's median ATR ({regime.atr:.1%}) on {regime.atr_percentile:.0%}"
    st.caption(
        f"To {words.day(briefing.data_session)}. Volatility was no higher on {regime.percentile:.0%} of the sessions of its own past year{ranges}. "
        "The regime follows the mean of the two: up at once, down late."
    )
    st.altair_chart(charts.regime(regime.score), width="stretch")


def _use(uses: pl.DataFrame, briefing: Briefing) -> None:
    if uses.is_empty():
        st.caption("Nothing was traded in this session, so nothing was used.")
        return
    row = st.container(horizontal=True)
    for peak in book.most(uses).sort("name").iter_rows(named=True):
        whole = peak["name"] == book.USES["positions"]
        value, limit = (f"{peak['value']:.0f}", f"{peak['limit']:g}") if whole else (words.percent(peak["value"], 2), f"{peak['limit'] * 100:g} %")
        at = f" at {words.clock(peak['at'])[:5]}" if peak["value"] else ""
        beside = f"{peak['used']:.0%} of {limit}{at}"
        row.metric(f"{peak['name']}, peak", value, beside, delta_color="off", delta_arrow="off", border=True, width=frame.CARD)
    edges = words.local(pl.DataFrame({"at": [briefing.open, briefing.close]}), "at")["at"].to_list()
    st.altair_chart(charts.use(words.local(uses, "at"), (edges[0], edges[1])), width="stretch")


def _sectors(found: Risk, source: Source, limits: Limits) -> None:
    left, right = st.columns(2)
    with left:
        st.markdown("**Watchlist** · share of the names")
        st.altair_chart(charts.shares(found.sectors, charts.GREY), width="stretch")
    with right:
        st.markdown("**Book** · most held at one moment, share of equity")
        with frame.section():
            held = data.used(source, found.briefing.session).sectors
            if held.is_empty():
                st.caption("Nothing was held in this session.")
            else:
                st.altair_chart(charts.shares(held, charts.BLUE, limits.max_sector_exposure), width="stretch")


def _together(found: Risk, limits: Limits) -> None:
    if len(found.order) < 2:
        st.caption("Fewer than two names have enough daily returns for a correlation.")
        return
    alike = found.correlation.filter((pl.col("a") < pl.col("b")) & (pl.col("rho") > limits.max_correlation)).sort("rho", descending=True)
    pairs = ", ".join(f"{a}–{b} {rho:.2f}" for a, b, rho in alike.head(12).iter_rows()) or "none"
    st.caption(
        f"Shrunk correlation of 60 daily returns, as the gate has it. {words.count(alike.height, 'pair')} above "
        f"{limits.max_correlation:g} count as one bet: {pairs}{' …' if alike.height > 12 else ''}"
    )
    left, right = st.columns([5, 3])
    with left:
        st.altair_chart(charts.correlation(found.correlation, found.order, dark=st.context.theme.type == "dark"), width="stretch")
    with right:
        rows = [(name, found.briefing.symbols[name].beta) for name in found.order]
        known = pl.DataFrame(rows, schema={"symbol": pl.String, "beta": pl.Float64}, orient="row").drop_nulls()
        if known.is_empty():
            st.caption(f"No beta yet: that takes 60 returns shared with {found.briefing.benchmark}.")
        else:
            st.altair_chart(charts.betas(known), width="stretch")


def _watchlist(briefing: Briefing) -> None:
    if not briefing.watchlist:
        st.caption("Empty: no symbol was worth watching, so the runner has nothing to trade.")
        return
    rows = []
    for line in briefing.watchlist:
        known = briefing.symbols[line.symbol]
        moves = known.atr / known.close * 100 if known.atr and known.close else None
        rows.append((line.rank, line.symbol, known.sector, line.score, known.close, moves, known.beta, " · ".join(line.reasons)))
    schema = {"rank": pl.Int64, "symbol": pl.String, "sector": pl.String, "score": pl.Float64, "close": pl.Float64, "atr": pl.Float64,
              "beta": pl.Float64, "why": pl.String}  # fmt: skip
    two = st.column_config.NumberColumn(format="%.2f")
    st.dataframe(
        pl.DataFrame(rows, schema=schema, orient="row"), hide_index=True, width="stretch", height=460, placeholder=words.NONE,
        column_config={
            "rank": st.column_config.NumberColumn("#", width="small"), "symbol": st.column_config.TextColumn(pinned=True),
            "score": two, "close": two, "beta": two,
            "atr": st.column_config.NumberColumn("ATR %", format="%.1f"), "why": st.column_config.TextColumn(width="large"),
        },
    )  # fmt: skip


def _limits(limits: Limits) -> None:
    st.caption("As the session was traded under them; where it was not, as the settings are now. Each order's checks are on Today.")
    rows = []
    for name, field in Limits.model_fields.items():
        value = getattr(limits, name)
        changed = "" if value == field.default else f"default {words.setting(field.default)}"
        rows.append((name.upper(), words.setting(value), changed, source_of(name), field.description or ""))
    st.dataframe(
        pl.DataFrame(rows, schema=["setting", "value", "changed", "answers to", "meaning"], orient="row"),
        hide_index=True, width="stretch", height=frame.tall(len(rows)), column_config={"meaning": st.column_config.TextColumn(width="large")},
    )  # fmt: skip


def _checks(briefing: Briefing) -> None:
    failed = [check for check in briefing.checks if not check.passed]
    if briefing.doubts:
        st.error(words.plain(f"The session starts in REDUCING: no entries until a person resumes. {' · '.join(briefing.doubts)}"))
    advice = [f"{check.asset} {check.name}: {check.detail}" for check in failed if check.severity is Severity.ADVICE]
    if advice:
        st.warning(words.plain(" · ".join(advice)))
    rows = [("✓" if c.passed else "✗", c.asset, c.name, c.severity.value, c.detail) for c in briefing.checks]
    st.dataframe(
        pl.DataFrame(rows, schema=["passed", "asset", "check", "severity", "found"], orient="row"),
        hide_index=True, width="stretch", column_config={"found": st.column_config.TextColumn(width="large")},
    )  # fmt: skip


show(frame.opened())
