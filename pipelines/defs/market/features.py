"""Indicators of the universe, made by the same functions that step them live."""

import dagster as dg

from pipelines.core import night
from pipelines.defs.asset import asset
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import result


@asset("features", {"duckdb", "numba"}, ["daily_bars", "minute_bars", "corporate_actions"])
def features(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Daily indicators of each symbol after the data session, and the state that its minute indicators start the next one with (`seeds`).

    `atr_pct` and the like are fractions, `adv` shares, `dollar_volume` dollars a day; null is unknown. `close`, `high`, `low`, `volume`,
    `relative_volume` and `gap` are null for a symbol that did not trade on the data session, `indication` where it did not after hours.
    """
    session = data_session(context)
    past = daybot.past(session)
    rows, seeds = night.features(past), night.seeds(past)
    daybot.warehouse.replace({"features": rows, "seeds": seeds}, [session])
    return result(rows, seeds=seeds.height, without_history=int((rows["history"] == 0).sum()), median_atr_pct=rows["atr_pct"].median())  # type: ignore[arg-type]  # a float column's median
