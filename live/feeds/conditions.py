"""Which trade conditions keep a trade from making a last price: the consolidated tapes' rules, in Alpaca's letters and Polygon's numbers.

After the sale condition tables of the CTA (tapes A and B) and UTP (tape C) participant specifications, and Polygon's list of conditions
(`/v3/reference/conditions`), which says of each number what letter it stands for. An unknown condition forbids it as well.
"""

from functools import lru_cache

LETTERS = frozenset("@AEFKLSXY15O6D9 ")
"""Regular, sweeps, crosses, auctions, the corrected close. `B` is a bunched trade on tape C and counts there; elsewhere it is an average price."""

NUMBERS = frozenset({0, 1, 3, 4, 8, 9, 11, 14, 23, 25, 27, 28, 30, 34, 36, 38})
"""The same by Polygon's numbers: of auctions, crosses and sweeps."""


@lru_cache(maxsize=4096)
def counts(letters: tuple[str, ...], tape: str) -> bool:
    """Whether an Alpaca trade with these conditions may be a last price in the regular session."""
    return all(letter in LETTERS or (letter == "B" and tape == "C") for letter in letters)


@lru_cache(maxsize=4096)
def counts_by_number(numbers: tuple[int, ...]) -> bool:
    """The same of a Polygon trade."""
    return all(number in NUMBERS for number in numbers)
