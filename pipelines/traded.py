"""Everything that was traded, out of a snapshot: the one door through which pages, tools and notebooks come to the analytics.

Each function takes a snapshot and a scope, reads the rows of the book and the days, and hands them to the pure functions of `core.analytics`.
Without a book it is the one that traded last, real or simulated; a backtest only where nothing else traded: `Scope.book` of the answer says which.
"""

import polars as pl

from pipelines.core.analytics.execution import Execution
from pipelines.core.analytics.execution import execution as executed
from pipelines.core.analytics.optimization import Optimization
from pipelines.core.analytics.optimization import optimization as optimized
from pipelines.core.analytics.performance import Performance
from pipelines.core.analytics.performance import performance as performed
from pipelines.core.analytics.risk import Risk
from pipelines.core.analytics.risk import risk as risked
from pipelines.core.analytics.scope import DIMENSIONS, Scope
from pipelines.core.errors import MissingData
from pipelines.publish import Snapshot

MARTS = ("trading_days", "round_trips", "executions", "candidates", "exits")
"""The tables that all of it is read from; a night writes all of them or none."""


def books(snapshot: Snapshot) -> pl.DataFrame:
    """Rows book, mode, origin, first, last, sessions, trades: whose money was traded, the last one first; none before the first session.

    `origin`: whether its prices were a vendor's, recorded or generated.
    """
    if not _made(snapshot):
        return pl.DataFrame(schema=BOOKS)
    return snapshot.sql(
        "SELECT book, mode, origin, min(session) AS first, max(session) AS last, count(*) AS sessions, "
        "CAST(sum(trades) AS BIGINT) AS trades FROM trading_days GROUP BY book, mode, origin ORDER BY mode = 'backtest', last DESC, book"
    )


BOOKS = {"book": pl.String, "mode": pl.String, "origin": pl.String, "first": pl.Date, "last": pl.Date, "sessions": pl.Int64, "trades": pl.Int64}


def performance(snapshot: Snapshot, scope: Scope | None = None) -> Performance:
    """What was earned; `MissingData` where nothing was traded yet, or not by this book."""
    whole = settled(snapshot, scope)
    return performed(_rows(snapshot, "trading_days", whole), _rows(snapshot, "round_trips", whole), whole)


def risk(snapshot: Snapshot, scope: Scope | None = None) -> Risk:
    """What was risked; raises as `performance`."""
    whole = settled(snapshot, scope)
    return risked(_rows(snapshot, "trading_days", whole), _rows(snapshot, "round_trips", whole), whole)


def execution(snapshot: Snapshot, scope: Scope | None = None) -> Execution:
    """How orders were executed, and what was refused; raises as `performance`."""
    whole = settled(snapshot, scope)
    return executed(_rows(snapshot, "executions", whole), _rows(snapshot, "candidates", whole), whole)


def optimization(snapshot: Snapshot, scope: Scope | None = None, *, seed: int = 0) -> Optimization:
    """What to change, with its evidence; silent where that is thin; raises as `performance`. The same seed gives the same answer."""
    whole = settled(snapshot, scope)
    days, own, wanted, exits = (_rows(snapshot, name, whole) for name in ("trading_days", "round_trips", "candidates", "exits"))
    return optimized(days, own, wanted, exits, whole, seed=seed)


def trips(snapshot: Snapshot, scope: Scope | None = None) -> pl.DataFrame:
    """The round trips of a scope, the newest first: rows of `core.analytics.books.TRIPS`; raises as `performance`."""
    return _rows(snapshot, "round_trips", settled(snapshot, scope)).sort("closed_at", "trade", descending=[True, False])


def candidates(snapshot: Snapshot, scope: Scope | None = None) -> pl.DataFrame:
    """All that was wanted, the newest first: rows of `core.analytics.wishes.CANDIDATES`; raises as `performance`."""
    return _rows(snapshot, "candidates", settled(snapshot, scope)).sort("at", "seq", descending=[True, False])


def settled(snapshot: Snapshot, scope: Scope | None) -> Scope:
    """The scope with its book named; `MissingData` where nothing was traded yet, or not by this book."""
    asked, known = scope or Scope(), books(snapshot)["book"].to_list()
    if not known:
        raise MissingData(f"expected traded sessions in snapshot {snapshot.version}, found none; run `daybot live` and then the after_close job")
    if asked.book is not None and asked.book not in known:
        raise MissingData(f"expected one of the books {known}, found {asked.book!r}")
    return asked if asked.book is not None else asked.model_copy(update={"book": known[0]})


KNOWN = {"trading_days": (), "exits": ("strategy", "symbol")}
"""Which of `DIMENSIONS` a mart has, where it has not all."""


def _made(snapshot: Snapshot) -> bool:
    """Whether the marts are in it; of a snapshot from before the first session, or of older code, they are not."""
    return snapshot.sql("SELECT 1 FROM duckdb_tables() WHERE list_contains(?, table_name)", [list(MARTS)]).height == len(MARTS)


def _rows(snapshot: Snapshot, table: str, scope: Scope) -> pl.DataFrame:
    """A mart's rows of the scope; what does not concern it is never read."""
    wanted = {"book": scope.book, **{name: getattr(scope, name) for name in KNOWN.get(table, DIMENSIONS)}}
    where = [(f"{name} = ?", value) for name, value in wanted.items() if value is not None]
    where += [(f"session {sign} ?", day) for sign, day in ((">=", scope.first), ("<=", scope.last)) if day is not None]
    conditions = " AND ".join(text for text, _ in where)
    return snapshot.sql(f"SELECT * FROM {table} WHERE {conditions}", [value for _, value in where])
