"""The strategies that are installed, with their rules and parameters."""

import inspect
import sys

from pipelines import roster
from pipelines.core.trading.strategy import Strategy
from reference.markdown import code, page, table
from reference.settings import allowed

INTRO = """
What ships, and what packages of yours add by entry point. `STRATEGIES=momentum:0.6,orb:0.4` employs them, each with its share of the gross exposure;
`daybot backtest --set momentum.volume=1.5` tries a parameter. [Adding one](../extending.md) is a class and a line.
"""


def write() -> str:
    """The page."""
    return page("Strategies", INTRO, *(described(kind) for kind in roster.installed().values()))


def described(kind: type[Strategy]) -> str:
    """Its rule in words, and its parameters."""
    rule = inspect.getdoc(sys.modules[kind.__module__]) or ""
    rows = [(code(name), code(field.default), allowed(field), field.description or "") for name, field in kind.model_fields.items()]
    return "\n\n".join([f"## {kind.name}", rule, table(("parameter", "default", "allowed", "meaning"), rows)])
