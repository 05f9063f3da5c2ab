"""Every limit there is: its meaning, unit, default, and the public rule or practice that it answers to.

The names are the environment variables. What each one does is in `gate.py`, in a function of its own.
RTS 6 is Commission Delegated Regulation (EU) 2017/589; 15c3-5 is the SEC's market access rule. They bind firms; here they are the checklist.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def _limit(default: float | int | str | bool, source: str, description: str, **bounds: Any) -> Any:
    """A limit with the rule that it answers to."""
    return Field(default, description=description, json_schema_extra={"source": source}, **bounds)


class Limits(BaseModel):
    """Fractions are of equity unless the text says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_position_size: float = _limit(0.02, "15c3-5(c)(1)(i)", "Largest position in one symbol, fraction of equity (0.02 = 2 %).", gt=0, le=1)
    max_positions: int = _limit(20, "practice", "Most symbols held or being entered at once.", ge=1, le=500)
    max_gross_exposure: float = _limit(1.0, "15c3-5(c)(1)(i)", "Sum of all positions' values, fraction of equity; 1 means no borrowing.", gt=0, le=4)
    max_net_exposure: float = _limit(1.0, "15c3-5(c)(1)(i)", "Long less short, either way, fraction of equity.", gt=0, le=4)
    max_sector_exposure: float = _limit(0.05, "practice", "Sum of position values in one GICS sector, fraction of equity.", gt=0, le=4)
    max_correlation: float = _limit(0.7, "practice", "Names whose daily returns correlate above this count as one bet.", gt=0, lt=1)
    max_correlated_exposure: float = _limit(0.08, "practice", "Sum of position values in one such bet, fraction of equity.", gt=0, le=4)
    max_beta_exposure: float = _limit(
        0.8, "practice", "Position values times their betas, long less short, either way, fraction of equity.", gt=0, le=4
    )
    max_concentration: float = _limit(0.15, "practice", "Sum of the five largest positions, fraction of equity.", gt=0, le=4)
    max_portfolio_heat: float = _limit(0.01, "practice", "Loss if every stop were hit at once, fraction of equity.", gt=0, le=1)
    max_daily_loss: float = _limit(0.05, "RTS 6 article 15(1)", "Loss of the day, realised and open, that closes everything and halts.", gt=0, le=1)
    max_drawdown: float = _limit(0.04, "practice", "Fall from the day's highest equity at which no more is entered.", gt=0, le=1)
    symbol_losses: int = _limit(2, "practice", "Losing trades in a row in one symbol, after which it rests.", ge=1, le=100)
    strategy_losses: int = _limit(6, "practice", "Losing trades in a row of one strategy, after which it rests.", ge=1, le=1000)
    cooldown: int = _limit(60, "practice", "Minutes of rest after such a streak.", ge=0, le=390)
    max_order_value: float = _limit(100_000.0, "RTS 6 article 15(1)(b); 15c3-5(c)(1)(ii)", "Largest entry, dollars.", gt=0)
    max_order_quantity: int = _limit(10_000, "RTS 6 article 15(1)(c); 15c3-5(c)(1)(ii)", "Largest entry, shares.", ge=1)
    max_order_rate: int = _limit(
        120,
        "RTS 6 article 15(1)(d)",
        "Requests to the broker in a minute at which entries wait; Alpaca takes 200, the rest is for exits.",
        ge=1,
        le=200,
    )
    max_entries: int = _limit(
        100, "RTS 6 article 15(3)", "Entries of one strategy in a day, after which it stops until a person lets it go on.", ge=1, le=10_000
    )
    max_model_entries: int = _limit(
        10, "practice", "Entries that models (programs on MCP, all of them together) may open in a session; 0 is none.", ge=0, le=10_000
    )
    max_model_value: float = _limit(
        25_000.0, "practice", "Sum of those entries' values, dollars; what has been closed since counts as well.", ge=0, allow_inf_nan=False
    )
    price_collar: float = _limit(
        0.03, "RTS 6 article 15(1)(a); 15c3-5(c)(1)(ii)", "Farthest that an entry's price may be from a fresh one, fraction of it.", gt=0, le=1
    )
    price_collar_atr: float = _limit(1.0, "RTS 6 article 15(1)(a)", "The same in daily ATR 14.", gt=0, le=20)
    risk_per_trade: float = _limit(0.005, "practice", "What one trade may lose at its stop; sets the size before any limit.", gt=0, le=0.1)
    max_participation: float = _limit(0.01, "practice", "Largest order as a share of the symbol's average daily volume.", gt=0, le=1)
    max_displayed: float = _limit(
        1.0, "practice", "Largest order as a share of the shares that the quote shows, where quotes are followed.", gt=0, le=100
    )
    min_history: int = _limit(15, "practice", "Daily bars a symbol needs before it may be traded; ATR 14 needs 15.", ge=0, le=500)
    max_gap: float = _limit(0.3, "practice", "Largest move since the last daily close, up or down, at which its ATR still holds.", gt=0, le=1)
    min_score: float = _limit(
        0.0, "practice", "Least probability of a profit by the night's scorer at which a strategy enters; 0 asks no scorer.", ge=0, lt=1
    )
    stale_after: int = _limit(
        150, "FIA market data reasonability", "Age in seconds, from a bar's start, at which its price is too old for an entry.", ge=61, le=3600
    )
    market_open_buffer: int = _limit(5, "practice", "Minutes after the open before the first entry.", ge=0, le=390)
    market_close_buffer: int = _limit(15, "practice", "Minutes before the close when all is closed.", ge=1, le=390)
    default_stop_loss: float = _limit(0.02, "practice", "Stop distance, fraction of the price, where ATR is missing.", gt=0, lt=1)
    default_take_profit: float = _limit(0.04, "practice", "Target distance, fraction of the price, where ATR is missing.", gt=0, lt=5)
    stop_atr: float = _limit(1.5, "practice", "Stop distance in daily ATR 14.", gt=0, le=20)
    target_atr: float = _limit(3.0, "practice", "Target distance in daily ATR 14.", gt=0, le=50)
    restricted: str = _limit("", "15c3-5(c)(2)(ii)", "Symbols that must not be traded, separated by commas.")
    shorts: bool = _limit(True, "15c3-5(c)(2)(ii)", "Whether anything may be sold short.")

    @property
    def banned(self) -> frozenset[str]:
        """The restricted list as symbols."""
        return frozenset(symbol.strip().upper() for symbol in self.restricted.split(",") if symbol.strip())


def source_of(name: str) -> str:
    """The rule that a limit answers to."""
    extra = Limits.model_fields[name].json_schema_extra
    return str(extra["source"]) if isinstance(extra, dict) else ""
