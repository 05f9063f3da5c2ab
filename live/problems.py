"""Why a tool did not do what was asked, in a form that machines can act on: code, value, limit and where the limit came from."""

import math
import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from pipelines.core.errors import DaybotError

if TYPE_CHECKING:
    from pipelines.core.risk.checks import Check


class Problem(BaseModel):
    """RFC 9457 problem details, with the numbers of a limit where one has refused."""

    model_config = ConfigDict(frozen=True)

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    value: float | None = None
    limit: float | None = None
    source: str | None = None
    errors: tuple[dict[str, Any], ...] = ()
    """Each bad field, where the request itself is wrong."""
    mode: str | None = None
    session: str | None = None


class ToolError(DaybotError):
    """A tool says no. `status` is what HTTP answers."""

    def __init__(self, status: int, code: str, title: str, detail: str, check: "Check | None" = None) -> None:
        super().__init__(detail)
        self.problem = Problem(
            title=title,
            status=status,
            code=code,
            detail=detail,
            value=finite(check.measured) if check else None,
            limit=finite(check.limit) if check else None,
            source=check.origin if check else None,
        )


def problem(error: DaybotError) -> Problem:
    """Any error of ours: a tool's own words, or that something is not possible now, with the error's name as its code."""
    if isinstance(error, ToolError):
        return error.problem
    code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).upper()
    return Problem(title="not possible now", status=503, code=code, detail=str(error))


def refused(check: "Check", what: str) -> ToolError:
    """The gate said no."""
    return ToolError(409, check.code.value, "refused by a limit", f"{what}: {check.detail}", check)


def unready(detail: str) -> ToolError:
    """The session is not there yet, or no more."""
    return ToolError(503, "NOT_READY", "the session is not ready", detail)


def missing(code: str, detail: str) -> ToolError:
    """There is no such thing."""
    return ToolError(404, code, "not found", detail)


def invalid(code: str, detail: str) -> ToolError:
    """What was asked cannot be meant."""
    return ToolError(422, code, "the request cannot be carried out", detail)


def finite(value: float | None) -> float | None:
    """JSON has no infinities."""
    return value if value is not None and math.isfinite(value) else None
