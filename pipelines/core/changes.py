"""What a trader would ask after two nights: what is different between one briefing and another. Pure."""

from collections.abc import Iterable, Mapping
from datetime import date
from enum import Enum
from typing import NamedTuple, TypeAlias

from pipelines.core.briefing import Briefing

Value: TypeAlias = str | int | float | bool | None


class Change(NamedTuple):
    """One thing that is not as it was; None is unknown or not there, `note` says it in words."""

    what: str
    before: Value
    after: Value
    note: str = ""


Changes: TypeAlias = dict[str, list[Change]]
"""By section, in the order of the page; a section in which nothing changed is an empty list."""


def compare(before: Briefing, after: Briefing, *, beyond: float) -> Changes:
    """Everything that changed. Figures (`atr` in dollars, `adv` in shares, `beta`) are of the symbols that both briefings know, largest first,
    where ATR or ADV changed by more than the fraction `beyond`, or beta by more than it.

    A figure that became known, or is no longer, is told whatever its size.
    """
    both = sorted(before.symbols.keys() & after.symbols.keys())
    pairs = [(symbol, before.symbols[symbol], after.symbols[symbol]) for symbol in both]
    return {
        "briefing": _fields(before, after, ("session", "data_session", "origin", "feed", "benchmark")),
        "regime": _fields(before.regime, after.regime, type(before.regime).model_fields),
        "watchlist": _ranks(before, after),
        "atr": _figures(((s, a.atr, b.atr) for s, a, b in pairs), beyond, relative=True),
        "adv": _figures(((s, a.adv, b.adv) for s, a, b in pairs), beyond, relative=True),
        "beta": _figures(((s, a.beta, b.beta) for s, a, b in pairs), beyond, relative=False),
        "sector": [Change(s, a.sector, b.sector) for s, a, b in pairs if a.sector != b.sector],
        "tradable": [Change(s, a.tradable, b.tradable) for s, a, b in pairs if a.tradable != b.tradable],
        "shortable": [Change(s, a.shortable, b.shortable) for s, a, b in pairs if a.shortable != b.shortable],
        "checks": _checks(before, after),
        "inputs": _mapped(before.inputs, after.inputs),
    }


def counted(before: Mapping[str, int], after: Mapping[str, int]) -> list[Change]:
    """Tables whose number of rows is another, by name."""
    return [c._replace(note=_more(c)) for c in _mapped(before, after)]


def _fields(before: object, after: object, names: Iterable[str]) -> list[Change]:
    found = [(name, getattr(before, name), getattr(after, name)) for name in names]
    return [Change(name, _plain(old), _plain(new)) for name, old, new in found if old != new]


def _ranks(before: Briefing, after: Briefing) -> list[Change]:
    """Who came, who went, who moved; each by rank."""
    old, new = ({line.symbol: line.rank for line in sorted(one.watchlist, key=lambda line: line.rank)} for one in (before, after))
    came = [Change(symbol, None, rank, "in") for symbol, rank in new.items() if symbol not in old]
    went = [Change(symbol, rank, None, "out") for symbol, rank in old.items() if symbol not in new]
    return came + went + [Change(s, old[s], rank, _moved(old[s], rank)) for s, rank in new.items() if s in old and old[s] != rank]


def _moved(old: int, new: int) -> str:
    return f"up {old - new}" if new < old else f"down {new - old}"


def _figures(rows: Iterable[tuple[str, float | None, float | None]], beyond: float, *, relative: bool) -> list[Change]:
    found: list[tuple[float, Change]] = []
    for symbol, old, new in rows:
        if old is None or new is None:
            if old != new:
                found.append((float("inf"), Change(symbol, old, new, "now known" if old is None else "no longer known")))
            continue
        by = new / old - 1 if relative and old else new - old
        if abs(by) > beyond:
            found.append((abs(by), Change(symbol, old, new, f"{by:+.1%}" if relative and old else f"{by:+.2f}")))
    return [change for _, change in sorted(found, key=lambda one: (-one[0], one[1].what))]


def _checks(before: Briefing, after: Briefing) -> list[Change]:
    """Checks whose verdict is another: passed, failed, or None where there was none."""
    old, new = ({f"{c.asset}.{c.name}": c for c in one.checks} for one in (before, after))
    verdicts = _mapped({name: c.passed for name, c in old.items()}, {name: c.passed for name, c in new.items()})
    return [change._replace(note=new[change.what].detail if change.what in new else "not run") for change in verdicts]


def _mapped(before: Mapping[str, Value], after: Mapping[str, Value]) -> list[Change]:
    names = sorted(before.keys() | after.keys())
    return [Change(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]


def _more(change: Change) -> str:
    if change.before is None or change.after is None:
        return "new" if change.before is None else "gone"
    return f"{int(change.after) - int(change.before):+,}"


def _plain(value: object) -> Value:
    if isinstance(value, Enum | date):
        return str(value.value if isinstance(value, Enum) else value.isoformat())
    return value if isinstance(value, str | float | int | bool) or value is None else str(value)
