"""What the letters of a trade's conditions let it do: the consolidated tapes' rules of which trade moves open, close, extremes and volume.

After the tables of the CTA (tapes A and B) and of UTP (tape C) participant specifications.
A trade with several letters may do what all of them allow.
"""

from dataclasses import dataclass

CLOSING = "6"
"""The closing auction, which happens a little after the close and belongs to its day."""
OPENING = "O"


@dataclass(frozen=True, slots=True)
class Rule:
    """`last` is open and close, `extreme` high and low."""

    last: bool
    extreme: bool
    volume: bool


_ALL, _SHARES, _NOTHING = Rule(True, True, True), Rule(False, False, True), Rule(False, False, False)
_LATE = Rule(False, True, True)  # out of its turn: an extreme, but not the last price
_RULES = {
    **dict.fromkeys("@AEFKLSXY15O6D", _ALL),  # regular, sweeps, crosses, the auctions
    **dict.fromkeys("CHINRUVW7", _SHARES),  # special settlement, odd lots, average and contingent prices, extended hours out of sequence
    **dict.fromkeys("GPZ4", _LATE),  # sold out of sequence, prior reference price, derivatively priced
    **dict.fromkeys("MQ", _NOTHING),  # a venue's official open and close: they repeat the auction's print
    "9": Rule(True, True, False),  # corrected consolidated close
}
_FORM_T = "T"  # extended hours


def rule(letters: str, *, tape: str, regular: bool) -> Rule:
    """Of one trade. Form T trades make the minutes of extended hours, and are only volume when they are reported within the session.

    An unknown letter takes part in the volume only. `B` is an average price on tapes A and B, and a bunched trade on C.
    """
    found = _ALL
    for letter in letters.replace(" ", ""):
        one = _RULES.get(letter, _SHARES)
        if letter == "B":
            one = _ALL if tape == "C" else _SHARES
        elif letter == _FORM_T:
            one = _SHARES if regular else _ALL
        found = Rule(found.last and one.last, found.extreme and one.extreme, found.volume and one.volume)
    return found
