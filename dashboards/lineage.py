"""The walk back from an order: its words, the indicators it stood on, the steps of its size, every check with value and limit."""

from collections.abc import Sequence

import polars as pl
import streamlit as st

from dashboards import words
from dashboards.tables import tall
from pipelines.core.journal import DECISION
from pipelines.core.market.session import moment, new_york
from pipelines.core.risk.checks import Check
from pipelines.core.trading.decisions import Decision, Lineage, Submit
from pipelines.core.trading.orders import Role
from pipelines.core.words import counted


def show(trade: str, decisions: pl.DataFrame, orders: pl.DataFrame) -> None:
    """Every order of one trade, the entry first; then all that stood in the market for it."""
    mine = orders.filter(pl.col("trade") == trade)
    for decision in _submits(trade, decisions):
        row = mine.row(by_predicate=pl.col("order") == decision.order.id, named=True)
        with st.expander(_title(decision, row), expanded=decision.role is Role.ENTRY):
            st.write(words.plain(decision.reason))
            if decision.lineage:
                _lineage(decision.lineage, decision.order.side.sign, row["average"])
    with st.expander(f"Everything in the market for it: {counted(mine.height, 'order')}"):
        st.dataframe(
            words.local(mine, "submitted_at", "updated_at").select(
                "role", "side", "quantity", "status", "filled", "average", "stop", "target", "submitted_at", "updated_at", "order"
            ),
            hide_index=True, width="stretch", placeholder=words.NONE,
            column_config={name: st.column_config.DatetimeColumn(format="HH:mm:ss") for name in ("submitted_at", "updated_at")},
        )  # fmt: skip


def _submits(trade: str, decisions: pl.DataFrame) -> list[Submit]:
    rows = decisions.filter(pl.col("kind") == "submit").sort("seq")["data"]
    read: Sequence[Decision] = [DECISION.decode(row) for row in rows]
    return [decision for decision in read if isinstance(decision, Submit) and decision.trade == trade]


def _title(decision: Submit, row: dict[str, object]) -> str:
    order = decision.order
    fill = f"filled {row['filled']} at {row['average']:.2f}" if row["filled"] else str(row["status"])
    at = words.clock(moment(decision.at))
    return f"**{decision.role.value.capitalize()}** {at} · {order.side.value} {order.quantity} {order.symbol} ({order.shape.value}) · {fill}"


def _lineage(lineage: Lineage, sign: int, average: float | None) -> None:
    slip = sign * (average / lineage.arrival - 1) * 1e4 if average else None
    st.caption(
        f"{lineage.strategy} `{lineage.version}` · feed {lineage.feed} · bar of {new_york(lineage.bar):%H:%M} · "
        f"briefing `{lineage.briefing}` · arrival {lineage.arrival:.2f}"
        + (f", filled {slip:+.1f} bp from it (plus is worse)" if slip is not None else "")
        + (f" · ATR 14 {lineage.atr:.2f}" if lineage.atr is not None else " · ATR 14 not known")
    )
    left, right = st.columns([1, 2])
    with left:
        st.markdown("**Indicators**")
        values = pl.DataFrame(list(lineage.indicators.items()), schema={"indicator": pl.String, "value": pl.Float64}, orient="row")
        st.dataframe(
            values,
            hide_index=True,
            width="stretch",
            height=tall(values.height),
            column_config={"value": st.column_config.NumberColumn(format="%.2f")},
        )
    with right:
        st.markdown("**Size: the least of these**")
        steps = pl.DataFrame([(s.bound, s.shares, s.detail) for s in lineage.sizing], schema=["bound", "shares", "why"], orient="row")
        st.dataframe(steps, hide_index=True, width="stretch")
        st.markdown("**Checks at the gate**")
        st.dataframe(checks(lineage.checks), hide_index=True, width="stretch", height=tall(len(lineage.checks)))


def checks(passed: Sequence[Check]) -> pl.DataFrame:
    """Each control as it stood: rows check, passed, measured, limit, set by, words."""
    rows = [
        (c.code.value, "✓" if c.passed else "✗", words.measured(c.code, c.value), words.measured(c.code, c.limit), c.origin, c.detail) for c in passed
    ]
    return pl.DataFrame(rows, schema=["check", "passed", "measured", "limit", "set by", "words"], orient="row")
