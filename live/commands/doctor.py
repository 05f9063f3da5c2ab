"""Looks at everything that has to be right before a session, and says what to do about what is not."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from live.brokers import reading
from live.brokers.route import connect
from live.session.assemble import ahead, belong, clock
from pipelines import publish
from pipelines.core.briefing import Briefing
from pipelines.core.errors import DataError, DaybotError, MissingData, SettingsError, StaleBriefing, Unreachable
from pipelines.core.market.bars import SECOND
from pipelines.core.market.session import nanoseconds, new_york
from pipelines.secrecy import exposed
from pipelines.settings import Settings, load
from pipelines.vendors.alpaca import Alpaca
from pipelines.vendors.calendar import previous_session, session_of
from pipelines.vendors.source import whole

LEAST_DISK = 5e9
"""Bytes: a session's journal is about 0.1 GB, a year of minute bars of 500 names 3 GB."""

DRIFT = 2 * SECOND

SILENT = "make sure that it runs and that ALPACA_BASE_URL names it; then look at the network"
"""What to do where nobody has answered, whatever was asked: nothing was learned of what the question was about."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One look."""

    name: str
    passed: bool
    found: str
    remedy: str = ""


def examine(home: Path | None) -> list[Finding]:
    """Every check, in the order in which one depends on the other; none stops the next but the settings."""
    try:
        settings = load(daybot_home=home) if home else load()
    except SettingsError as error:
        return [Finding("settings", False, str(error), "correct the environment or .env; see .env.example")]
    return [Finding("settings", True, f"mode {settings.daybot_mode.value}, home {settings.daybot_home}"), *looks(settings)]


def looks(settings: Settings) -> list[Finding]:
    """Every check but that of the settings."""
    made: list[tuple[str, Callable[[Settings], str], str]] = [
        ("keys", _keys, "set ALPACA_API_KEY and ALPACA_SECRET_KEY; both are on Alpaca's dashboard under API keys"),
        ("disk", _disk, "free some space, or point DAYBOT_HOME elsewhere"),
        ("home", _home, "give sim, paper and live a DAYBOT_HOME each"),
        ("files", _files, "nobody else on this machine should read keys, journals and tokens"),
        ("calendar", _calendar, "update exchange-calendars; where the broker is right, do not trade that day"),
        ("broker", _broker, "check the keys, ALPACA_BASE_URL and the network"),
        ("clock", _clock, "let the machine follow a time server (timedatectl set-ntp true)"),
        ("market data", _market_data, "check ALPACA_FEED against your plan: iex is free, sip is not"),
        ("database", _database, "run the pre_open job: `daybot demo`, `daybot up`, or the Dagster UI"),
        ("data checks", _checks, "look at the checks in the Dagster UI, mend the data and run pre_open again, or resume knowing it"),
    ]
    return [_look(settings, *look) for look in made]


def _look(settings: Settings, name: str, look: Callable[[Settings], str], remedy: str) -> Finding:
    try:
        return Finding(name, True, look(settings))
    except Unreachable as silence:
        return Finding(name, False, str(silence), SILENT)
    except DaybotError as error:
        return Finding(name, False, str(error), remedy)


def _keys(settings: Settings) -> str:
    _ = settings.keys
    polygon = "set" if settings.polygon_api_key.get_secret_value() else "not set, so there is no second vendor"
    return f"Alpaca's are set; Polygon's is {polygon}"


def _disk(settings: Settings) -> str:
    folder = settings.daybot_home
    while not folder.exists():
        folder = folder.absolute().parent
    free = shutil.disk_usage(folder).free
    if free < LEAST_DISK:
        raise SettingsError(f"expected {LEAST_DISK / 1e9:.0f} GB free, found {free / 1e9:.1f} GB")
    return f"{free / 1e9:.0f} GB free"


def _home(settings: Settings) -> str:
    found = belong(settings, claim=False)
    return f"of {found} money" if found else f"nobody's yet; the first session makes it {settings.daybot_mode.value} money's"


def _files(settings: Settings) -> str:
    if found := exposed(settings):
        raise SettingsError(f"expected files that their owner alone may read, found {', '.join(found)}")
    return "the settings file and the home are their owner's alone"


def _calendar(settings: Settings) -> str:
    """Our calendar against the broker's: a holiday or an early close that one of them does not know of moves every deadline."""
    now = clock(settings).now()
    today, session = new_york(now).date(), ahead(now)
    hours = session_of(session)
    ours = (f"{new_york(hours.open):%H:%M}", f"{new_york(hours.close):%H:%M}")
    days = reading.calendar(connect(settings), today, session)
    theirs = next(((day, times) for day, times in sorted(days.items()) if day > today or session == today), None)
    if theirs != (session, ours):
        found = f"{theirs[0]} from {' to '.join(theirs[1])}" if theirs else "none until then"
        raise SettingsError(f"expected the broker's next session to be {session} from {' to '.join(ours)} New York, found {found}")
    return f"{'today' if today == session else 'the next session'}, {session}, from {' to '.join(ours)} New York, as the broker has it"


def _broker(settings: Settings) -> str:
    account = connect(settings).get_account()
    if not isinstance(account, dict):
        raise MissingData(f"expected an account, found {type(account).__name__}")
    blocked = [k for k in ("trading_blocked", "account_blocked", "trade_suspended_by_user") if account.get(k)]
    if blocked or account.get("status") != "ACTIVE":
        raise SettingsError(f"expected an account that may trade, found status {account.get('status')} {' '.join(blocked)}")
    return f"account {account['account_number']}, equity {float(account['equity']):,.2f}"


def _clock(settings: Settings) -> str:
    before = clock(settings).now()
    answer = connect(settings).get_clock()
    if not isinstance(answer, dict):
        raise MissingData(f"expected the broker's clock, found {type(answer).__name__}")
    theirs = nanoseconds(datetime.fromisoformat(str(answer["timestamp"])))
    drift = theirs - before
    if abs(drift) > DRIFT * (clock(settings).speed or 1.0):
        raise SettingsError(f"expected our clock within {DRIFT / SECOND:.0f} s of the broker's, found it {drift / SECOND:+.1f} s off")
    return f"{drift / SECOND:+.2f} s from the broker's"


def _market_data(settings: Settings) -> str:
    today = new_york(clock(settings).now()).date()
    last = previous_session(today)
    bars = whole(Alpaca(settings).daily([settings.benchmark, "AAPL", "TSLA"], last, last)).rows
    if bars.is_empty():
        raise MissingData(f"expected a daily bar of {settings.benchmark}, AAPL or TSLA for {last}, found none")
    return f"{len(bars)} daily bars for {last}, feed {settings.alpaca_feed}"


def _database(settings: Settings) -> str:
    briefing = publish.current(settings).briefing()
    made = f"made {_age(briefing):.1f} hours ago, {len(briefing.watchlist)} symbols watched"
    session = ahead(clock(settings).now())
    if briefing.session < session:
        raise StaleBriefing(f"expected a briefing for {session}, found the last good one, for {briefing.session}, {made}")
    return f"briefing for {briefing.session}, {made}"


def _checks(settings: Settings) -> str:
    briefing = publish.current(settings).briefing()
    if briefing.doubts:
        raise DataError(f"the session will start in REDUCING: {'; '.join(briefing.doubts)}")
    failed = [f"{check.asset} {check.name}: {check.detail}" for check in briefing.checks if not check.passed]
    return f"{len(briefing.checks) - len(failed)} of {len(briefing.checks)} passed" + (f"; advice: {'; '.join(failed)}" if failed else "")


def _age(briefing: Briefing) -> float:
    """Hours since it was made, by the wall clock on purpose: for a person."""
    return (datetime.now(UTC) - briefing.created_at).total_seconds() / 3600
