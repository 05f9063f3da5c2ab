"""Risk: the regime and what it does, the limits and how near the book came, what it leans on, what moves together, and what would be refused."""

from typing import Any

import polars as pl
import streamlit as st

from dashboards import book, data, frame, live, tables, whatif, words
from dashboards.charts import day, market
from dashboards.charts.style import BLUE, GREY, drawn
from dashboards.data import Risk, Source, Today
from dashboards.frame import Card
from dashboards.live import Live, Standing
from dashboards.runner import Door
from pipelines.core.briefing import Briefing, Severity
from pipelines.core.errors import DaybotError
from pipelines.core.risk.limits import Limits, source_of
from pipelines.core.words import counted


def show() -> None:
    """The page for the chosen session: what its briefing said before it, what it used of the limits, and for a running one what it uses now."""
    now, source = live.look(frame.settings()), frame.opened()
    st.title("Risk")
    session = frame.chosen(source, now)
    own = now.tape is not None and now.tape.session == session
    limits = now.tape.head.limits if own and now.tape else data.limits(source, session)
    if own and now.standing is not Standing.NONE:
        with frame.section("Limits in use now"):
            _now()
        with frame.section("What if?"):
            whatif.show(now)
    with frame.section():
        found = data.risk(source, session)
        with frame.section("Regime"):
            _regime(found.briefing, source)
        with frame.section("Use of the limits"):
            _use(frame.today(source, session, now), limits)
        with frame.section("Sectors and beta"):
            _sectors(found, source, now, limits)
        with frame.section("What moves together"):
            _together(found, limits)
        with frame.section(f"Watchlist: {counted(len(found.briefing.watchlist), 'name')}"):
            _watchlist(found.briefing)
        with frame.section("Data checks before the briefing"):
            _checks(found.briefing)
    with frame.section("Limits"):
        _limits(limits)


@st.fragment(run_every=live.EVERY)
def _now() -> None:
    """Every limit as the runner's gate would measure it this moment."""
    try:
        answer: dict[str, Any] | None = Door(frame.settings()).ask("/limits")
    except DaybotError as error:
        st.warning(words.plain(str(error)))
        return
    if answer is None or not answer["used"]:
        st.caption("The runner does not answer: nothing is known of now." if answer is None else "The account is not known yet.")
        return
    rows = [
        (
            *("✓" if c["passed"] else "✗", c["code"]),
            c["value"] / c["limit"] * 100 if c["limit"] and c["value"] is not None else None,
            *(words.measured(c["code"], c[name]) for name in ("value", "limit")),
            *(c["detail"], c["source"]),
        )
        for c in answer["used"]
    ]
    schema = {"ok": pl.String, "limit": pl.String, "used": pl.Float64, "now": pl.String, "allowed": pl.String, "words": pl.String, "set": pl.String}
    frame_ = pl.DataFrame(rows, schema=schema, orient="row").sort("used", descending=True, nulls_last=True)
    tables.shown(
        frame_,
        "limits-now",
        {
            "ok": st.column_config.TextColumn("", width="small"), "limit": tables.pinned("limit"),
            "used": st.column_config.ProgressColumn("used", min_value=0, max_value=100, format="%.0f %%"), "words": tables.long("in words"),
            "set": "set by",
        },
        rows=10,
    )  # fmt: skip


def _regime(briefing: Briefing, source: Source) -> None:
    regime = briefing.regime
    frame.cards([
        Card("Regime", regime.name.value.capitalize(), f"of {briefing.benchmark}"),
        Card("Volatility", words.percent(regime.volatility), "yearly, 20 sessions"),
        Card("Size of an entry", f"× {regime.size_multiplier:.2f}", "of the risk per trade"),
        Card("Stops and targets", f"× {regime.stop_multiplier:.2f}", "of their distances"),
        Card("Position and heat", f"× {regime.position_multiplier:.2f}", "of their limits"),
    ])  # fmt: skip
    if regime.percentile is None or regime.score is None:
        st.caption(f"{counted(regime.sessions, 'session')} of {briefing.benchmark}: too few to say; the multiples above stand for not knowing.")
        return
    ranges = "" if regime.atr_percentile is None else f", the market's median ATR ({regime.atr:.1%}) on {regime.atr_percentile:.0%}"
    st.caption(
        f"To {words.day(briefing.data_session)}. Volatility was no higher on {regime.percentile:.0%} of the sessions of its own past year{ranges}. "
        "The regime follows the mean of the two: up at once, down late."
    )
    series = data.regimes(source, briefing.data_session)
    if series.height > 1:
        drawn(market.history(series), f"The regime's score over {series.height} days, {regime.score:.0%} now")
    else:
        drawn(market.regime(regime.score), f"The regime's score, {regime.score:.0%}, over its bands")


def _use(today: Today, limits: Limits) -> None:
    uses = data.used(today, limits).limits
    if uses.is_empty():
        st.caption("Nothing was traded in this session, so nothing was used.")
        return
    cards = []
    for peak in book.most(uses).sort("name").iter_rows(named=True):
        whole = peak["name"] == book.USES["positions"]
        value, limit = (f"{peak['value']:.0f}", f"{peak['limit']:g}") if whole else (words.percent(peak["value"], 2), f"{peak['limit'] * 100:g} %")
        at = f" at {words.clock(peak['at'])[:5]}" if peak["value"] else ""
        cards.append(Card(f"{peak['name']}, peak", value, f"{peak['used'] * 100:.0f} % of {limit}{at}"))
    frame.cards(cards)
    edges = words.local(pl.DataFrame({"at": [today.briefing.open, today.briefing.close]}), "at")["at"].to_list()
    drawn(day.use(words.local(uses, "at"), (edges[0], edges[1])), "Use of each limit by the minute; at 100 % the gate refuses")


def _sectors(found: Risk, source: Source, now: Live, limits: Limits) -> None:
    left, right = st.columns(2)
    with left:
        st.markdown("**Watchlist** · share of the names")
        drawn(market.shares(found.sectors, GREY), "Share of the watchlist's names by sector")
    with right:
        st.markdown("**Book** · most held at one moment, share of equity")
        with frame.section():
            today = frame.today(source, found.briefing.session, now)
            held = data.used(today, limits).sectors
            if held.is_empty():
                st.caption("Nothing was held in this session.")
            else:
                drawn(
                    market.shares(held, BLUE, limits.max_sector_exposure), f"Most held in each sector; the limit is {limits.max_sector_exposure:.0%}"
                )
            _leaning(today)


def _leaning(today: Today) -> None:
    """What is held now, by sector: gross, net, and what it moves with the market."""
    leaning = book.leaning(today.positions, today.briefing, today.figures.equity)
    if leaning.is_empty():
        return
    beta = float(leaning["beta"].sum()) if leaning["beta"].null_count() == 0 else None
    st.markdown(f"**Held now** · beta-weighted {words.percent(beta, 2, signed=True)} of equity")
    percent = leaning.with_columns(pl.col("weight", "net", "beta") * 100)
    tables.shown(
        percent, f"leaning-{today.briefing.session}",
        {"weight": tables.percent("gross", 2), "net": tables.percent("net", 2), "beta": tables.percent("× beta", 2), "symbols": "names"}, rows=6,
        export=leaning,
    )  # fmt: skip


def _together(found: Risk, limits: Limits) -> None:
    if len(found.order) < 2:
        st.caption("Fewer than two names have enough daily returns for a correlation.")
        return
    alike = found.correlation.filter((pl.col("a") < pl.col("b")) & (pl.col("rho") > limits.max_correlation)).sort("rho", descending=True)
    pairs = ", ".join(f"{a}–{b} {rho:.2f}" for a, b, rho in alike.head(12).iter_rows()) or "none"
    st.caption(
        f"Shrunk correlation of 60 daily returns, as the gate has it. {counted(alike.height, 'pair')} above "
        f"{limits.max_correlation:g} {'counts' if alike.height == 1 else 'count'} as one bet: {pairs}{' …' if alike.height > 12 else ''}"
    )
    left, right = st.columns([5, 3])
    with left:
        map_ = market.correlation(found.correlation, found.order, dark=st.context.theme.type == "dark")
        drawn(map_, f"Correlation of {len(found.order)} names, those that move together side by side")
        tables.exported(found.correlation, f"correlation-{found.briefing.session}")
    with right:
        rows = [(name, found.briefing.symbols[name].beta) for name in found.order]
        known = pl.DataFrame(rows, schema={"symbol": pl.String, "beta": pl.Float64}, orient="row").drop_nulls()
        if known.is_empty():
            st.caption(f"No beta yet: that takes 60 returns shared with {found.briefing.benchmark}.")
        else:
            drawn(market.betas(known), "Beta of each name; the market stands at 1")


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
    tables.shown(
        pl.DataFrame(rows, schema=schema, orient="row"),
        f"watchlist-{briefing.session}",
        {
            "rank": st.column_config.NumberColumn("#", width="small"), "symbol": tables.pinned("symbol"), "score": tables.number("score"),
            "close": tables.price("close"), "beta": tables.number("beta"), "atr": tables.percent("ATR %"), "why": tables.long("why"),
        },
        rows=12,
    )  # fmt: skip


def _limits(limits: Limits) -> None:
    st.caption("As the session was traded under them; where it was not, as the settings are now. Each order's checks are on Today.")
    rows = []
    for name, field in Limits.model_fields.items():
        value = getattr(limits, name)
        changed = "" if value == field.default else f"default {words.setting(field.default)}"
        rows.append((name.upper(), words.setting(value), changed, source_of(name), field.description or ""))
    table = pl.DataFrame(rows, schema=["setting", "value", "changed", "answers to", "meaning"], orient="row")
    tables.shown(table, "limits", {"setting": tables.pinned("setting"), "meaning": tables.long("meaning")}, rows=12)


def _checks(briefing: Briefing) -> None:
    failed = [check for check in briefing.checks if not check.passed]
    if briefing.doubts:
        st.error(words.plain(f"The session starts in REDUCING: no entries until a person resumes. {' · '.join(briefing.doubts)}"))
    advice = [f"{check.asset} {check.name}: {check.detail}" for check in failed if check.severity is Severity.ADVICE]
    if advice:
        st.warning(words.plain(" · ".join(advice)))
    if not briefing.checks:
        st.caption("None was made.")
        return
    rows = [("✓" if c.passed else "✗", c.asset, c.name, c.severity.value, c.detail) for c in briefing.checks]
    table = pl.DataFrame(rows, schema=["passed", "asset", "check", "severity", "found"], orient="row")
    tables.shown(table, f"checks-{briefing.session}", {"found": tables.long("found")}, rows=10)


show()
