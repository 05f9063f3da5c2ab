"""Engine values as lines of an answer."""

from live.problems import finite
from live.tools.answers import CheckLine, SizingStep
from pipelines.core.risk.checks import Check
from pipelines.core.trading.decisions import Lineage


def check_line(check: Check) -> CheckLine:
    """One control."""
    return CheckLine(
        code=check.code.value, value=finite(check.measured), limit=finite(check.limit), passed=check.passed, detail=check.detail, source=check.origin
    )


def checks(lineage: Lineage | None) -> tuple[CheckLine, ...]:
    """Every control that was asked."""
    return tuple(check_line(check) for check in lineage.checks) if lineage is not None else ()


def steps(lineage: Lineage | None) -> tuple[SizingStep, ...]:
    """The walk from risk to shares."""
    return tuple(SizingStep(bound=s.bound, shares=s.shares, detail=s.detail) for s in lineage.sizing) if lineage is not None else ()
