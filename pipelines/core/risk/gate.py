"""The gate: every order that adds risk passes here, whoever asked for it; an order that reduces risk never does.

Exposure is counted at worst case: positions, working orders and orders whose outcome is unknown, all as if filled (RTS 6 article 15(2)).
Permissions say yes or no; rooms say how many shares a limit on a sum leaves. To add a control: write its function in `permissions.py` or
`rooms.py`, put it into the list there, test it.
"""

from msgspec import Struct

from pipelines.core.risk.checks import Ask, Check
from pipelines.core.risk.permissions import PERMISSIONS
from pipelines.core.risk.rooms import ROOMS

LEAST_SHARE = 0.5
"""An entry cut below this share of what was wanted is not the trade that was meant: it is refused instead."""


class Approved(Struct, frozen=True):
    """Go ahead with this quantity."""

    quantity: int
    checks: tuple[Check, ...]


class Reduced(Struct, frozen=True):
    """Go ahead with less: `by` is the tightest limit."""

    quantity: int
    wanted: int
    by: Check
    checks: tuple[Check, ...]


class Denied(Struct, frozen=True):
    """No: the first limit that stopped it, and all that was checked until then."""

    by: Check
    checks: tuple[Check, ...]


def admit(ask: Ask) -> Approved | Reduced | Denied:
    """Pass an entry through every control."""
    wanted = ask.proposal.quantity
    passed: list[Check] = []
    for permission in PERMISSIONS:
        check = permission(ask)
        if check is None:
            continue
        passed.append(check)
        if not check.passed:
            return Denied(check, tuple(passed))
    quantity, tightest = wanted, None
    for room in ROOMS:
        found = room(ask)
        if found is None:
            continue
        check, shares = found
        passed.append(check)
        if shares < quantity:
            quantity, tightest = max(shares, 0), check
    if tightest is None:
        return Approved(quantity, tuple(passed))
    if quantity < max(1.0, LEAST_SHARE * wanted):
        return Denied(tightest, tuple(passed))
    return Reduced(quantity, wanted, tightest, tuple(passed))
