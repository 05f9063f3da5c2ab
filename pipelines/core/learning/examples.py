"""Examples to learn from: every entry that a strategy would have made in a session, and what became of it, as the engine plays it.

The limits are wide open and the trades tiny, so that what is learned is the strategy's own entries, and not which of them a book had room for.
Fills, costs and exits are those of a backtest: nothing is labelled by a rule of its own.
"""

from collections.abc import Sequence

import polars as pl

from pipelines.core.backtest.costs import Costs
from pipelines.core.backtest.run import Step
from pipelines.core.backtest.session import costs_of, play
from pipelines.core.briefing import Briefing
from pipelines.core.journal import Manifest
from pipelines.core.learning.features import FEATURES, features
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.decisions import Submit
from pipelines.core.trading.events import Market
from pipelines.core.trading.orders import Role
from pipelines.core.trading.seats import Allocation

EQUITY = 1_000_000.0

OPEN = Limits(
    max_position_size=1, max_positions=500, max_gross_exposure=4, max_net_exposure=4, max_sector_exposure=4, max_correlated_exposure=4,
    max_beta_exposure=4, max_concentration=4, max_portfolio_heat=1, max_daily_loss=1, max_drawdown=1, symbol_losses=100, strategy_losses=1000,
    max_entries=10_000, max_order_rate=200, risk_per_trade=0.0001,
)  # fmt: skip
"""A hundred dollars at risk in each trade, and room for all of them."""

STAMP = pl.Datetime("us", "UTC")

EXAMPLES = pl.Schema(
    [
        ("session", pl.Date),
        *((name, pl.String) for name in ("strategy", "trade", "symbol")),
        ("opened_at", STAMP),
        ("closed_at", STAMP),
        ("profit", pl.Float64),
        *((name, pl.Float64) for name in FEATURES),
    ]
)


def examples(head: Manifest, strategies: Sequence[Allocation], bars: pl.DataFrame, inside: Sequence[Market] = ()) -> pl.DataFrame:
    """Rows of `EXAMPLES` for one session: each strategy by itself. `profit` is after costs, in units of what was risked."""
    frames = [EXAMPLES.to_frame()]
    for one in strategies:
        known: dict[str, tuple[float, ...]] = {}

        def watch(step: Step, known: dict[str, tuple[float, ...]] = known) -> None:
            for made in step.decisions:
                if isinstance(made, Submit) and made.role is Role.ENTRY:
                    known[made.trade] = told(made, head.briefing)

        done = play(head.model_copy(update={"limits": OPEN}), [one], bars, Costs(), equity=EQUITY, inside=inside, watch=watch)
        trades = done.tables["trades"].join(costs_of(done.tables["fills"]), on="trade", how="left", maintain_order="left")
        frames.append(_rows(trades, known, head.briefing))
    return pl.concat(frames)


def told(entry: Submit, briefing: Briefing) -> tuple[float, ...]:
    """The features that an entry was decided on, from its own lineage."""
    if entry.lineage is None:
        raise ValueError(f"expected the lineage of {entry.order.id}, found an entry without one")
    brief, order = briefing.symbols[entry.order.symbol], entry.order
    return features(order.side.sign, entry.lineage.arrival, entry.at, entry.lineage.indicators, brief, briefing.hours)


def _rows(trades: pl.DataFrame, known: dict[str, tuple[float, ...]], briefing: Briefing) -> pl.DataFrame:
    values = pl.DataFrame([(trade, *row) for trade, row in known.items()], schema=["trade", *FEATURES], orient="row")
    if values.is_empty():
        return EXAMPLES.to_frame()
    own = ("strategy", "trade", "symbol", "opened_at", "closed_at")
    net = pl.col("r") * (1 - pl.col("fees").fill_null(0.0) / pl.col("profit"))  # in r, whatever was risked
    rows = trades.filter(pl.col("profit") != 0).select(pl.lit(briefing.session).alias("session"), *own, net.alias("profit"))
    return rows.join(values, on="trade", maintain_order="left").select(EXAMPLES.names()).cast(dict(EXAMPLES))  # type: ignore[arg-type]  # a schema
