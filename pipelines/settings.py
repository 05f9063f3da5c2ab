"""Every setting: typed, with unit and reason. Built once by a shell (`cli.py`, `definitions.py`, `app.py`) and handed down.

The environment and `.env` are read only when `load()` is called. `.env.example` is generated from this file.
"""

from enum import StrEnum
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipelines.core.errors import SettingsError
from pipelines.core.risk.limits import Limits


class Mode(StrEnum):
    """Whose money: a simulated exchange, the broker's paper account, or real money."""

    SIM = "sim"
    PAPER = "paper"
    LIVE = "live"


PAPER_URL = "https://paper-api.alpaca.markets"
LIVE_URL = "https://api.alpaca.markets"

HERE = {"127.0.0.1", "::1", "localhost"}
"""Hosts that are this machine."""


class Settings(Limits, BaseSettings):
    """All settings. Names are the environment variables in lower case."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True, env_ignore_empty=True)

    daybot_mode: Mode = Field(Mode.PAPER, description="sim, paper or live. Live money also asks for ALPACA_ACCOUNT and a typed phrase.")
    daybot_home: Path = Field(Path(".daybot"), description="Folder of the lake, the warehouse, the snapshots and the journals.")
    daybot_lake: str = Field("", description="Folder or s3://bucket/prefix of raw bars; empty: in DAYBOT_HOME. S3 takes the AWS_ variables.")

    alpaca_api_key: SecretStr = Field(SecretStr(""), description="Alpaca API key. The simulated exchange takes any.")
    alpaca_secret_key: SecretStr = Field(SecretStr(""), description="Alpaca secret key.")
    alpaca_data_key: SecretStr = Field(
        SecretStr(""), description="Key that only reads data, as a paper account's does: with it what shows and computes needs no key that trades."
    )
    alpaca_data_secret: SecretStr = Field(SecretStr(""), description="Its secret; both empty: ALPACA_API_KEY and ALPACA_SECRET_KEY.")
    alpaca_base_url: str = Field(PAPER_URL, description="Alpaca trading host; the simulated exchange's address in sim mode.")
    alpaca_data_url: str = Field("", description="Alpaca market data host; empty means Alpaca's own, or the base URL in sim mode.")
    alpaca_stream_url: str = Field("", description="Alpaca stream host (ws:// or wss://); empty: Alpaca's own, or the base URL in sim mode.")
    alpaca_feed: Literal["iex", "sip"] = Field("iex", description="iex is free and one venue (2-3 % of volume); sip is the whole market.")
    alpaca_account: str = Field("", description="Account number that live mode must find; a guard against the wrong keys.")

    polygon_api_key: SecretStr = Field(SecretStr(""), description="Polygon (Massive) API key; empty switches Polygon off.")
    polygon_base_url: str = Field("https://api.polygon.io", description="Polygon REST host; api.massive.com serves the same.")
    polygon_stream_url: str = Field(
        "wss://socket.polygon.io", description="Polygon stream host; delayed.polygon.io for delayed plans; the exchange in sim mode."
    )

    feed_primary: Literal["", "alpaca", "polygon"] = Field(
        "", description="Stream that leads while both are well; empty: Alpaca, unless HISTORY_SOURCE is polygon: volumes compare with their history."
    )
    feed_trades: bool = Field(False, description="Follow single trades, corrections and cancels too; on by itself where a strategy needs trades.")
    feed_quotes: bool = Field(False, description="Follow quotes too, for MAX_DISPLAYED; a hundred times the messages of bars.")
    feed_canary: str = Field(
        "SPY", description="Liquid symbol whose trades tell a mute socket from a quiet market within FEED_STALE_AFTER; empty: bars only."
    )
    feed_stale_after: float = Field(
        15.0, ge=1, le=120, description="Seconds without the canary, or after a minute without any bar of it, that are silence; bars take 1 to 5."
    )
    feed_lag: float = Field(
        3.0, gt=0, le=60, description="Seconds after its minute that a bar may come, in the middle of all symbols; Polygon's take up to 2."
    )
    feed_disagreement_bp: float = Field(
        50.0, gt=0, le=1000, description="Distance of two vendors' closes of a minute, basis points, that keeps entries away; IEX strays 5 to 20."
    )
    failback_after: float = Field(
        120.0, ge=1, le=3600, description="Seconds without fault before the first vendor leads again; doubled each time it was left within an hour."
    )
    backfill_wait: float = Field(
        10.0,
        ge=1,
        le=120,
        description="Seconds that bars behind a gap wait for the missing ones; then the symbol goes on without, and is not entered.",
    )
    feed_queue: int = Field(
        100_000,
        ge=1_000,
        le=10_000_000,
        description="Events waiting at which all entries halt and reading stops; a quarter of a minute of a busy open.",
    )
    loop_stall: float = Field(
        1.0, gt=0, le=60, description="Seconds that the event loop may be late; beyond it what it did meanwhile was decided on old data."
    )
    journal_part: int = Field(
        256, ge=0, le=100_000, description="Megabytes after which a journal, or its raw frames, go on in another file; 0: one file each."
    )
    journal_plain: int = Field(5, ge=1, le=10_000, description="Newest sessions whose journals stay uncompressed; the others are a tenth of it.")
    journal_kept: int = Field(0, ge=0, le=100_000, description="Sessions whose journals are kept; 0: all. Trades stay in DuckDB either way.")
    journal_heads: str = Field(
        "", description="File on another disk or share that each session's last record and its hash are added to; journals are verified by it."
    )
    raw_kept: int = Field(20, ge=0, le=100_000, description="Sessions whose raw frames are kept, as they came from vendors and broker; 0: all.")
    disk_reserve: int = Field(
        500, ge=0, le=1_000_000, description="Megabytes free below which entries halt: what is left is for journaling what protects and closes."
    )
    time_doubt: Literal["alarm", "taint", "reduce"] = Field(
        "taint", description="Beyond LOOP_STALL or CLOCK_DRIFT: only tell people; no entries for two minutes as well; or REDUCING until a resume."
    )
    clock_drift: float = Field(
        2.0, gt=0, le=60, description="Seconds that our clock may be off the broker's and the vendors'; deadlines and staleness hang on it."
    )

    history_source: Literal["", "files", "alpaca", "polygon"] = Field(
        "", description="Where history comes from; empty: your own files where BARS_FOLDER is set, else the first vendor with a key."
    )
    second_source: Literal["", "none", "files", "alpaca", "polygon"] = Field(
        "", description="Whom the session's daily bars are checked against; empty: the other vendor if both have keys; none: nobody."
    )
    alpaca_rate: int = Field(180, ge=1, le=10_000, description="Requests a minute for history; Alpaca's free plan allows 200, and bots need some.")
    polygon_rate: int = Field(5, ge=1, le=10_000, description="Requests a minute; Polygon's free plan allows 5, paid plans set no number.")
    vendor_retries: int = Field(5, ge=0, le=20, description="More tries of a request for history that found the vendor busy or not there.")
    vendor_backoff: float = Field(
        1.0, ge=0, le=60, description="Seconds that the wait between two tries starts from; it doubles each time, up to 60."
    )
    industry_lookups: int = Field(25, ge=0, le=10_000, description="Symbols without a sector asked of Polygon in a run; each is asked for once.")

    server_listen: bool = Field(False, description="Serve tools and MCP over TCP too, with tokens (`daybot token`); else only on the local socket.")
    server_host: str = Field("127.0.0.1", description="Address to listen on. 0.0.0.0 is refused without SERVER_TLS_CERT, or SERVER_PROXY.")
    server_port: int = Field(8000, ge=1, le=65535, description="Port of the control API.")
    server_names: str = Field("", description="Host names to answer to beside localhost and 127.0.0.1, separated by commas: a proxy's own.")
    server_tls_cert: str = Field("", description="Certificate chain (PEM file) to speak TLS with; needs SERVER_TLS_KEY.")
    server_tls_key: str = Field("", description="Its private key (PEM file).")
    server_proxy: bool = Field(False, description="A proxy that speaks TLS stands in front: then any address may be listened on without it.")
    server_rate: int = Field(1200, ge=60, le=100_000, description="Requests a minute by each token; flatten, halt and close have more.")
    dashboard_url: str = Field("http://127.0.0.1:8501", description="Where the dashboard is: the API's /dashboard/ leads there.")
    runner_url: str = Field(
        "", description="Tools over TCP of a runner elsewhere, for the dashboard (https, or this machine); empty: this home's socket."
    )
    runner_token_file: str = Field("", description="File with the token for RUNNER_URL; scope `trade` if it is to halt and flatten, else `read`.")
    debug_mode: bool = Field(False, description="More log lines. Never shows secrets.")

    mcp_trading: bool = Field(False, description="MCP clients with a trade token may trade: each entry and change of a trade asks a person first.")

    bars_folder: str = Field("", description="Folder of your own bars (layout in pipelines/vendors/files.py); empty asks the vendors.")
    universe: str = Field("sp500", description="sp500, all (everything the broker lists as tradable), or symbols separated by commas.")
    strategies: str = Field("momentum", description="Strategies that trade, each with its share of the gross exposure: momentum:0.6,orb:0.4.")
    benchmark: str = Field("SPY", description="Symbol that betas and the regime refer to; without history, the equal-weighted universe.")
    history_sessions: int = Field(300, ge=60, le=5000, description="Daily bars fetched for each symbol; a year of regimes needs 272.")
    minute_sessions: int = Field(2, ge=1, le=60, description="Sessions of minute bars fetched before the day, to seed the indicators.")
    watchlist_size: int = Field(50, ge=1, le=1000, description="Symbols that the runner follows; Alpaca's free feed allows 30.")
    snapshots_kept: int = Field(20, ge=2, le=1000, description="Published snapshots kept, besides the one that the last session began with.")
    snapshot_key_file: str = Field(
        "", description="File (mode 600) with the key that snapshots are signed with: the night and the runner have it, nobody else; empty: unsigned."
    )
    runs_kept: int = Field(30, ge=0, le=100_000, description="Days that Dagster keeps runs and their logs, at least 14; 0: all. Data stay.")

    external: Literal["leave", "protect", "close"] = Field(
        "leave", description="What happens to positions that somebody else opened in the account: nothing, a stop at the broker, or the way out."
    )
    broker_rate: int = Field(180, ge=10, le=10_000, description="Requests a minute to the broker, all of them together; Alpaca takes 200.")
    broker_reserve: int = Field(60, ge=0, le=9_999, description="How many of those only exits, protection and cancels may use.")
    margin_multiplier: Literal["", "1", "2", "4"] = Field(
        "", description="Set at the broker when arming, so that it refuses more by itself: 1 is no borrowing; empty leaves it."
    )
    watchdog_deadline: float = Field(
        60.0, ge=5, le=3600, description="Seconds without a sign of life after which `daybot watchdog` closes what a dead runner left."
    )

    daybot_executor: Literal["in_process", "multiprocess", "celery", "k8s"] = Field(
        "in_process", description="What runs Dagster's steps: in_process is the cheapest; celery and k8s are configured by .dagster/<name>.yaml."
    )
    alert_webhook: SecretStr = Field(SecretStr(""), description="Address that alerts are posted to as JSON {text, ...}; empty: the log only.")
    alert_email: str = Field("", description="Addresses that alerts are mailed to, separated by commas; empty: no mail.")
    alert_smtp: SecretStr = Field(
        SecretStr("smtp://127.0.0.1:25"), description="Mail server: smtp://user:password@host:port; smtps:// from the start."
    )
    alert_desktop: bool = Field(False, description="Also show alerts on this machine's desktop (notify-send or osascript).")

    @field_validator("alpaca_base_url", "alpaca_data_url", "polygon_base_url", "dashboard_url", "runner_url")
    @classmethod
    def _http(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("expected an address that starts with http:// or https://")
        return value.rstrip("/")

    @field_validator("runner_url")
    @classmethod
    def _no_token_in_plain_text(cls, value: str) -> str:
        if value.startswith("http://") and urlsplit(value).hostname not in HERE:
            raise ValueError("expected https://: over http:// its token would pass other machines in plain text")
        return value

    @field_validator("polygon_stream_url")
    @classmethod
    def _websocket_host(cls, value: str) -> str:
        if not value.startswith(("ws://", "wss://")):
            raise ValueError("expected an address that starts with ws:// or wss://")
        return value.rstrip("/").removesuffix("/stocks")

    @field_validator("runs_kept")
    @classmethod
    def _longer_than_what_looks_back(cls, value: int) -> int:
        if 0 < value < 14:
            raise ValueError("expected 0 or at least 14: the automation `follow` makes up for missed sessions of the last week")
        return value

    @field_validator("daybot_lake")
    @classmethod
    def _folder_or_bucket(cls, value: str) -> str:
        if "://" in value and not value.startswith("s3://"):
            raise ValueError("expected a folder or an address that starts with s3://")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _nobody_listens_in(self) -> "Settings":
        if bool(self.server_tls_cert) != bool(self.server_tls_key):
            raise ValueError("SERVER_TLS_CERT and SERVER_TLS_KEY go together, found only one of them")
        if self.server_host not in HERE and not (self.server_tls_cert or self.server_proxy):
            raise ValueError(
                f"SERVER_HOST={self.server_host} is open to other machines, in plain text: use 127.0.0.1, name SERVER_TLS_CERT and "
                "SERVER_TLS_KEY, or say SERVER_PROXY=true where a proxy with TLS stands in front"
            )
        return self

    @model_validator(mode="after")
    def _whole_pair(self) -> "Settings":
        if bool(self.alpaca_data_key.get_secret_value()) != bool(self.alpaca_data_secret.get_secret_value()):
            raise ValueError("ALPACA_DATA_KEY and ALPACA_DATA_SECRET go together, found only one of them")
        return self

    @model_validator(mode="after")
    def _mode_fits_host(self) -> "Settings":
        host = self.alpaca_base_url
        if self.daybot_mode is Mode.LIVE and host != LIVE_URL:
            raise ValueError(f"DAYBOT_MODE=live needs ALPACA_BASE_URL={LIVE_URL}, found {host}")
        if self.daybot_mode is Mode.PAPER and host == LIVE_URL:
            raise ValueError(f"ALPACA_BASE_URL={LIVE_URL} is real money: set DAYBOT_MODE=live, or use {PAPER_URL}")
        if self.daybot_mode is Mode.SIM and host in {LIVE_URL, PAPER_URL}:
            raise ValueError(f"DAYBOT_MODE=sim needs the simulated exchange's address in ALPACA_BASE_URL, found {host}")
        return self

    @property
    def limits(self) -> Limits:
        """Only the limits, as the engine takes them."""
        return Limits(**{name: getattr(self, name) for name in Limits.model_fields})

    @property
    def keys(self) -> tuple[str, str]:
        """Alpaca's key and secret in plain text, for its clients and nobody else; `SettingsError` where one is missing."""
        found = {n.upper(): getattr(self, n).get_secret_value() for n in ("alpaca_api_key", "alpaca_secret_key")}
        missing = [name for name, value in found.items() if not value]
        if missing:
            raise SettingsError(f"expected Alpaca's keys, found {' and '.join(missing)} empty; the simulated exchange takes any")
        return found["ALPACA_API_KEY"], found["ALPACA_SECRET_KEY"]

    @property
    def data_keys(self) -> tuple[str, str]:
        """The pair that asks for data: the one that only reads where it is set, else the one that trades. In plain text, as `keys`."""
        found = self.alpaca_data_key.get_secret_value(), self.alpaca_data_secret.get_secret_value()
        return found if all(found) else self.keys

    @property
    def assets_url(self) -> str:
        """Trading host that lists assets: a key of a paper account asks the paper account's, whatever account trades."""
        return PAPER_URL if self.daybot_mode is Mode.LIVE and self.alpaca_data_key.get_secret_value() else self.alpaca_base_url

    @property
    def reading(self) -> "Settings":
        """The same without the pair that trades, where another one reads data."""
        if not self.alpaca_data_key.get_secret_value():
            return self
        return self.model_copy(update=dict.fromkeys(("alpaca_api_key", "alpaca_secret_key"), SecretStr("")))

    @property
    def lake(self) -> str:
        """Where the Parquet bars lie: a folder, or the s3:// address of a prefix; only `pipelines.lake` looks inside."""
        return self.daybot_lake or str(self.daybot_home / "lake")

    @property
    def warehouse(self) -> Path:
        """The one working DuckDB file; only `pipelines.store` opens it."""
        return self.daybot_home / "warehouse.duckdb"

    @property
    def snapshots(self) -> Path:
        """Folder of the published snapshots."""
        return self.daybot_home / "snapshots"

    @property
    def journals(self) -> Path:
        """Folder of the session journals."""
        return self.daybot_home / "journal"

    @property
    def socket(self) -> Path:
        """Where the running session listens for commands."""
        return self.daybot_home / "run" / "daybot.sock"

    @property
    def tokens(self) -> Path:
        """Hashes of the tokens that the control API takes over TCP."""
        return self.daybot_home / "run" / "tokens.json"

    @property
    def tickets(self) -> Path:
        """What models have asked a person for."""
        return self.daybot_home / "run" / "tickets"

    @property
    def heartbeat(self) -> Path:
        """The running session's sign of life, for the watchdog."""
        return self.daybot_home / "run" / "heartbeat.json"

    @property
    def data_url(self) -> str | None:
        """Market data REST host to hand to alpaca-py; None lets it use its own."""
        return self.alpaca_data_url or (self.alpaca_base_url if self.daybot_mode is Mode.SIM else None)

    @property
    def polygon_url(self) -> str:
        """Polygon REST host; in sim mode the simulated exchange speaks for Polygon as well, unless another host is named."""
        real = self.polygon_base_url == Settings.model_fields["polygon_base_url"].default
        return self.alpaca_base_url if self.daybot_mode is Mode.SIM and real else self.polygon_base_url

    @property
    def polygon_stream(self) -> tuple[str, bool]:
        """Host of Polygon's stream as its client wants it, and whether it speaks TLS; in sim mode the exchange's, unless another one is named."""
        real = self.polygon_stream_url == Settings.model_fields["polygon_stream_url"].default
        url = _websocket(self.alpaca_base_url) if self.daybot_mode is Mode.SIM and real else self.polygon_stream_url
        scheme, _, host = url.partition("://")
        return host, scheme == "wss"

    @property
    def market_stream_url(self) -> str | None:
        """Whole address of the market data stream; None lets alpaca-py use its own."""
        base = self.alpaca_stream_url or (_websocket(self.alpaca_base_url) if self.daybot_mode is Mode.SIM else "")
        return f"{base}/v2/{self.alpaca_feed}" if base else None

    @property
    def trading_stream_url(self) -> str | None:
        """Whole address of the order update stream; None lets alpaca-py use its own."""
        return f"{_websocket(self.alpaca_base_url)}/stream" if self.daybot_mode is Mode.SIM else None


SECRETS = tuple(name for name, field in Settings.model_fields.items() if field.annotation is SecretStr)
"""Names of the settings that nothing may write down."""


def load(**overrides: Any) -> Settings:
    """Settings from the overrides, then the environment, then `.env`, then the defaults.

    Raises `SettingsError` with one line for each bad value: variable, what was expected, what was found, an example.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(dict(e)) for e in error.errors())) from None


def keyless(**overrides: Any) -> Settings:
    """The same without a single secret: for what only shows, so that it has nothing to lose."""
    return load(**dict.fromkeys(SECRETS, "") | overrides)


def example() -> str:
    """The text of `.env.example`: every setting with its meaning and default, commented out."""
    lines = ["# DayBot's settings. Copy to .env and change what you need. Generated: make env-example", ""]
    for name, field in Settings.model_fields.items():
        lines += [f"# {field.description}", f"#{name.upper()}={_shown(field.default)}", ""]
    return "\n".join(lines)


def _websocket(url: str) -> str:
    return "ws" + url.removeprefix("http")


def _shown(default: object) -> str:
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, bool):
        return str(default).lower()
    return str(default)


def _explain(error: dict[str, Any]) -> str:
    """One bad value in words; a secret's value is never repeated."""
    name = str(error["loc"][0]) if error["loc"] else ""
    if not name:
        return str(error["msg"])
    field = Settings.model_fields[name]
    secret = isinstance(field.default, SecretStr)
    found = "(hidden)" if secret else repr(error["input"])
    return f"{name.upper()}: {error['msg']}; found {found}. {field.description} Example: {name.upper()}={_shown(field.default)}"
