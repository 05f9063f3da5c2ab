"""What is said of one column."""

from typing import NamedTuple


class Column(NamedTuple):
    """`made_of`: "asset.column" of each input, separated by spaces; empty where a vendor or the exchange is the source.

    `rules`: conditions in SQL without the column's name, separated by commas; they hold for every row that is not null.
    """

    means: str
    made_of: str = ""
    rules: str = ""
    nullable: bool = True


def key(means: str, made_of: str = "", rules: str = "") -> Column:
    """A column that is never null."""
    return Column(means, made_of, rules, nullable=False)


DAY = key("Exchange session, a date in New York")
SYMBOL = key("Ticker as the broker writes it", "universe.symbol")
