"""Which vendors the settings name. Each vendor's client is imported only when it is chosen: alpaca-py alone costs a second or two."""

from pipelines.core.errors import SettingsError
from pipelines.settings import Mode, Settings
from pipelines.vendors.source import Source


def choose(settings: Settings) -> Source:
    """The source of history: the one that is named, else own files, else Alpaca, else Polygon, whichever is set up first."""
    name = _primary(settings)
    if not name:
        raise SettingsError(
            "expected a source of history, found neither BARS_FOLDER, ALPACA_API_KEY nor POLYGON_API_KEY; "
            "set one, or run against the simulated exchange with DAYBOT_MODE=sim"
        )
    return _made(name, settings)


def second(settings: Settings) -> Source | None:
    """The source that the first one is checked against: the one that is named, else the other vendor if both have keys, else None."""
    if settings.second_source == "none":
        return None
    primary = _primary(settings)
    if settings.second_source:
        if settings.second_source == primary:
            raise SettingsError(f"expected two different sources, found SECOND_SOURCE={primary} and history from it too; name the other, or none")
        return _made(settings.second_source, settings)
    others = [name for name in ("alpaca", "polygon") if name != primary and _is_set_up(name, settings)]
    return _made(others[0], settings) if others and primary in ("alpaca", "polygon") else None


def _primary(settings: Settings) -> str:
    return settings.history_source or next((name for name in ("files", "alpaca", "polygon") if _is_set_up(name, settings)), "")


def _is_set_up(name: str, settings: Settings) -> bool:
    if name == "files":
        return bool(settings.bars_folder)
    if name == "alpaca":
        found = settings.alpaca_data_key.get_secret_value() or settings.alpaca_api_key.get_secret_value()
        return bool(found) or settings.daybot_mode is Mode.SIM
    return bool(settings.polygon_api_key.get_secret_value())


def _made(name: str, settings: Settings) -> Source:
    if name == "files":
        from pipelines.vendors.files import Files

        if not settings.bars_folder:
            raise SettingsError("expected a folder of your own bars, found BARS_FOLDER empty; set it, or name another source")
        return Files(settings.bars_folder)
    if name == "alpaca":
        from pipelines.vendors.alpaca import Alpaca

        return Alpaca(settings)
    from pipelines.vendors.polygon import Polygon

    if not settings.polygon_api_key.get_secret_value():
        raise SettingsError("expected Polygon's key, found POLYGON_API_KEY empty; the simulated exchange takes any")
    return Polygon(settings)
