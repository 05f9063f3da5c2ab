"""What a call would do, in words for the person who is asked; and which calls ask at all."""

from typing import Any

from live.doors.mcp.outside import clean
from live.doors.mcp.reach import Reach, again
from live.problems import Problem
from live.tools.catalogue import TOOLS, Entry

REDUCES = "partial_exit"
"""The change of a trade that takes risk away and nothing else."""


def asks(tool: str, arguments: dict[str, Any]) -> bool:
    """Whether a person has to say yes: to every entry, and to every change of a trade but a partial exit."""
    return tool == "enter_trade" or (tool == "manage_trade" and arguments.get("action") != REDUCES)


async def effect(reach: Reach, tool: Entry, arguments: dict[str, Any], client: str) -> str:
    """After "wants DayBot to". An entry goes through the gate first: what would be refused is refused now, and nobody is asked."""
    if tool.name == "enter_trade":
        return _entry(await reach.ask(TOOLS["preview"], arguments, client=client))
    words = {
        "adjust_stop": f"move the stop of {arguments['symbol']} to {arguments.get('new_stop_price')}",
        "adjust_target": f"move the target of {arguments['symbol']} to {arguments.get('new_target_price')}",
        "trail_stop": f"trail the stop of {arguments['symbol']} {arguments.get('trail_amount')} dollars behind the best price",
    }
    return words[arguments["action"]]


def _entry(found: dict[str, Any]) -> str:
    if found["outcome"] == "refused":
        by = found["by"] or {"code": "REFUSED"}
        numbers = {name: by.get(name) for name in ("value", "limit", "source")}
        raise again(Problem(title="refused by a limit", status=409, code=by["code"], detail=found["detail"], **numbers))
    price = f"about {found['price']:.2f}" if found["price"] else "an unknown price"
    stop, target = (f"{found[name]:.2f}" if found[name] else "none" for name in ("stop", "target"))
    risk = f", {found['risk']:,.2f} dollars lost at the stop" if found["risk"] is not None else ""
    cut = f" (cut from {found['wanted']} by {found['by']['code']})" if found["outcome"] == "reduced" and found["by"] else ""
    return clean(f"{found['side']} {found['quantity']} {found['symbol']}{cut} at {price}, stop {stop}, target {target}{risk} [{found['mode']}]")
