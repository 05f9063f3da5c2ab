"""Settings: read once, checked at once, explained when wrong, silent about secrets."""

from pathlib import Path

import pytest

from pipelines.core.errors import SettingsError
from pipelines.core.risk.limits import Limits
from pipelines.settings import LIVE_URL, PAPER_URL, Mode, load


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env` of the checkout, no variable of the machine."""
    monkeypatch.chdir(tmp_path)
    for name in ("ALPACA_API_KEY", "ALPACA_SECRET_KEY", "ALPACA_BASE_URL", "DAYBOT_MODE", "DAYBOT_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_paper_is_the_default_and_real_money_needs_more_than_an_address() -> None:
    assert load().daybot_mode is Mode.PAPER
    with pytest.raises(SettingsError, match="real money"):
        load(alpaca_base_url=LIVE_URL)
    with pytest.raises(SettingsError, match="DAYBOT_MODE=live needs"):
        load(daybot_mode="live")


@pytest.mark.parametrize("mode", ["LIVE ", "Live", "true", "1", "real"])
def test_a_mode_that_is_not_spelt_out_is_refused_never_guessed(mode: str) -> None:
    with pytest.raises(SettingsError, match="DAYBOT_MODE"):
        load(daybot_mode=mode)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_serving_every_interface_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match=r"SERVER_HOST.*TLS"):
        load(server_host=host)


def test_the_environment_and_the_file_are_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("MAX_POSITION_SIZE=0.03\nMAX_POSITIONS=7\n")
    monkeypatch.setenv("MAX_POSITION_SIZE", "0.01")
    found = load()
    assert (found.max_position_size, found.max_positions) == (0.01, 7)
    assert found.limits == Limits(max_position_size=0.01, max_positions=7)


def test_a_secret_is_shown_nowhere() -> None:
    canary = "canary-5f2c"
    found = load(alpaca_api_key=canary, alpaca_secret_key=canary)
    assert canary not in repr(found) + str(found) + found.model_dump_json()
    assert found.keys == (canary, canary)
    with pytest.raises(SettingsError) as error:
        load(alpaca_secret_key=[canary])
    assert canary not in str(error.value)


def test_keys_that_are_missing_are_named() -> None:
    with pytest.raises(SettingsError, match="ALPACA_API_KEY and ALPACA_SECRET_KEY empty"):
        _ = load().keys


def test_every_wrong_value_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        load(max_position_size=2, max_daily_loss="much", server_port=0)
    text = str(error.value)
    for name in ("MAX_POSITION_SIZE", "MAX_DAILY_LOSS", "SERVER_PORT"):
        assert f"{name}: " in text
        assert f"Example: {name}=" in text


def test_a_pair_that_only_reads_data_stands_for_the_one_that_trades_wherever_nothing_is_traded() -> None:
    both = load(
        daybot_mode="live", alpaca_base_url=LIVE_URL, alpaca_api_key="TRADES", alpaca_secret_key="T", alpaca_data_key="READS", alpaca_data_secret="R"
    )
    assert (both.keys, both.data_keys) == (("TRADES", "T"), ("READS", "R"))
    assert both.assets_url == PAPER_URL, "a paper account's key is refused by the host of real money"
    assert both.reading.data_keys == ("READS", "R")
    with pytest.raises(SettingsError, match="ALPACA_API_KEY and ALPACA_SECRET_KEY empty"):
        _ = both.reading.keys
    one = load(alpaca_api_key="A", alpaca_secret_key="B")
    assert (one.data_keys, one.reading.keys, one.assets_url) == (("A", "B"), ("A", "B"), one.alpaca_base_url)
    with pytest.raises(SettingsError, match="ALPACA_DATA_KEY and ALPACA_DATA_SECRET go together"):
        load(alpaca_data_key="READS")
