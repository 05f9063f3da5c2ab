"""Every kind of fault: the point it acts at, its parameters, how often it acts unless told otherwise, and the matrix rows it serves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from live.sim.faults.points import Point

REQUIRED = object()
_ORDER = ("symbol", "client_order_id", "role", "side", "state")
TARGETS: Mapping[str, tuple[str, ...]] = {
    "stream": ("stream", "type", *_ORDER, "event"),
    "rest": ("method", "path", *_ORDER),
    "match": (*_ORDER, "type", "event"),
    "clock": ("method", "path"),
}
"""What each family can be aimed by."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """`type` names what `fault.py` accepts."""

    type: str
    default: Any = REQUIRED
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """`times` 0 means without end. A timed kind acts at a moment, or when the `event` it is aimed at is told."""

    name: str
    note: str
    points: tuple[Point, ...]
    serves: tuple[str, ...]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    times: int = 1
    where: Mapping[str, str] = field(default_factory=dict)

    @property
    def family(self) -> str:
        return self.name.partition(".")[0]

    @property
    def timed(self) -> bool:
        return Point.MOMENT in self.points


_FRAME, _REQUEST, _ANSWER, _MOMENT = (Point.FRAME,), (Point.REQUEST,), (Point.ANSWER,), (Point.MOMENT,)
_SECONDS = Parameter("number")
_NONE = Parameter("number", 0.0)
_PERCENT = Parameter("number")
_STAGE = Parameter("text", "before", ("before", "after"))
_BODY = Parameter("text", "json", ("json", "html", "empty"))
_REASONS = ("buying_power", "wash", "held", "duplicate", "liquidation", "stop_price", "other")
_VALUES = ("null", "nan", "negative", "inverted", "tenfold", "text", "zero")

_ALL = (
    # Streams
    Kind("stream.mute", "says nothing, answers pings and requests", _FRAME, ("F1", "F2", "F14"), times=0),
    Kind("stream.drop", "a message is lost", _FRAME, ("F10", "F33")),
    Kind("stream.delay", "a message comes late, in venue seconds", _FRAME, ("F10", "F33"), {"seconds": _SECONDS}),
    Kind("stream.slow", "every message comes late, in order", _FRAME, ("F10", "F13"), {"seconds": _SECONDS}, times=0),
    Kind("stream.duplicate", "a message comes again", _FRAME, ("F9", "F33"), {"copies": Parameter("whole", 1), "seconds": _NONE}),
    Kind("stream.burst", "every message comes many times", _FRAME, ("F48", "F9"), {"copies": Parameter("whole", 20)}, times=0),
    Kind("stream.reorder", "a message comes after the next one", _FRAME, ("F10", "F33"), {"seconds": Parameter("number", 60.0)}),
    Kind(
        "stream.corrupt",
        "price fields are spoiled",
        _FRAME,
        ("F7", "F8"),
        {"value": Parameter("text", "null", _VALUES), "field": Parameter("text", "")},
    ),
    Kind("stream.scale", "prices are off by some percent", _FRAME, ("F13",), {"percent": _PERCENT}, times=0),
    Kind("stream.malformed", "a frame that is neither JSON nor msgpack", _FRAME, ("F7", "F8")),
    Kind("stream.remove", "a field is missing", _FRAME, ("F33", "F38", "F7"), {"field": Parameter("text")}),
    Kind(
        "stream.set",
        "a field has another value: unknown status, unknown event",
        _FRAME,
        ("F33", "F38"),
        {"field": Parameter("text"), "to": Parameter("any")},
    ),
    Kind(
        "stream.revise",
        "an updatedBar follows a bar",
        _FRAME,
        ("F11",),
        {"percent": _PERCENT, "seconds": Parameter("number", 30.0)},
        where={"type": "b"},
    ),
    Kind(
        "stream.correct",
        "a correction follows a trade",
        _FRAME,
        ("F12",),
        {"percent": _PERCENT, "seconds": Parameter("number", 1.0)},
        where={"type": "t"},
    ),
    Kind("stream.bust", "a cancel/error follows a trade", _FRAME, ("F12",), {"seconds": Parameter("number", 1.0)}, where={"type": "t"}),
    Kind(
        "stream.say",
        "any message to those who subscribed to its like",
        _MOMENT,
        ("F12", "F15", "F33"),
        {"message": Parameter("table"), "seconds": _NONE},
    ),
    Kind(
        "stream.close",
        "the socket is closed with a code, or aborted (1006), at a time or after a message of that type",
        _MOMENT,
        ("F3", "F14"),
        {"code": Parameter("closing", 1000), "reason": Parameter("reason", ""), "torn": Parameter("flag", False), "seconds": _NONE},
    ),
    Kind("stream.deny", "the handshake is answered with an HTTP status", (Point.HANDSHAKE,), ("F4", "F14"), {"status": Parameter("http", 429)}),
    Kind(
        "stream.refuse",
        "authentication fails: 402, 406 or any other code",
        (Point.ENTRY,),
        ("F4", "F5"),
        {"code": Parameter("whole", 406), "text": Parameter("text", "")},
    ),
    Kind(
        "stream.ack",
        "a subscription is refused with a code, or symbols are left out of it",
        (Point.SUBSCRIBE,),
        ("F6",),
        {"code": Parameter("whole", 0), "missing": Parameter("list", ())},
    ),
    # REST
    Kind("rest.reset", "the connection is reset", _REQUEST, ("F16", "F17", "F18"), {"stage": _STAGE}),
    Kind(
        "rest.stall",
        "no answer for some wall seconds, then the connection is reset",
        _REQUEST,
        ("F18", "F16", "F17"),
        {"seconds": _SECONDS, "stage": _STAGE},
    ),
    Kind("rest.slow", "the answer takes some wall seconds more", _REQUEST, ("F18", "F46"), {"seconds": _SECONDS, "stage": _STAGE}),
    Kind(
        "rest.status",
        "an HTTP error: 500, 502 with HTML, 503, 504",
        _REQUEST,
        ("F16", "F17", "F18", "F35", "F49"),
        {"status": Parameter("http", 500), "body": _BODY, "stage": _STAGE},
    ),
    Kind("rest.limit", "429, nothing remaining", _REQUEST, ("F21",), {"retry_after": _NONE}),
    Kind("rest.unauthorized", "401", _REQUEST, ("F5",), {"body": _BODY}),
    Kind(
        "rest.refuse",
        "a definite refusal by the broker",
        _REQUEST,
        ("F20", "F22", "F23", "F24", "F29"),
        {
            "reason": Parameter("text", "other", _REASONS),
            "status": Parameter("http", 403),
            "code": Parameter("code", 40310000),
            "message": Parameter("text", "forbidden."),
            "extra": Parameter("table", {}),
        },
        where={"method": "POST", "path": "/v2/orders"},
    ),
    Kind(
        "rest.blocked",
        "account blocked, trading blocked, or closing only",
        (Point.REQUEST, Point.ANSWER),
        ("F38",),
        {"mode": Parameter("text", "closing", ("account", "trading", "closing"))},
        times=0,
    ),
    Kind(
        "rest.held",
        "shares stay held for some venue seconds after their exit was cancelled",
        _REQUEST,
        ("F24",),
        {"seconds": _SECONDS},
        times=0,
    ),
    Kind(
        "rest.hidden",
        "an order is not found for some venue seconds after it was taken",
        _ANSWER,
        ("F19",),
        {"seconds": _SECONDS},
        times=0,
        where={"method": "GET", "path": "/v2/orders:by_client_order_id"},
    ),
    Kind(
        "rest.stale",
        "orders are shown as they were some venue seconds ago",
        _REQUEST,
        ("F36",),
        {"seconds": _SECONDS},
        times=0,
        where={"method": "GET", "path": "/v2/orders*"},
    ),
    Kind("rest.empty", "an empty answer", _ANSWER, ("F35",), where={"method": "GET", "path": "/v2/positions"}),
    Kind("rest.remove", "a field is missing from the answer", _ANSWER, ("F38",), {"field": Parameter("text")}),
    Kind("rest.set", "a field of the answer has another value", _ANSWER, ("F38",), {"field": Parameter("text"), "to": Parameter("any")}),
    # Matching
    Kind(
        "match.fills",
        "executions by script: (venue seconds, shares, price or none), then nothing",
        (Point.TOUCH,),
        ("F25", "F26"),
        {"fills": Parameter("steps"), "start": Parameter("text", "touch", ("touch", "arrival"))},
    ),
    Kind(
        "match.partial",
        "so many shares, then nothing",
        (Point.TOUCH,),
        ("F25", "F26"),
        {"shares": Parameter("positive"), "start": Parameter("text", "touch", ("touch", "arrival"))},
    ),
    Kind("match.none", "no fill, however good the price", (Point.ATTEMPT,), ("F25", "F26", "F31"), times=0),
    Kind("match.both", "both exits of a pair are filled", (Point.PAIR,), ("F27",), {"seconds": _NONE}),
    Kind(
        "match.cancel",
        "open orders are cancelled by the broker or somebody else; `leg` of the order's group instead of the order",
        _MOMENT,
        ("F28", "F34"),
        {
            "leg": Parameter("text", "", ("", "entry", "take_profit", "stop_loss")),
            "family": Parameter("flag", False),
            "silent": Parameter("flag", False),
            "seconds": _NONE,
        },
    ),
    Kind("match.cancel_slow", "a cancel takes so many seconds more", (Point.CANCEL,), ("F24", "F31"), {"seconds": _SECONDS}),
    Kind("match.cancel_stuck", "the order stays pending_cancel", (Point.CANCEL,), ("F31",)),
    Kind("match.cancel_fill", "a fill comes after the cancel was accepted", (Point.CANCEL,), ("F32", "F25"), {"shares": Parameter("share", 0.0)}),
    Kind("match.replace_reject", "a replacement was accepted and fails", (Point.REPLACE,), ("F30",), {"fill": Parameter("flag", False)}),
    Kind(
        "match.halt",
        "trading stops, and resumes after some seconds (0: when the fault is removed), off by some percent",
        _MOMENT,
        ("F15",),
        {"lasts": _NONE, "gap": _NONE, "reason": Parameter("text", "T5"), "seconds": _NONE},
    ),
    Kind(
        "match.luld", "a limit-up limit-down band around the last price", _MOMENT, ("F15",), {"percent": Parameter("number", 5.0), "seconds": _NONE}
    ),
    Kind(
        "match.jump", "prices move by some percent from the next minute on", _MOMENT, ("F29", "F47", "F15"), {"percent": _PERCENT, "seconds": _NONE}
    ),
    Kind(
        "match.manual",
        "somebody else sends an order, or many",
        _MOMENT,
        ("F34", "F37"),
        {"order": Parameter("table"), "copies": Parameter("whole", 1), "seconds": _NONE},
    ),
    # Clock
    Kind("clock.skew", "the clock's answers are off by some seconds", _ANSWER, ("F44",), {"seconds": _SECONDS}, times=0, where={"path": "/v2/clock"}),
    Kind("clock.close", "the market closes now, unscheduled, until the next session", _MOMENT, ("F44",), {"seconds": _NONE}),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}

ELSEWHERE = {
    "F39": "kill -9 of the runner: its own process",
    "F40": "two runners: its own process",
    "F41": "the runner's disk",
    "F42": "the runner's DuckDB",
    "F43": "the overnight assets",
    "F45": "the runner's event loop",
    "F50": "a clean day: no fault",
}
"""Rows of the matrix that no exchange can inject: they happen on the runner's side."""


def rows() -> dict[str, list[str]]:
    """Kinds by matrix row, in the order of the matrix."""
    served: dict[str, list[str]] = {}
    for kind in KINDS.values():
        for row in kind.serves:
            served.setdefault(row, []).append(kind.name)
    return dict(sorted(served.items(), key=lambda item: int(item[0][1:])))
