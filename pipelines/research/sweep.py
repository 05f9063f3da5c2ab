"""The days of a sweep out of a recorded market, each with the briefing of its own morning, and the values that are tried."""

import math
from collections.abc import Iterator, Sequence
from datetime import date

from pipelines.core.backtest.costs import Costs
from pipelines.core.errors import SettingsError
from pipelines.core.sweep.shapes import Day, day
from pipelines.research.market import Market

MOST = 10_000
"""Values of one parameter."""


def days(market: Market, sessions: Sequence[date], costs: Costs) -> Iterator[Day]:
    """One at a time: a day of 500 symbols takes 40 MB."""
    for session in sessions:
        briefing = market.briefing(session)
        yield day(briefing, market.bars(session, sorted(briefing.symbols)), costs, market.inside(session))


def values(text: str) -> tuple[float, ...]:
    """`1.5`, `1,1.5,2` or `1:2:0.2` (first, last, step; the last one is among them where the steps reach it)."""
    try:
        if ":" not in text:
            return tuple(float(part) for part in text.split(","))
        first, last, step = (float(part) for part in text.split(":"))
    except ValueError:
        raise SettingsError(f"expected values like 1.5 or 1,1.5,2 or 1:2:0.2 (first:last:step), found {text!r}") from None
    if not (step > 0 and last >= first and (last - first) / step < MOST):
        raise SettingsError(f"expected first:last:step with a step above zero, a last not below the first and at most {MOST} values, found {text!r}")
    count = math.floor((last - first) / step + 1e-9) + 1
    # By multiplication and to the step's own digits: adding 0.1 ten times is not 1.
    return tuple(round(first + i * step, 12) for i in range(count))
