"""A briefing that somebody wrote says that it passed every check: the runner looks for itself."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from market import CLOSE, briefing_of, symbol_brief

from pipelines.core.briefing import Briefing, Candidate
from pipelines.core.market.session import Session
from pipelines.core.soundness import unsound

NAMES = tuple(f"S{number:02d}" for number in range(60))
SOUND = briefing_of(NAMES)
HOURS: Session = SOUND.hours


def changed(**changes: Any) -> Briefing:
    return SOUND.model_copy(update=changes)


def of_symbol(**changes: object) -> Briefing:
    return changed(symbols=SOUND.symbols | {"S00": symbol_brief("S00", **changes)})


def of_all(count: int, **changes: object) -> Briefing:
    return changed(symbols={name: symbol_brief(name, **(changes if i < count else {})) for i, name in enumerate(NAMES)})


YESTERDAY = changed(session=date(2026, 11, 19), data_session=date(2026, 11, 18))


def test_a_briefing_as_the_night_makes_it_is_sound_with_and_without_one_before() -> None:
    assert unsound(SOUND, HOURS, None) == unsound(SOUND, HOURS, YESTERDAY) == []


@pytest.mark.parametrize(
    ("poisoned", "said"),
    [
        (changed(close=CLOSE + timedelta(hours=3)), "not as the exchange does"),
        (changed(data_session=date(2026, 10, 1)), "from the data of 2026-10-01"),
        (changed(regime=SOUND.regime.model_copy(update={"size_multiplier": 50.0})), "has the effects"),
        (of_symbol(atr=float("nan")), "S00 has atr nan"),
        (of_symbol(atr=-1.0), "S00 has atr -1"),
        (of_symbol(atr=150.0), "S00 has ATR 150 at a price of 100"),
        (of_symbol(close=0.0), "S00 has close 0"),
        (of_symbol(adv=float("inf")), "S00 has adv inf"),
        (of_symbol(beta=1e9), "S00 has beta 1e+09"),
        (of_symbol(spread=-0.1), "S00 has spread -0.1"),
        (of_symbol(returns=(9.0,) * 60), "S00 has returns beyond 5"),
        (of_all(60, atr=-1.0), "57 more like these"),
        (changed(watchlist=(Candidate(rank=1, symbol="ELSE", score=1.0, reasons=()),)), "knows nothing of them"),
    ],
)
def test_what_no_night_could_have_made_is_said(poisoned: Briefing, said: str) -> None:
    assert said in "; ".join(unsound(poisoned, HOURS, None))


@pytest.mark.parametrize(
    ("count", "changes", "wrong"),
    [
        (60, {"atr": 0.2}, ["atr of 60 of 60 names is more than 3 times"]),  # small ATR, large positions
        (60, {"adv": 1e9}, ["adv of 60 of 60 names is more than 5 times"]),
        (4, {"atr": 7.0}, ["atr of 4 of 60 names"]),
        (3, {"atr": 7.0}, []),  # so many names may really move
        (60, {"atr": 5.0}, []),
        (60, {"close": 25.0, "atr": 0.5, "adv": 4e7}, []),  # all split, four for one
    ],
)
def test_numbers_that_cannot_follow_on_the_last_ones_are_said(count: int, changes: dict[str, object], wrong: list[str]) -> None:
    found = unsound(of_all(count, **changes), HOURS, YESTERDAY)
    assert len(found) == len(wrong)
    assert all(text.startswith(start) for text, start in zip(found, wrong, strict=True))


@pytest.mark.parametrize("before", [lambda: changed(session=date(2026, 11, 2)), lambda: SOUND], ids=["long ago", "its own session"])
def test_a_briefing_is_compared_with_a_recent_session_before_it_and_no_other(before: Callable[[], Briefing]) -> None:
    assert unsound(of_all(60, atr=0.2), HOURS, before()) == []
