"""Which rows of the fault matrix each kind of fault serves, and which rows no exchange can inject.

F1 F2 mute          stream.mute                      F26 F25 partial fills    match.partial, match.fills, match.cancel_fill
F3 F14 aborts       stream.close, stream.deny        F27 both legs            match.both
F4 F5 doors         stream.refuse, stream.deny, rest.unauthorized   F28 F34 by others  match.cancel, match.manual, POST /sim/manual
F6 ack              stream.ack                       F29 through the stop     match.jump, rest.refuse stop_price
F7 bad bars         stream.corrupt, stream.malformed, stream.remove   F30 replace   match.replace_reject
F9 F48 duplicates   stream.duplicate, stream.burst   F31 F32 cancels          match.cancel_stuck, match.cancel_slow, match.cancel_fill
F10 order           stream.reorder, stream.delay     F33 order events         stream.drop, stream.duplicate, stream.reorder, stream.set
F11 F12 revisions   stream.revise, stream.correct, stream.bust   F35 positions   rest.empty, rest.status
F13 feeds disagree  stream.scale, stream.slow        F36 lag                  rest.stale
F15 halts           match.halt, match.luld           F37 600 orders           match.manual copies
F16-F18 submits     rest.reset, rest.stall, rest.slow, rest.status   F38 account, fields   rest.blocked, rest.remove, rest.set
F19 F20 lookups     rest.hidden, rest.refuse duplicate   F44 clock            clock.skew, clock.close
F21 limits          rest.limit                       F46 in flight            rest.slow
F22-F24 refusals    rest.refuse, rest.held           F47 F49 gaps, outages    match.jump, rest.status
"""

from live.sim.faults.kinds import KINDS

ELSEWHERE = {
    "F39": "kill -9 of the runner: its own process",
    "F40": "two runners: its own process",
    "F41": "the runner's disk",
    "F42": "the runner's DuckDB",
    "F43": "the overnight assets",
    "F45": "the runner's event loop",
    "F50": "a clean day: no fault",
}
"""Rows that happen on the runner's side."""


def rows() -> dict[str, list[str]]:
    """Kinds by matrix row, in the order of the matrix."""
    served: dict[str, list[str]] = {}
    for kind in KINDS.values():
        for row in kind.serves:
            served.setdefault(row, []).append(kind.name)
    return dict(sorted(served.items(), key=lambda item: int(item[0][1:])))
