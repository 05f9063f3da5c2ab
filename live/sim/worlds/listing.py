"""What may be done with the stocks of a world: a table that overrides names, exchanges and flags."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from live.sim.errors import WorldError
from live.sim.worlds.world import Asset

_FLAGS = ("shortable", "fractionable", "easy_to_borrow", "marginable", "tradable")
_EXCHANGES = ("NASDAQ", "NYSE", "ARCA", "AMEX", "BATS", "OTC")


def read(path: Path) -> Mapping[str, Asset]:
    """CSV with a symbol and any of name, exchange and the flags; a flag that is left empty is true. Raises WorldError."""
    if not path.is_file():
        raise WorldError(f"Expected a CSV file of assets, found nothing at {path}. Check the path.")
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as broken:
        raise WorldError(f"{path.name} cannot be read: {broken}. Write it again as CSV.") from broken
    odd = set(table.columns) - {"symbol", "name", "exchange", *_FLAGS}
    if "symbol" not in table.columns or odd:
        raise WorldError(f"{path.name} holds {', '.join(table.columns)}; needed is symbol, possible are name, exchange, {', '.join(_FLAGS)}.")
    return {row["symbol"]: _asset(row, path) for row in table.to_dicts()}


def _asset(row: Mapping[str, str | None], path: Path) -> Asset:
    symbol, exchange = str(row["symbol"]), row.get("exchange") or "NASDAQ"
    if exchange not in _EXCHANGES:
        raise WorldError(f"{path.name}: exchange {exchange!r} of {symbol} is unknown. Known are {', '.join(_EXCHANGES)}.")
    flags = {}
    for name in _FLAGS:
        value = (row.get(name) or "true").lower()
        if value not in ("true", "false"):
            raise WorldError(f"{path.name}: {name} of {symbol} must be true or false, found {value!r}.")
        flags[name] = value == "true"
    return Asset(symbol, row.get("name") or f"{symbol} (recorded)", exchange, **flags)
