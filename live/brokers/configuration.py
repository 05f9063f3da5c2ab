"""The last line, at the broker itself: what the account's configuration refuses holds even when everything here is wrong (RTS 6 article 12)."""

from typing import Any

from live.brokers.route import Route
from pipelines.core.errors import BrokerError, SettingsError
from pipelines.settings import Settings

PATH = "/account/configurations"


def secure(route: Route, settings: Settings) -> None:
    """Set when arming: no short sales where the limits have none, and no more margin than the settings say.

    Raises SettingsError where a person has suspended trading at the broker: only a person takes that back.
    """
    found = _configuration(route.get(PATH))
    if found.get("suspend_trade"):
        raise SettingsError("expected an account that may trade, found trading suspended at the broker; `daybot suspend --lift` takes it back")
    wanted: dict[str, Any] = {}
    if not settings.shorts:
        wanted["no_shorting"] = True
    if settings.margin_multiplier:
        wanted["max_margin_multiplier"] = settings.margin_multiplier
    _set(route, found, wanted)


def suspend(route: Route, on: bool) -> None:
    """Have the broker refuse every new order, or none any more. Also exits: be flat first. Raises BrokerError where it does not take it."""
    _set(route, _configuration(route.get(PATH)), {"suspend_trade": on})


def _set(route: Route, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Change what differs, and look whether it is so."""
    changes = {name: value for name, value in wanted.items() if str(found.get(name)) != str(value)}
    if not changes:
        return
    after = _configuration(route.patch(PATH, changes))
    wrong = {name: after.get(name) for name, value in changes.items() if str(after.get(name)) != str(value)}
    if wrong:
        raise BrokerError(f"expected the account's configuration to be {changes}, found {wrong}")


def _configuration(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise BrokerError(f"expected the account's configuration as an object, found {type(body).__name__}")
    return body
