"""Kinds of faults that the simulated exchange can be told to show."""

import inspect
import itertools

from live.sim.faults import points
from live.sim.faults.kinds import KINDS, REQUIRED, TARGETS, Kind, Parameter
from reference.markdown import code, page, table

INTRO = """
What the simulated exchange does wrong on purpose: by `daybot fault add`, over HTTP (`POST /sim/faults`), or from a scenario file
(`daybot exchange --scenario storm.toml`). Each fault can be aimed by stream, endpoint, symbol, order, occurrence and time; every injection is logged.
`daybot fault kinds` prints the same list from a running exchange.
"""


def write() -> str:
    """The page."""
    parts: list[str] = []
    for family, kinds in itertools.groupby(KINDS.values(), key=lambda kind: kind.family):
        aimed = ", ".join(code(target) for target in TARGETS.get(family, ())) or "nothing: it is the venue's"
        rows = [(code(kind.name), kind.note, ", ".join(parameter(*p) for p in kind.parameters.items()), times(kind)) for kind in kinds]
        parts += [f"## {family}", f"Aimed by {aimed}.", table(("kind", "what happens", "parameters", "acts"), rows)]
    return page("Faults of the exchange", INTRO, *parts, "## Where they reach in", inspect.cleandoc(points.__doc__ or ""))


def parameter(name: str, found: Parameter) -> str:
    """One parameter with its type and default."""
    choices = f" ({'/'.join(found.choices)})" if found.choices else ""
    return f"{code(name)} {found.type}{choices}" + ("" if found.default is REQUIRED or found.default == "" else f" = {found.default}")


def times(kind: Kind) -> str:
    """How often, unless told otherwise."""
    return "until cleared" if kind.times == 0 else "once" if kind.times == 1 else f"{kind.times} times"
