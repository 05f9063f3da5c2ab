"""What every column of every asset means, what it is made of and what always holds: shown in the UI as schema and column lineage.

One entry a column, beside each other so that one word means one thing. A test compares this with what the assets really write.
"""

from collections.abc import Mapping

import dagster as dg

from pipelines.defs.columns import marts
from pipelines.defs.columns.column import DAY, SYMBOL, Column, key


def described(name: str, made: dg.MaterializeResult[None]) -> dg.MaterializeResult[None]:
    """The materialisation with each column's meaning and rules in its schema, and the lineage of the columns that it has."""
    known, metadata = COLUMNS.get(name, {}), dict(made.metadata or {})
    schema = metadata.get("dagster/column_schema")
    if not isinstance(schema, dg.TableSchema):
        return made
    columns = [_column(column, known.get(column.name)) for column in schema.columns]
    constraints = dg.TableConstraints(other=[KEYS[name]]) if name in KEYS else None
    metadata["dagster/column_schema"] = dg.TableSchema(columns=columns, constraints=constraints)
    metadata["dagster/column_lineage"] = lineage({column.name: known[column.name] for column in columns if column.name in known})
    return made._replace(metadata=metadata)


def lineage(columns: Mapping[str, Column]) -> dg.TableColumnLineage:
    """Column by column what it is made of."""
    return dg.TableColumnLineage({name: [_source(word) for word in column.made_of.split()] for name, column in columns.items() if column.made_of})


def _column(shown: dg.TableColumn, known: Column | None) -> dg.TableColumn:
    if known is None:
        return shown
    rules = [rule.strip() for rule in known.rules.split(",") if rule]
    # The open-source UI keeps the lineage but does not draw it: so it is said in words as well.
    means = f"{known.means} \N{LEFTWARDS ARROW} {known.made_of.replace(' ', ', ')}" if known.made_of else known.means
    return dg.TableColumn(shown.name, shown.type, means, dg.TableColumnConstraints(nullable=known.nullable, other=rules))


def _source(word: str) -> dg.TableColumnDep:
    asset, column = word.split(".")
    return dg.TableColumnDep(dg.AssetKey(asset), column)


_BARS = {
    "session": key("Exchange session that the bar belongs to", "trading_calendar.session"),
    "symbol": SYMBOL,
    "timestamp": key("Start of the bar, UTC; a daily bar starts at midnight in New York"),
    "open": key("First price, dollars, raw", rules="> 0"),
    "high": key("Highest price, dollars, raw", rules="> 0"),
    "low": key("Lowest price, dollars, raw", rules="> 0"),
    "close": key("Last price, dollars, raw", rules="> 0"),
    "volume": key("Shares traded; 0 is a bar without a trade", rules=">= 0"),
    "vwap": Column("Volume-weighted average price, dollars; null where the vendor has none"),
    "trades": Column("Number of trades; null where the vendor has none", rules=">= 0"),
    "feed": key("Whose trades: iex, sip, polygon, files, or the name of a simulated market", "universe.feed"),
    "learned_at": key("When we learned it, UTC"),
}

_RANKED = (
    "features.dollar_volume features.atr_pct features.relative_volume features.gap features.indication "
    "features.high features.low features.close features.ema_21 features.atr"
)

_RANGE = "daily_bars.high daily_bars.low daily_bars.close"
_PRICES = "minute_bars.open minute_bars.high minute_bars.low minute_bars.close daily_bars.open daily_bars.high daily_bars.low daily_bars.close"

_WATCHLIST = {
    "session": DAY,
    "rank": key("1 is the best", rules=">= 1"),
    "symbol": SYMBOL,
    "score": Column("What the ranking is by; comparable within a session only", _RANKED),
    "reasons": key("Why, in words with numbers", f"{_RANKED} features.ema_9 features.ema_50 features.history liquidity.spread"),
    "news_free": Column("Whether no news explains it; null where no source of news was asked"),
}

COLUMNS: dict[str, dict[str, Column]] = {
    "trading_calendar": {
        "session": DAY,
        "open": key("When the regular session opens, UTC"),
        "close": key("When it closes, UTC; early on half days"),
        "early": key("Whether it closes before 16:00 in New York"),
    },
    "universe": {
        "session": DAY,
        "symbol": key("Ticker as the broker writes it"),
        "name": Column("Company or fund"),
        "exchange": Column("Where it is listed"),
        "sector": key("GICS sector; Unknown is limited as a sector of its own"),
        "tradable": key("Whether the broker takes orders in it"),
        "shortable": key("Whether the broker lends its shares"),
        "feed": key("Whose trades the session's prices are"),
        "origin": key("Whether prices are a vendor's, a recording's or invented", rules="<> ''"),
        "asof": key("Day of which we know that the symbol belongs here"),
        "point_in_time": key("Whether that was known on the morning after the session; else it has survivorship bias"),
    },
    "corporate_actions": {
        "session": DAY,
        "symbol": SYMBOL,
        "kind": key("split or dividend"),
        "ex_date": key("First day without the old right: its prices are on the new scale"),
        "ratio": key("New shares for each old one; 1 for a dividend", rules="> 0"),
        "cash": key("Dollars for each share held before the ex-date; 0 for a split", rules=">= 0"),
        "source": key("Who said so"),
        "learned_at": key("When we learned it, UTC"),
    },
    "daily_bars": _BARS,
    "minute_bars": _BARS,
    "second_bars": _BARS,
    "features": {
        "session": DAY,
        "symbol": SYMBOL,
        "history": key("Daily bars known", "daily_bars.close", ">= 0"),
        "last": Column("Session of the last daily bar", "daily_bars.session"),
        "close": Column("Last daily close, dollars; null where it did not trade on the session", "daily_bars.close", "> 0"),
        "high": Column("High of the session, dollars", "daily_bars.high", "> 0"),
        "low": Column("Low of the session, dollars", "daily_bars.low", "> 0"),
        "volume": Column("Shares traded on the session", "daily_bars.volume", ">= 0"),
        "adv": Column("Mean volume of 20 sessions, shares", "daily_bars.volume", ">= 0"),
        "dollar_volume": Column("Mean of volume x close over 20 sessions, dollars a day", "daily_bars.volume daily_bars.close", ">= 0"),
        "relative_volume": Column("Volume over its mean before", "daily_bars.volume", ">= 0"),
        "sigma": Column("Volatility of a day: root mean square of 20 log returns", "daily_bars.close", ">= 0"),
        "gap": Column("Open of the session over the close before, less 1", "daily_bars.open daily_bars.close", "> -1"),
        "indication": Column("Last price after hours over the close, less 1", "minute_bars.close daily_bars.close", "> -1"),
        "atr": Column("Average true range, Wilder, 14 sessions, dollars", "daily_bars.high daily_bars.low daily_bars.close", ">= 0"),
        "atr_pct": Column("ATR over close, a fraction", "daily_bars.high daily_bars.low daily_bars.close", ">= 0"),
        "ema_9": Column("Exponential mean of closes, 9 sessions", "daily_bars.close"),
        "ema_21": Column("Exponential mean of closes, 21 sessions", "daily_bars.close"),
        "ema_50": Column("Exponential mean of closes, 50 sessions", "daily_bars.close"),
        "rsi_14": Column("Relative strength index, Wilder, 14 sessions", "daily_bars.close", "between 0 and 100"),
        "bb_lower": Column("Lower Bollinger band: mean - 2 deviations over 20 sessions", "daily_bars.close"),
        "bb_middle": Column("Middle Bollinger band: mean of 20 closes", "daily_bars.close"),
        "bb_upper": Column("Upper Bollinger band: mean + 2 deviations over 20 sessions", "daily_bars.close"),
        "minutes": key("Minute bars with trades in the last minute sessions", "minute_bars.timestamp minute_bars.volume", ">= 0"),
    },
    "liquidity": {
        "session": DAY,
        "symbol": SYMBOL,
        "adv": Column("Mean volume of 20 sessions, shares", "features.adv", ">= 0"),
        "dollar_volume": Column("Mean of volume x close over 20 sessions, dollars a day", "features.dollar_volume", ">= 0"),
        "sigma": Column("Volatility of a day: root mean square of 20 log returns", "features.sigma", ">= 0"),
        "spread": Column("Bid-ask spread as the bars show it, fraction of the price", _PRICES, "> 0"),
        "spread_high": Column("The same, two standard errors up", _PRICES, "> 0"),
        "pairs": Column("Pairs of neighbouring bars behind it", _PRICES, ">= 120"),
        "spread_from": Column("minutes, or days where there are too few of them and the days are clear", _PRICES),
        "most_shares": Column("Largest order that MAX_PARTICIPATION allows, shares", "features.adv", ">= 0"),
    },
    "slippage": {
        "session": DAY,
        "impact": key("Cost beyond half the spread, in sigma x sqrt(participation)", rules=">= 0"),
        "basis": key("measured, or prior where the evidence is thin", "journal.kind"),
        "measured": Column("The same as the executions have it", "journal.kind liquidity.spread liquidity.sigma liquidity.adv"),
        "low": Column("Lower end of its 95 % interval; null where too few bound it", "journal.kind liquidity.spread liquidity.sigma liquidity.adv"),
        "high": Column("Upper end", "journal.kind liquidity.spread liquidity.sigma liquidity.adv"),
        "executions": key("Entries behind it", "journal.kind", ">= 0"),
        "median_cost": Column("Their median cost against the price they were decided at, a fraction", "journal.kind"),
    },
    "regime": {
        "session": DAY,
        "name": key("Volatility regime after the session"),
        "volatility": Column("Realised volatility of 20 sessions, a year's worth, a fraction", "daily_bars.close", ">= 0"),
        "percentile": Column("Where that stands in its own past year", "daily_bars.close", "between 0 and 1"),
        "atr": Column("Median over the universe of ATR 14 over close", _RANGE, ">= 0"),
        "atr_percentile": Column("Where that stands in its own past year", _RANGE, "between 0 and 1"),
        "score": Column("Mean of the percentiles, from which the regime follows", _RANGE, "between 0 and 1"),
        "sessions": key("Returns that it is judged by", "daily_bars.close", ">= 0"),
        "size_multiplier": key("What the regime does to the risk of a trade", _RANGE, "> 0"),
        "stop_multiplier": key("What it does to stop distances", _RANGE, "> 0"),
        "target_multiplier": key("What it does to target distances", _RANGE, "> 0"),
        "position_multiplier": key("What it does to MAX_POSITION_SIZE", _RANGE, "> 0"),
        "heat_multiplier": key("What it does to MAX_PORTFOLIO_HEAT", _RANGE, "> 0"),
        "entries": key("Whether new positions may be opened", _RANGE),
        "benchmark": key("Symbol that the volatility is of, or EQUAL-WEIGHT"),
    },
    "correlation": {
        "session": DAY,
        "a": key("One symbol", "features.symbol features.dollar_volume"),
        "b": key("The other", "features.symbol features.dollar_volume"),
        "rho": key("Shrunk correlation of daily log returns, 60 sessions", "daily_bars.close", "between -1.0000001 and 1.0000001"),
        "fading": key("Exponentially weighted one, a year, decay 0.97", "daily_bars.close", "between -1.0000001 and 1.0000001"),
    },
    "betas": {
        "session": DAY,
        "symbol": SYMBOL,
        "beta": key("Beta to the benchmark, shrunk: the one to use", "daily_bars.close"),
        "raw": key("Beta as measured", "daily_bars.close"),
        "error": key("Standard error of that", "daily_bars.close", ">= 0"),
        "blume": key("2/3 of the measured one and 1/3", "daily_bars.close"),
        "vasicek": Column("Shrunk to the mean of all symbols by its precision; null where they are too few", "daily_bars.close"),
        "sessions": key("Sessions on which both traded", "daily_bars.close", ">= 0"),
    },
    "sector_exposure": {
        "session": DAY,
        "book": key("watchlist, or positions as held after the session"),
        "sector": key("GICS sector", "universe.sector"),
        "weight": key(
            "Fraction of equity, long and short added up; for the watchlist, of its names", "watchlist.symbol journal.symbol features.close"
        ),
        "net": key("The same, short ones taken off", "watchlist.symbol journal.symbol features.close"),
        "beta": Column("Net, each weight times its beta; null where one is unknown", "watchlist.symbol journal.symbol features.close betas.beta"),
        "symbols": key("Names in it", "watchlist.symbol journal.symbol", ">= 0"),
    },
    "watchlist": _WATCHLIST,
    "briefing": {name: column._replace(made_of=f"watchlist.{name}") for name, column in _WATCHLIST.items()},
    "journal": {
        "session": DAY,
        "run": key("Which runner of the session, counted from 1"),
        "seq": key("Place in the journal's chain", rules=">= 1"),
        "at": key("When, UTC"),
        "kind": key("What was decided"),
        "symbol": Column("Ticker, where it is about one"),
        "code": Column("Limit that refused it, where one did"),
        "detail": Column("In words"),
    },
    **marts.COLUMNS,
}

KEYS = {
    "corporate_actions": "one row for each session, symbol, kind, ex_date and cash",
    "trading_calendar": "one row for each session",
    "universe": "one row for each session and symbol",
    "daily_bars": "one row for each session and symbol",
    "minute_bars": "one row for each symbol and timestamp",
    "second_bars": "one row for each session and symbol",
    "features": "one row for each session and symbol",
    "liquidity": "one row for each session and symbol",
    "slippage": "one row for each session",
    "regime": "one row for each session",
    "correlation": "one row for each session, a and b",
    "betas": "one row for each session and symbol",
    "sector_exposure": "one row for each session, book and sector",
    "watchlist": "one row for each session and symbol",
    "briefing": "one row for each symbol",
    "journal": "one row for each session, run and seq",
    **marts.KEYS,
}
