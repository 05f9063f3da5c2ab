"""In what the controls measure: said once, for every page, table and message that shows a control's number."""

from pipelines.core.risk.checks import OF_EQUITY, Code

FRACTIONS = OF_EQUITY | {Code.PRICE_SCALE, Code.SCORE}
"""Controls that measure a fraction of equity, or of something else."""

VERDICTS = {
    Code.STATE, Code.STRATEGY, Code.BRIEFING, Code.REGIME, Code.RESTRICTED, Code.TRADABLE, Code.SHORTABLE, Code.HALTED, Code.TAINTED, Code.FEED,
    Code.DUPLICATE, Code.SELF_CROSS, Code.SENSE,
}  # fmt: skip
"""Controls that know only yes and no, or whose number is of one kind today and of another tomorrow: their words say it."""

DOLLARS = {Code.ORDER_VALUE, Code.MODEL_VALUE, Code.BUYING_POWER, Code.COLLAR, Code.BAND, Code.STOP}

AFTER: dict[str, str] = {
    Code.QUANTITY: "shares", Code.ORDER_QUANTITY: "shares", Code.PARTICIPATION: "shares", Code.HISTORY: "days", Code.SESSION: "min",
    Code.STALE_DATA: "s", Code.COOLDOWN: "losses", Code.ENTRIES: "today", Code.MODEL_ENTRIES: "today", Code.ORDER_RATE: "a minute",
    Code.POSITIONS: "symbols",
}  # fmt: skip
"""Units of the others."""

ONE = {"shares": "share", "days": "day", "losses": "loss", "symbols": "symbol"}
"""The same of one."""


def after(code: str, said: str) -> str:
    """The unit behind a number as it is written; empty where it has none."""
    unit = AFTER.get(code, "")
    return ONE.get(unit, unit) if said == "1" else unit
