"""Which vendor the settings name."""

from pipelines.core.errors import SettingsError
from pipelines.settings import Mode, Settings
from pipelines.vendors.source import Source


def choose(settings: Settings) -> Source:
    """The source that the settings name: own files first, then Alpaca, then Polygon where it is the only one with a key.

    Each vendor's client is imported only when it is chosen: alpaca-py alone costs a second or two.
    """
    if settings.bars_folder:
        from pipelines.vendors.files import Files

        return Files(settings.bars_folder)
    if settings.alpaca_api_key.get_secret_value() or settings.daybot_mode is Mode.SIM:
        from pipelines.vendors.alpaca import Alpaca

        return Alpaca(settings)
    if settings.polygon_api_key.get_secret_value():
        from pipelines.vendors.polygon import Polygon

        return Polygon(settings)
    raise SettingsError(
        "expected a source of history, found neither BARS_FOLDER, ALPACA_API_KEY nor POLYGON_API_KEY; "
        "set one, or run against the simulated exchange with DAYBOT_MODE=sim"
    )
