"""What the gate would say to an order that nobody sends: the runner's own preview, with every control measured."""

from typing import Any

import polars as pl
import streamlit as st

from dashboards import frame, tables, words
from dashboards.frame import Card
from dashboards.live import Live
from dashboards.runner import Door
from pipelines.core.errors import DaybotError


def show(now: Live) -> None:
    """A form for the order and the answer to it. It sends nothing."""
    names = sorted(now.tape.head.briefing.symbols) if now.tape else []
    with st.form("whatif", border=True):
        left, middle, right, end = st.columns([2, 1, 1, 1], vertical_alignment="bottom")
        symbol = left.selectbox("Symbol", names, key="whatif-symbol")
        side = middle.selectbox("Side", ["buy", "sell"], key="whatif-side")
        quantity = right.number_input("Shares", min_value=0, value=0, step=1, key="whatif-shares", help="0: as sizing would have it")
        asked = end.form_submit_button("Preview", type="primary", width="stretch")
    st.caption("Sends nothing: the gate measures this order against the book as it is.")
    if not asked or symbol is None:
        return
    body: dict[str, Any] = {"symbol": symbol, "side": side} | ({"quantity": int(quantity)} if quantity else {})
    try:
        answer = Door(frame.settings()).post("/preview", body)
    except DaybotError as error:
        st.warning(words.plain(str(error)))
        return
    if answer is None:
        st.warning("No session runs any more.")
        return
    _answer(answer)


def _answer(answer: dict[str, Any]) -> None:
    verdict, quantity, wanted = answer["outcome"], answer["quantity"], answer["wanted"]
    said = words.plain(f"**{verdict.capitalize()}**: {answer['detail']}")
    {"approved": st.success, "reduced": st.warning}.get(verdict, st.error)(said)
    frame.cards([
        Card("Shares", f"{quantity:,}", f"of {wanted:,} wanted"),
        Card("Price", words.ratio(answer["price"])),
        Card("Stop", words.ratio(answer["stop"])),
        Card("Target", words.ratio(answer["target"])),
        Card("Risk at the stop", words.money(answer["risk"])),
    ])  # fmt: skip
    left, right = st.columns([3, 2])
    with left:
        st.markdown("**Checks at the gate**")
        rows = [
            ("✓" if c["passed"] else "✗", c["code"], *(words.measured(c["code"], c[n]) for n in ("value", "limit")), c["detail"])
            for c in answer["checks"]
        ]
        table = pl.DataFrame(rows, schema=["passed", "check", "measured", "allowed", "words"], orient="row")
        tables.shown(table, "preview", {"check": tables.pinned("check"), "words": tables.long("in words")}, rows=10)
    with right:
        st.markdown("**Size: the least of these**")
        sizes = [(step["bound"], step["shares"], step["detail"]) for step in answer["sizing"]]
        tables.shown(pl.DataFrame(sizes, schema=["bound", "shares", "why"], orient="row"), "preview-sizing", {"why": tables.long("why")}, rows=10)
