"""What people and tools can order, whatever door they come through: command line, HTTP, MCP, dashboard. All pass the same gate.

Everything that reduces risk (flatten, halt, close, scale out) is never refused by a limit.
"""

from msgspec import Struct

from pipelines.core.trading.orders import Side

MANUAL = "manual"
"""The owner of trades that a person or a tool opened."""


class Instruct(Struct, frozen=True, tag_field="action"):
    """The root of every instruction."""


class Flatten(Instruct, frozen=True, tag="flatten"):
    """Halt, cancel everything, close everything."""


class Stand(Instruct, frozen=True, tag="halt"):
    """No more entries; what is held keeps its protection."""


class Reduce(Instruct, frozen=True, tag="reduce"):
    """Only what reduces risk, until a person resumes."""


class Resume(Instruct, frozen=True, tag="resume"):
    """Trade again. Only a person says so."""


class Release(Instruct, frozen=True, tag="release"):
    """Let a strategy trade again that a throttle or a loss streak has stopped."""

    strategy: str


class Open(Instruct, frozen=True, tag="enter"):
    """Open a position. What is None is worked out: quantity by sizing, stop and target by ATR; `limit` None is a market order. Dollars."""

    symbol: str
    side: Side
    quantity: int | None = None
    limit: float | None = None
    stop: float | None = None
    target: float | None = None
    reason: str = "entered by hand"
    strategy: str = MANUAL
    model: str = ""
    """The program in whose name a model asks; empty for people and their own programs."""


class Close(Instruct, frozen=True, tag="close"):
    """Close whatever is held in a symbol, by all strategies or by one. Closing what is flat does nothing."""

    symbol: str
    strategy: str | None = None


class Manage(Instruct, frozen=True, tag="manage"):
    """Change an open trade: move the stop or the target (dollars), trail the stop at a distance (dollars), sell a share of it (0 to 1)."""

    symbol: str
    stop: float | None = None
    target: float | None = None
    trail: float | None = None
    scale_out: float | None = None
    strategy: str | None = None


class Note(Instruct, frozen=True, tag="note"):
    """Something for the journal alone: a trade made elsewhere, an observation, a reason. It changes nothing."""

    event: str
    symbol: str
    detail: str
    numbers: dict[str, float] = {}


Instruction = Flatten | Stand | Reduce | Resume | Release | Open | Close | Manage | Note
