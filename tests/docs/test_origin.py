"""Every feature of the origin has a place here and a test that shows it, and both are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "origin.md").read_text()
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
ROWS = [
    tuple(cell.strip() for cell in line.strip("| ").split(" | "))
    for section, body in SECTIONS.items()
    if "roadmap" not in section
    for line in body.splitlines()
    if line.startswith("| ") and not line.startswith(("| the origin's", "| there"))
]

PROMISED = {
    # What the origin's README promises, and the word by which its row is found.
    "websocket": "WebSocket market data", "failover": "failover", "stops": "1.5 and 3.0 ATR", "fallback": "where ATR is missing",
    "sectors": "Sector limits", "correlation": "correlation controls", "beta": "Beta-weighted", "regimes": "Volatility regimes",
    "loss": "Daily loss limit", "momentum": "Momentum analysis", "indicators": "VWAP, EMA 9/21/50, ATR 14, RSI 14, Bollinger 20/2",
    "brackets": "Bracket orders", "trailing": "Trailing stops", "close": "Idempotent close", "flatten": "Flatten all", "oco": "OCO",
    "scanner": "scanner", "tools": "`scan_symbols`", "utilities": "`trade_log`", "analytics": "analytics endpoints", "mcp": "MCP",
    "dashboard": "Dashboard", "audit": "Audit", "settings": "`.env`", "docker": "Docker", "updates": "order updates", "sizing": "Position sizing",
}  # fmt: skip


@pytest.mark.parametrize("word", PROMISED.values(), ids=PROMISED.keys())
def test_what_the_origin_promises_has_a_row(word: str) -> None:
    assert [row for row in ROWS if word in row[0]]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:50])
def test_a_feature_is_where_the_row_says_and_a_test_shows_it(row: tuple[str, ...]) -> None:
    places = [re.findall(r"`([^`]+)`", cell) for cell in row[1:]]
    assert all(found or cell.startswith("not ") for found, cell in zip(places, row[1:], strict=True)), "a place and a test, or that there is none yet"
    assert [path for cell in places for path in cell if not (ROOT / path).exists()] == []
    assert all(path.startswith("tests/") for path in places[-1])
