"""The gate: every limit with its rule, every control in the order in which it is asked, and the public checklist."""

import inspect
import re
from collections.abc import Callable
from typing import Any

from pipelines.core.risk import gate, sizing
from pipelines.core.risk.limits import Limits, source_of
from pipelines.core.risk.permissions import PERMISSIONS
from pipelines.core.risk.regimes import EFFECTS
from pipelines.core.risk.rooms import ROOMS
from reference.markdown import code, first, page, table

INTRO = """
Every order that adds risk passes the gate, whoever asked for it: a strategy, the command line, HTTP or MCP. An order that reduces risk never does.
Positions, working orders and orders whose outcome is unknown all count as if filled. RTS 6 is Commission Delegated Regulation (EU) 2017/589, 15c3-5
the SEC's market access rule; they bind firms, here they are the checklist. `daybot limits` shows the present use of each.
"""


def write() -> str:
    """The page."""
    limits = [(code(n.upper()), code(f.default), source_of(n), f.description or "") for n, f in Limits.model_fields.items()]
    rooms = "A room says how many shares a limit on a sum leaves. An entry that is cut below half of what was wanted is refused instead."
    return page(
        "Limits and controls",
        INTRO,
        "## Limits",
        table(("setting", "default", "answers to", "meaning"), limits),
        "## Permissions",
        "Yes or no, in this order; the first no is the answer, with its code, value, limit and origin.",
        table(("code", "what has to be so"), [control(function) for function in PERMISSIONS]),
        "## Rooms",
        rooms,
        table(("code", "what is kept"), [control(function) for function in ROOMS]),
        "## Size",
        inspect.getdoc(sizing) or "",
        "## Regimes",
        table(("regime", *(field.replace("_", " ") for field in next(iter(EFFECTS.values()))._fields)), regimes()),
        "## The public checklist",
        table(("", "control", "where", "rule"), checklist()),
    )


def codes(function: Callable[..., Any]) -> list[str]:
    """The codes that a control can answer with."""
    return sorted(set(re.findall(r"Code\.([A-Z_]+)", inspect.getsource(function))))


def control(function: Callable[..., Any]) -> tuple[str, str]:
    """A control's codes and its meaning."""
    return ", ".join(code(name) for name in codes(function)), first(function.__doc__)


def regimes() -> list[tuple[str, ...]]:
    """What each regime multiplies."""
    return [(name.value, *(f"{v:g}" if not isinstance(v, bool) else ("yes" if v else "no") for v in effect)) for name, effect in EFFECTS.items()]


def checklist() -> list[list[str]]:
    """C1 to C26, from the gate's docstring."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in (gate.__doc__ or "").splitlines() if re.match(r"\s+C\d+\s", line)]
    return [row if len(row) == 4 else [*row, ""] for row in rows]
