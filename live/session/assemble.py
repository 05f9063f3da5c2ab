"""Puts one session together: the briefing, the engine, the clock, the journal and the runner, each checked against the others."""

import logging
from dataclasses import dataclass
from datetime import date, datetime, time
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
from filelock import FileLock, Timeout

from live.brokers.configuration import secure
from live.brokers.route import connect
from live.clock import Clock, ScaledClock, SteppedClock, SystemClock
from live.journal import Journal
from live.retention import tidy
from live.runner import MEGABYTE, Runner, Watch
from live.session import recovery
from live.session.morning import released, usable
from live.session.recovery import Recovered
from pipelines import journals, publish, roster
from pipelines.core.briefing import Briefing
from pipelines.core.errors import BrokerError, DataError, DaybotError, SettingsError, StaleBriefing, Unreachable
from pipelines.core.journal import Manifest
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.market.session import NEW_YORK, nanoseconds, new_york
from pipelines.core.market.session import Session as Hours
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.decisions import TradingState
from pipelines.core.trading.engine import Engine
from pipelines.durable import replaced
from pipelines.secrecy import exposed, variables
from pipelines.settings import Mode, Settings
from pipelines.vendors.alpaca import Alpaca
from pipelines.vendors.calendar import is_session, next_session, session_of
from pipelines.vendors.source import whole

LOG = logging.getLogger("daybot.live")

SHIPPED = ("pipelines/core", "live")


@dataclass(frozen=True, slots=True)
class Session:
    """Everything that one session runs on."""

    runner: Runner
    manifest: Manifest
    history: list[Bar]
    clock: Clock
    lock: FileLock
    resumed: bool
    """An earlier run began it: its journal holds what it did."""

    @property
    def briefing(self) -> Briefing:
        """What the night handed over."""
        return self.manifest.briefing


def clock(settings: Settings) -> Clock:
    """Our own clock, or in sim mode the simulated exchange's."""
    if settings.daybot_mode is not Mode.SIM:
        return SystemClock()
    told = venue_clock(settings)
    now = nanoseconds(datetime.fromisoformat(told["now"]))
    return SteppedClock(now) if told["mode"] == "stepped" else ScaledClock(now, float(told["speed"] or 1.0))


def venue_clock(settings: Settings) -> dict[str, Any]:
    """What the simulated exchange says of its time."""
    try:
        answer: dict[str, Any] = httpx.get(f"{settings.alpaca_base_url}/sim/clock", timeout=5.0).raise_for_status().json()
    except httpx.HTTPError as error:
        text = f"expected the simulated exchange at {settings.alpaca_base_url}, found {type(error).__name__}; start it with `daybot exchange`"
        raise Unreachable(text) from None
    return answer


def assemble(settings: Settings, *, watch: Watch, shadow: bool = False, until: time | None = None) -> Session:
    """The session that is next by the exchange's or our clock, ready to run: a new one, or the one that an earlier run left. One that has sent
    nothing, and for which a newer briefing was released since, begins again with that.

    `shadow`: nothing is sent, and a run that died is not gone on with. `until`: New York time at which everything is closed and the session ends.
    Raises `StaleBriefing` without a briefing for it, `SettingsError` when another runner works in this home or the account is not the one named.
    """
    known = clock(settings)
    lock = _only_runner(settings)
    try:
        belong(settings)
        account = _account(settings, shadow=shadow)
        session = _ahead(settings, known.now(), account, shadow=shadow)
        before = None if shadow else recovery.find(settings.journals, session, account)
        recovered = recovery.recover(before, part=settings.journal_part * MEGABYTE) if before is not None else None
        if recovered is not None:
            recovered.run = {"code": code_hash(), "settings": _set(settings)}
        state = TradingState.ACTIVE
        if recovered is not None and outdated(settings, recovered, known.now()):
            state, recovered = recovered.state, None
        manifest, engine, journal = _resumed(recovered) if recovered else _begun(settings, account, session, known, shadow=shadow)
        symbols = [candidate.symbol for candidate in manifest.briefing.watchlist]
        history = _so_far(settings, symbols, session, known.now())
        if recovered:
            history = recovered.missed(history)
        end = None if until is None else _moment(until, manifest.briefing.hours, session, known.now())
        runner = Runner(settings, engine, journal, known, symbols=symbols, watch=watch, recovered=recovered, state=state, shadow=shadow, until=end)
    except DaybotError:
        lock.release()
        raise
    return Session(runner, manifest, history, known, lock, recovered is not None)


def ahead(now: int) -> date:
    """Today's session, or the next one where today has none or it is over."""
    today = new_york(now).date()
    return today if is_session(today) and now < session_of(today).close else next_session(today)


def _ahead(settings: Settings, now: int, account: str, *, shadow: bool) -> date:
    """The same, but today's also after its close where a run of it has left something."""
    today = new_york(now).date()
    before = None if shadow else recovery.find(settings.journals, today, account)
    return today if before is not None and recovery.unfinished(before) else ahead(now)


def _moment(until: time, hours: Hours, session: date, now: int) -> int:
    at = nanoseconds(datetime.combine(session, until, NEW_YORK))
    if not max(now, hours.open) < at < hours.close:
        first, last = (f"{new_york(edge):%H:%M}" for edge in (max(now, hours.open), hours.close))
        raise SettingsError(f"expected --until between {first} and the close at {last} New York, found {until:%H:%M}")
    return at


def _begun(settings: Settings, account: str, session: date, known: Clock, *, shadow: bool) -> tuple[Manifest, Engine, Journal]:
    """A new session. The journals of shadow sessions lie in a folder of their own: no night takes them for trades."""
    briefing = _briefing(settings, session)
    strategies = roster.employ(settings.strategies)
    for done in tidy(settings):
        LOG.info(done)
    folder = settings.journals / journals.SHADOW if shadow else settings.journals
    number = len(journals.sessions(folder, session)) + 1
    run = sha256(f"{account} {session} {number} {known.now()}".encode()).hexdigest()[:4]
    manifest = Manifest(
        session=session,
        run=run,
        mode=settings.daybot_mode.value,
        shadow=shadow,
        account=account,
        speed=known.speed or 0.0,
        code=code_hash(),
        settings=_set(settings),
        strategies=tuple(roster.employed(a) for a in strategies),
        limits=settings.limits,
        briefing=briefing,
    )
    journal = Journal(folder / f"{session}-{number:02d}-{run}.jsonl", part=settings.journal_part * MEGABYTE)
    return manifest, Engine(briefing, settings.limits, strategies, run=run), journal


def outdated(settings: Settings, found: Recovered, now: int) -> bool:
    """There is a newer briefing and nothing was sent yet: its journal ends here, and another one begins."""
    held = found.manifest.briefing
    if found.sent:
        return False
    try:
        newest = released(settings, held)
    except DataError:
        return False
    if newest.version == held.version:
        return False
    if recovery.unfinished(found.journal.path):
        found.journal.append("briefing", now, {"held": held.version, "released": newest.version})
    found.journal.close()
    return True


def _resumed(found: Recovered) -> tuple[Manifest, Engine, Journal]:
    """The session that an earlier run of today began, with its briefing, its limits and its strategies."""
    return found.manifest, found.engine, found.journal


def _set(settings: Settings) -> dict[str, str]:
    """What was set besides the limits, which are written down whole."""
    return {name: value for name, value in variables(settings).items() if name.lower() not in Limits.model_fields}


def code_hash() -> str:
    """Hash of the shipped source that decides and sends: on every session, so that a decision can be traced to its code."""
    root = Path(__file__).parents[2]
    digest = sha256()
    for path in sorted(p for folder in SHIPPED for p in (root / folder).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _briefing(settings: Settings, today: date) -> Briefing:
    snapshot = publish.genuine(settings)
    try:
        briefing = snapshot.briefing(today)
    except StaleBriefing as error:
        last = snapshot.briefing()
        raise StaleBriefing(f"{error}; the last good one is for {last.session}, made {last.created_at:%Y-%m-%d %H:%M} UTC") from None
    return usable(settings, briefing)


def _only_runner(settings: Settings) -> FileLock:
    """One runner an account and home: a second one would trade against the first."""
    settings.daybot_home.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(settings.daybot_home / "runner.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SettingsError(f"expected to be the only runner in {settings.daybot_home}, found another; see `daybot status`") from None
    return lock


def belong(settings: Settings, *, claim: bool = True) -> str:
    """A home is one kind of money's, that of its first session, noted in its file `mode`; which kind. Empty: nobody's yet, where it is not claimed.

    Raises SettingsError where it is another's: nothing written for one (journals, tables, tokens, halts) is read for the other.
    """
    note, mode = settings.daybot_home / "mode", settings.daybot_mode.value
    found = note.read_text().strip() if note.exists() else next((head.mode for head in recovery.heads(settings.journals)), "")
    if found and found != mode:
        raise SettingsError(
            f"expected a home of {mode} money, found {settings.daybot_home}, in which {found} money is traded; "
            "set DAYBOT_HOME to another folder (DAYBOT_LAKE may be the same one: bars are nobody's)"
        )
    if claim and not note.exists():
        with replaced(note, mode=0o600) as file:
            file.write(mode.encode())
    return mode if claim else found


def _account(settings: Settings, *, shadow: bool) -> str:
    route = connect(settings)
    account = route.get_account()
    if not isinstance(account, dict):
        raise BrokerError(f"expected the account as an object, found {type(account).__name__}")
    number = str(account["account_number"])
    if settings.daybot_mode is Mode.LIVE and number != settings.alpaca_account:
        raise SettingsError(f"live mode expects account {settings.alpaca_account or '(ALPACA_ACCOUNT is empty)'}, found {number}; check the keys")
    if settings.daybot_mode is Mode.LIVE and (found := exposed(settings)):
        raise SettingsError(f"live mode expects files that their owner alone may read, found {', '.join(found)}")
    if not shadow:
        secure(route, settings)
    return number


def _so_far(settings: Settings, symbols: list[str], session: date, now: int) -> list[Bar]:
    """The minute bars of the session's day that came before we did, for the indicators."""
    if session > new_york(now).date():
        return []
    found = whole(Alpaca(settings).minutes(symbols, session, session))
    if unanswered := set(symbols) - set(found.symbols):
        reason = "; ".join(found.malformed["reason"].to_list()[:1])
        raise Unreachable(
            f"expected today's minutes so far of {len(symbols)} symbols, found none for {len(unanswered)} of them ({reason}); start again"
        )
    frame = found.rows.sort("timestamp", "symbol")
    bars = []
    for row in frame.iter_rows(named=True):
        start = nanoseconds(row["timestamp"])
        if start + MINUTE <= now and row["volume"] > 0:
            typical = (row["high"] + row["low"] + row["close"]) / 3
            prices = (row["open"], row["high"], row["low"], row["close"])
            bars.append(Bar(row["symbol"], start, *prices, row["volume"], row["vwap"] or typical, row["trades"] or 0))
    return bars
