"""What a journal holds: records, events, decisions, instructions."""

import inspect
from typing import Any, get_args

from pipelines.core import journal
from pipelines.core.risk.checks import Check
from pipelines.core.risk.sizing import Step
from pipelines.core.trading import decisions, events
from pipelines.core.trading.commands import Instruction
from pipelines.core.trading.decisions import Decision, Lineage
from pipelines.core.trading.events import Event, Holding
from pipelines.core.trading.orders import Order
from reference.markdown import page, struct

INTRO = """
The session's journal (`<home>/journal/*.jsonl`) is append-only and hash-chained. `daybot journal show` prints it, `daybot journal export` makes
tables of it, `daybot journal verify` checks the chain. Times are nanoseconds UTC, money is in dollars.
"""


def write() -> str:
    """The page."""
    return page(
        "Events, decisions and journal records",
        INTRO,
        "## Records",
        inspect.getdoc(journal) or "",
        struct(journal.Record),
        struct(journal.Manifest),
        struct(journal.Employed),
        "## Events",
        inspect.getdoc(events) or "",
        *(struct(kind, title=tag(kind)) for kind in get_args(Event)),
        struct(Holding),
        "## Decisions",
        inspect.getdoc(decisions) or "",
        *(struct(kind, title=tag(kind)) for kind in get_args(Decision)),
        "## What an order carries",
        struct(Order),
        struct(Lineage),
        struct(Step),
        struct(Check),
        "## Instructions",
        "The `instruction` of a `command`, by its `action`.",
        *(struct(kind, title=tag(kind)) for kind in get_args(Instruction)),
    )


def tag(kind: Any) -> str:
    """Its name in the journal and in the code."""
    return f"{kind.__struct_config__.tag} ({kind.__name__})"
