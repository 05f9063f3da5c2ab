"""A canary in every secret: nothing that any part of the chain writes down holds one, at DEBUG, with faults, whatever dies."""

import gzip
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import quote

import duckdb
import httpx
import pytest
from commands import ROOT, free_port, until
from desk import world
from floor import Floor, floor_settings, play
from streamlit.testing.v1 import AppTest

from live.brokers.route import connect
from live.commands import demo
from live.doors.tokens import Scope, Tokens
from live.sim.embedded import Exchange
from pipelines.core.errors import DaybotError
from pipelines.secrecy import BLOT, conceal, secrets, without
from pipelines.settings import SECRETS, Settings, keyless, load
from pipelines.vendors.calendar import previous_session

CANARY = "k4nary"
BIRDS = {name: f"{CANARY}-{name.replace('_', '-')}-5ecret+of/{n}=" for n, name in enumerate(SECRETS)}
BIRDS["alert_webhook"] = f"http://127.0.0.1:9/{CANARY}/hook"
BIRDS["alert_smtp"] = f"smtp://someone:{CANARY}-password@127.0.0.1:9"


@pytest.fixture
def quiet_again() -> Iterator[None]:
    """What concealing changes for a whole process is taken back."""
    factory, hook, level = logging.getLogRecordFactory(), sys.excepthook, logging.getLogger().level
    yield
    logging.setLogRecordFactory(factory)
    sys.excepthook = hook
    logging.getLogger().setLevel(level)


def known(**more: object) -> Settings:
    return load(**BIRDS | more)


# --- what conceals


def test_every_secret_is_hidden_however_it_is_spelled_and_placeholders_are_words() -> None:
    hidden = secrets(known(), {"AWS_SECRET_ACCESS_KEY": f"{CANARY}-aws-secret"})
    for bird in BIRDS.values():
        assert bird in hidden
    assert {f"{CANARY}-password", f"{CANARY}-aws-secret", quote(BIRDS["alpaca_secret_key"], safe="")} <= hidden
    assert secrets(load(alpaca_api_key="SIM", alpaca_secret_key="SIM"), {}) == frozenset()


@pytest.mark.usefixtures("quiet_again")
def test_no_log_record_holds_a_secret_whoever_formats_it(caplog: pytest.LogCaptureFixture) -> None:
    conceal(known())
    conceal(load(polygon_api_key=f"{CANARY}-another-one"))
    log, bird = logging.getLogger("somebody"), BIRDS["alpaca_secret_key"]
    log.warning("in the text: %s", bird)
    log.warning({"in": "an object", "header": bird})
    log.warning("as an argument %s of %r", bird, {"key": bird})
    log.warning("too few %s %s", bird)
    log.warning("in an address %s", quote(bird, safe=""))
    log.warning("of an earlier call %s", f"{CANARY}-another-one")
    try:
        raise ValueError(f"answered {bird}")
    except ValueError:
        log.exception("with a traceback")
    log.warning("nothing to hide: %d of %d", 1, 2)
    assert CANARY not in caplog.text
    assert caplog.text.count(BLOT) >= 7
    assert "nothing to hide: 1 of 2" in caplog.text
    assert "ValueError: answered" in caplog.text


def test_what_nobody_caught_dies_without_telling() -> None:
    bird = BIRDS["alpaca_secret_key"]
    code = f"from pipelines.secrecy import conceal\nfrom pipelines.settings import load\nconceal(load(alpaca_secret_key={bird!r}))\n"
    died = subprocess.run([sys.executable, "-c", f"{code}raise OSError({bird!r})"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert f"OSError: {BLOT}" in died.stderr
    assert "5ecret" not in died.stderr


def test_the_settings_themselves_tell_nobody() -> None:
    for text in (repr(known()), str(known()), known().model_dump_json(), f"{known().model_dump()}"):
        assert CANARY not in text
    assert all(not getattr(keyless(), name).get_secret_value() for name in SECRETS)
    assert CANARY not in str(without({name.upper(): bird for name, bird in BIRDS.items()}))


# --- the order path at DEBUG


@pytest.mark.usefixtures("quiet_again")
def test_real_clients_at_debug_with_faults_leave_no_secret_in_log_journal_or_errors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Exchange(world(tmp_path, {"AAA": [100.0] * 60, "BBB": [100.0] * 60}), stepped=True, partial_rate=0.0, rate_limit=0) as exchange:
        exchange.step_to(10, 0)
        keys = {name: BIRDS[name] for name in ("alpaca_api_key", "alpaca_secret_key")}
        settings = floor_settings(exchange.url, tmp_path / "home", **keys, debug_mode=True)
        conceal(settings)
        caplog.set_level(logging.DEBUG)

        async def act(floor: Floor) -> None:
            await floor.held()
            exchange.inject(kind="rest.status", status=503, path="/v2/*", times=3)
            exchange.inject(kind="stream.close", stream="trading", code=1011)
            await floor.step(5, heard=False)

        floor = play(exchange, settings, act)
        exchange.inject(kind="rest.unauthorized", path="/v2/*", times=1)
        with pytest.raises(DaybotError) as refused:
            connect(settings).get_account()
        assert floor.books.positions == {"AAA": 100}
    assert len(caplog.records) > 10, "DEBUG logs something"
    trail = "".join(f"{error!r} {error} {vars(error)}" for error in chain(refused.value))
    written = b"".join(path.read_bytes() for path in settings.daybot_home.rglob("*") if path.is_file())
    assert CANARY not in caplog.text + trail
    assert CANARY.encode() not in written


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that it came of, as a traceback shows them."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


# --- the whole chain


FAULTS = [
    {"kind": "rest.status", "status": 503, "path": "/v2/*", "times": 3},
    {"kind": "rest.unauthorized", "path": "/v2/positions", "times": 2},
    {"kind": "rest.reset", "path": "/v2/orders*", "times": 2},
    {"kind": "stream.close", "stream": "market", "code": 1011},
    {"kind": "stream.close", "stream": "trading", "code": 1011},
    {"kind": "stream.corrupt", "stream": "market", "times": 5},
]


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_the_whole_chain_writes_no_secret_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Night, a day at DEBUG with faults, night, notebook, pages: then every byte and every table of the home is read."""
    home, played = tmp_path / "home", demo.World(date(2026, 11, 20))
    home.mkdir()
    for name, bird in BIRDS.items():
        monkeypatch.setenv(name.upper(), bird)
    monkeypatch.setenv("DEBUG_MODE", "true")
    monkeypatch.setenv("ALERT_EMAIL", "somebody@example.org")
    shown = []
    with demo.exchange(played, home, "--stepped") as url:
        settings = demo.sim_settings(url, home, **BIRDS)
        demo.dagster(settings, "pre_open", previous_session(played.day))
    plain = Tokens(settings.tokens).create("canary", Scope.TRADE, 1.0)
    with demo.exchange(played, home, "--speed", "60", "--start", "09:25") as url:
        settings = demo.sim_settings(url, home, **BIRDS)
        port = free_port()
        environ = demo.environment(settings) | {"SERVER_PORT": f"{port}"}

        def asked(path: str, **headers: str) -> httpx.Response:
            try:
                return httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=10)
            except httpx.HTTPError as error:
                return httpx.Response(503, text=f"{error}")

        with (home / "live.log").open("w") as log:
            words = [sys.executable, "-m", "live.cli", "live", "--listen"]
            running = subprocess.Popen(words, env=environ, stdout=log, stderr=log, cwd=ROOT)
            until(lambda: asked("/readyz").status_code == 200 or running.poll() is not None, "the session is ready", 180)
            assert running.poll() is None, (home / "live.log").read_text()
            for fault in FAULTS:
                httpx.post(f"{url}/sim/faults", json=fault).raise_for_status()
                time.sleep(2)  # wall time: the day goes on meanwhile
                shown.append(asked("/status", authorization=f"Bearer {plain}").text)
            running.send_signal(signal.SIGINT)
            running.wait(60)
        with pytest.MonkeyPatch.context() as broken:  # a night that fails: its traceback goes to Dagster's event store
            broken.setenv("ALPACA_BASE_URL", "http://127.0.0.1:9")
            failing = demo.sim_settings("http://127.0.0.1:9", home, **BIRDS, vendor_retries=0)
            with pytest.raises(DaybotError):
                demo.dagster(failing, "pre_open", previous_session(previous_session(played.day)))
        demo.dagster(settings, "after_close", played.day)
        studied = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "pipelines.definitions", "--select", "group:studies"]
        done = subprocess.run([*studied, "--partition", f"{played.day}"], env=environ, cwd=ROOT, capture_output=True, text=True)
        shown.append(done.stdout + done.stderr)
        assert len(list((home / "notebooks").rglob("*.ipynb"))) >= 4, done.stderr[-2000:]  # one that breaks off is kept, and read, so far
    monkeypatch.setenv("DAYBOT_HOME", str(home))
    for page in ("app.py", *(f"views/{path.name}" for path in (ROOT / "dashboards" / "views").glob("[a-z]*.py"))):
        shown.append(f"{AppTest.from_file(ROOT / 'dashboards' / page, default_timeout=120).run()}")
    assert list(settings.journals.glob("*.jsonl")), (home / "live.log").read_text()
    assert (home / "dagster" / "storage").exists() or list((home / "dagster").rglob("*.db"))
    assert [name for name, text in files(home) if CANARY.encode() in text and name != "tokens.json"] == []
    assert [name for name, text in files(home) if plain.encode() in text] == []
    assert [table for table, text in tables(home) if CANARY in text] == []
    assert CANARY not in "".join(shown)
    assert len(list(tables(home))) > 20


def files(home: Path) -> Iterator[tuple[str, bytes]]:
    """Everything below, unpacked where it is packed."""
    for path in home.rglob("*"):
        if path.is_file():
            yield path.name, gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def tables(home: Path) -> Iterator[tuple[str, str]]:
    """Every table of every DuckDB file and every Parquet file as text: they pack their strings."""
    for path in [*home.rglob("*.duckdb")]:
        with duckdb.connect(str(path), read_only=True) as connection:
            for (name,) in connection.sql("SELECT table_name FROM duckdb_tables()").fetchall():
                yield f"{path.name} {name}", str(connection.sql(f'SELECT CAST(t AS VARCHAR) FROM "{name}" t').fetchall())
    for path in home.rglob("*.parquet"):
        yield path.name, str(duckdb.sql(f"SELECT CAST(t AS VARCHAR) FROM read_parquet('{path}') t").fetchall())
