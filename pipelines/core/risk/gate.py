"""The gate: all that adds risk passes here, an entry or a stop moved further away, whoever asked for it; what reduces risk never does.

Exposure is counted at worst case: positions, working orders and orders whose outcome is unknown, all as if filled (RTS 6 article 15(2)).
Permissions say yes or no; rooms say how many shares a limit on a sum leaves. To add a control: write its function in `permissions.py` or
`rooms.py`, put it into the list there, give it a `Code` in `checks.py` and a setting in `limits.py` with its source, and test its no.

What firms have to have (RTS 6, Delegated Regulation (EU) 2017/589; SEC rule 15c3-5; FIA's practices; lessons of known accidents), and where it is
here. Names without a path are controls of this gate.

    C1   price collar, in per cent and ATR     collar                                                       RTS 6 art. 15(1)(a); 15c3-5(c)(1)(ii)
    C2   largest order                         order_value, order_quantity                                  RTS 6 art. 15(1)(b), (c)
    C3   messages a minute                     order_rate, live/brokers/budget.py                           RTS 6 art. 15(1)(d)
    C4   repeated execution throttle           entries, model_entries, model_value, strategy                RTS 6 art. 15(3)
    C5   sent orders count at once             pipelines/core/trading/account.py                            RTS 6 art. 15(2)
    C6   capital for the whole account         gross, net, buying_power                                     15c3-5(c)(1)(i)
    C7   no order twice                        duplicate, live/brokers/unknown.py                           15c3-5(c)(1)(ii); Knight 2012
    C8   restricted, not tradable, halted      restricted, tradable, shortable, halted                      15c3-5(c)(2)(ii)
    C9   who reaches the order path            live/doors/api.py                                            15c3-5(c)(2)(iii); RTS 6 art. 18
    C10  a watcher that does not trade         live/guards/watchdog.py                                      15c3-5(c)(2)(iv)
    C11  kill: all, or one symbol or strategy  pipelines/core/trading/commands.py                           RTS 6 art. 12
    C12  alerts within seconds                 live/alerts.py                                               RTS 6 art. 16
    C13  records against the broker's          live/guards/reconcile.py                                     RTS 6 art. 17
    C14  what left is what was meant           live/brokers/forms.py                                        Knight 2012 (SEC 34-70694)
    C15  version of code on every order        pipelines/core/trading/decisions.py                          RTS 6 art. 5, 7, 11
    C16  tests apart from production           live/sim/README.md                                           RTS 6 art. 6, 7
    C17  stress: more than the peak            tests/benchmarks                                             RTS 6 art. 9, 10
    C18  going on after a death                live/session/recovery.py, live/guards/direct.py              RTS 6 art. 14
    C19  algorithms described in words         pipelines/core/strategies                                    FINRA 15-09
    C20  audit trail                           pipelines/core/journal.py                                    17a-4(f)(2)(i)(A)
    C21  reasonable market data                stale, tainted, feed, scale, band                            FIA
    C22  no trade with oneself                 self_cross                                                   FINRA 5210
    C23  rests after losses                    cooldown, drawdown                                           practice
    C24  loss, heat, sector, correlation       daily_loss, heat, sector, correlation, beta, concentration   practice
    C25  flat before the close                 closing, live/guards/closing.py                              practice
    C26  the broker's own last line            live/brokers/configuration.py                                RTS 6 art. 12
"""

from msgspec import Struct

from pipelines.core.briefing import Briefing
from pipelines.core.risk.checks import Ask, Book, Check, Code
from pipelines.core.risk.limits import Limits
from pipelines.core.risk.permissions import PERMISSIONS
from pipelines.core.risk.rooms import NOISE, ROOMS, bearable

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


def widen(book: Book, briefing: Briefing, limits: Limits, more: float) -> Check:
    """Stops moved further away put `more` dollars at risk, as an entry would: all of them hit at once may cost no more than the heat allowed."""
    limit, setting = bearable(briefing, limits)
    total = sum(e.heat for e in book.exposures) + more
    value = total / book.equity
    words = f"{total:,.2f} at risk if every stop were hit, {more:,.2f} of it by moving this one"
    return Check(Code.HEAT, value, limit, value <= limit + NOISE, words, setting.upper())


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
