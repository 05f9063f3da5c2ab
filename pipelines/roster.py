"""Which strategies there are, and which of them the settings employ.

A package of yours adds its own by the entry point group `daybot.strategies`:

    [project.entry-points."daybot.strategies"]
    mine = "my_package.mine:Mine"
"""

import inspect
import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import entry_points
from typing import Any

from pydantic import ValidationError

from pipelines.core.errors import SettingsError
from pipelines.core.journal import Employed, Manifest
from pipelines.core.strategies.momentum import Momentum
from pipelines.core.strategies.orb import OpeningRange
from pipelines.core.strategies.reversion import Reversion
from pipelines.core.trading.seats import Allocation
from pipelines.core.trading.strategy import Strategy

GROUP = "daybot.strategies"

SHIPPED: tuple[type[Strategy], ...] = (Momentum, OpeningRange, Reversion)


@lru_cache(maxsize=1)
def installed() -> Mapping[str, type[Strategy]]:
    """Every strategy by name: those that DayBot ships, then those of installed packages, which may not take a name that is taken."""
    found = {kind.name: kind for kind in SHIPPED}
    for point in entry_points(group=GROUP):
        kind = point.load()
        if not (isinstance(kind, type) and issubclass(kind, Strategy)):
            raise SettingsError(f"expected entry point {point.name} of {GROUP} to name a subclass of Strategy, found {kind!r}")
        if found.setdefault(kind.name, kind) is not kind:
            raise SettingsError(f"expected strategy names to be unique, found {kind.name} twice: {point.value} and {found[kind.name].__module__}")
    return found


def employ(wanted: str, parameters: Mapping[str, Mapping[str, Any]] | None = None) -> tuple[Allocation, ...]:
    """The strategies of a setting such as `momentum` or `momentum:0.6,orb:0.4` (name, and its share of the gross exposure)."""
    allocations = []
    for part in filter(None, (part.strip() for part in wanted.split(","))):
        name, colon, share = part.partition(":")
        allocations.append(allocate(name, (parameters or {}).get(name, {}), _budget(share, part) if colon else None))
    names = [a.strategy.name for a in allocations]
    if not names or len(set(names)) < len(names):
        raise SettingsError(f"expected each strategy once, found STRATEGIES={wanted!r}; choose from {', '.join(sorted(installed()))}")
    return tuple(allocations)


def allocate(name: str, parameters: Mapping[str, Any], budget: float | None = None) -> Allocation:
    """One strategy with its parameters, and the hash of its code and those parameters."""
    kind = installed().get(name)
    if kind is None:
        raise SettingsError(f"expected a strategy that is installed ({', '.join(sorted(installed()))}), found {name!r}")
    try:
        strategy = kind.model_validate(dict(parameters))
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}, found {e['input']!r}" for e in error.errors())
        raise SettingsError(f"expected parameters that {name} takes, found {lines}") from None
    return Allocation(strategy, _version(strategy), budget)


def employed(allocation: Allocation) -> Employed:
    """As a journal's manifest names it."""
    strategy = allocation.strategy
    return Employed(name=strategy.name, parameters=strategy.parameters, version=allocation.version, budget=allocation.budget)


def restored(head: Manifest) -> tuple[Allocation, ...]:
    """The strategies that a journaled session ran with. Their code may have changed since: `allocate` gives the version of today."""
    return tuple(allocate(e.name, e.parameters, e.budget) for e in head.strategies)


def _budget(share: str, part: str) -> float:
    try:
        value = float(share)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise SettingsError(f"expected a budget above 0 and at most 1 after the colon, found {part!r}; for example momentum:0.6")
    return value


def _version(strategy: Strategy) -> str:
    source = inspect.getsource(inspect.getmodule(type(strategy)) or type(strategy))
    return sha256(f"{source}{json.dumps(strategy.parameters, sort_keys=True)}".encode()).hexdigest()[:12]
