"""What stream faults make of one message: none, several, later ones, spoiled ones. Every function answers the messages to send instead."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from live.sim.faults.fault import Fault
from live.sim.faults.fields import change, owners, prices, remove, scaled


@dataclass(frozen=True, slots=True)
class Out:
    """One message to send `delay` nanoseconds later; `raw` replaces the whole frame, `behind` waits for the next message at most so long."""

    message: dict[str, Any]
    delay: int = 0
    raw: bool = False
    behind: bool = False
    needs: str = ""  # the channel a client must have subscribed to


def _none(fault: Fault, message: dict[str, Any]) -> list[Out]:
    return []


def _later(fault: Fault, message: dict[str, Any]) -> list[Out]:
    return [Out(message, fault.seconds())]


def _again(fault: Fault, message: dict[str, Any]) -> list[Out]:
    gap = fault.seconds() if "seconds" in fault.give else 0
    return [Out(message, n * gap) for n in range(fault.give["copies"] + 1)]


def _behind(fault: Fault, message: dict[str, Any]) -> list[Out]:
    return [Out(message, fault.seconds(), behind=True)]


def _malformed(fault: Fault, message: dict[str, Any]) -> list[Out]:
    return [Out(message, raw=True)]


def _corrupt(fault: Fault, message: dict[str, Any]) -> list[Out]:
    """All price fields, or the one that was named."""
    spoiled, value = copy.deepcopy(message), fault.give["value"]
    if value == "inverted":
        spoiled |= {name: message[other] for name, other in (("h", "l"), ("l", "h")) if other in message}
        if spoiled.get("h") == spoiled.get("l") and isinstance(spoiled.get("h"), int | float):
            spoiled["l"] = round(spoiled["h"] + 1, 2)
        return [Out(spoiled)]
    path = fault.give["field"]
    places = list(owners(spoiled, path)) if path else [(spoiled, name) for name in prices(spoiled)]
    for table, name in places:
        table[name] = _spoiled(table.get(name), value)
    return [Out(spoiled)]


def _spoiled(before: Any, value: str) -> Any:
    number = float(before) if isinstance(before, int | float) else 1.0
    return {"null": None, "nan": float("nan"), "negative": -number, "tenfold": number * 10, "text": "n/a", "zero": 0}[value]


def _scale(fault: Fault, message: dict[str, Any]) -> list[Out]:
    return [Out(scaled(message, fault.give["percent"]))]


def _remove(fault: Fault, message: dict[str, Any]) -> list[Out]:
    less = copy.deepcopy(message)
    remove(less, fault.give["field"])
    return [Out(less)]


def _set(fault: Fault, message: dict[str, Any]) -> list[Out]:
    other = copy.deepcopy(message)
    change(other, fault.give["field"], fault.give["to"])
    return [Out(other)]


def _revise(fault: Fault, message: dict[str, Any]) -> list[Out]:
    """Late trades moved the close, and the extremes as far as they had to."""
    if not _whole(message, ("h", "l", "c")):
        return [Out(message)]
    close = round(message["c"] * (1 + fault.give["percent"] / 100), 2)
    late = {**message, "T": "u", "c": close, "h": max(message["h"], close), "l": min(message["l"], close)}
    return [Out(message), Out(late, fault.seconds(), needs="updatedBars")]


def _correct(fault: Fault, message: dict[str, Any]) -> list[Out]:
    if not _whole(message, ("p", "i", "s")):
        return [Out(message)]
    price = round(message["p"] * (1 + fault.give["percent"] / 100), 2)
    original = {"oi": message["i"], "op": message["p"], "os": message["s"], "oc": message.get("c")}
    corrected = {"ci": message["i"] + 1, "cp": price, "cs": message["s"], "cc": message.get("c")}
    late = _about("c", message, {**original, **corrected})
    return [Out(message), Out(late, fault.seconds(), needs="corrections")]


def _bust(fault: Fault, message: dict[str, Any]) -> list[Out]:
    if not _whole(message, ("p", "i", "s")):
        return [Out(message)]
    late = _about("x", message, {"i": message["i"], "p": message["p"], "s": message["s"], "a": "C"})
    return [Out(message), Out(late, fault.seconds(), needs="cancelErrors")]


def _whole(message: dict[str, Any], names: tuple[str, ...]) -> bool:
    """Another fault may have spoiled it already."""
    return all(isinstance(message.get(name), int | float) for name in names)


def _about(kind: str, trade: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """A message about a trade that was told."""
    order = ("S", "x", *fields, "t", "z")
    whole = {**trade, **fields}
    return {"T": kind, **{name: whole[name] for name in order if name in whole}}


EFFECTS: dict[str, Callable[[Fault, dict[str, Any]], list[Out]]] = {
    "stream.mute": _none,
    "stream.drop": _none,
    "stream.delay": _later,
    "stream.slow": _later,
    "stream.duplicate": _again,
    "stream.burst": _again,
    "stream.reorder": _behind,
    "stream.corrupt": _corrupt,
    "stream.scale": _scale,
    "stream.malformed": _malformed,
    "stream.remove": _remove,
    "stream.set": _set,
    "stream.revise": _revise,
    "stream.correct": _correct,
    "stream.bust": _bust,
}

CHANNELS = {
    "t": "trades",
    "q": "quotes",
    "b": "bars",
    "u": "updatedBars",
    "d": "dailyBars",
    "s": "statuses",
    "l": "lulds",
    "c": "corrections",
    "x": "cancelErrors",
}
"""The channel of each message type of Alpaca's data stream."""
