"""The command as a process of its own: it says where it listens, stops quickly with code 0, explains what it cannot do, and shows what happens."""

import asyncio
import io
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from live.sim.__main__ import app
from live.sim.clock import LoopClock, local
from live.sim.command.view import View
from live.sim.inloop import hosting

COMMAND = [sys.executable, "-m", "live.sim"]
ROOT = Path(__file__).parents[2]
KEYS = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}
ORDER = {"symbol": "AAA", "side": "buy", "qty": "3", "type": "market", "time_in_force": "day"}


def ready(path: Path, process: subprocess.Popen) -> dict:
    """Wait for the file that appears once the socket listens."""
    pause = threading.Event()
    for _ in range(3_000):
        if path.exists():
            return json.loads(path.read_text())
        assert process.poll() is None, "the exchange ended before it listened"
        pause.wait(0.01)
    raise AssertionError("the exchange did not listen within 30 s")


def test_command_listens_on_a_free_port_and_stops_cleanly(tmp_path, minutes):
    file = minutes({"AAA": [100.0] * 30})
    ready_file = tmp_path / "ready.json"
    command = [*COMMAND, "--world", str(file), "--port", "0", "--speed", "60", "--skip-closed", "--ready-file", str(ready_file)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        found = ready(ready_file, process)
        clock = httpx.get(found["url"] + "/sim/clock", trust_env=False).json()
        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - asked < 2
    assert found["pid"] == process.pid
    assert (clock["mode"], clock["speed"], clock["world"], clock["session"]) == ("speed", 60.0, "recorded", "2026-11-20")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--date", "2026-11-21"], "no NYSE session"),
        (["--date", "tomorrow"], "--date must look like"),
        (["--start", "noon"], "--start must look like"),
        (["--history", "days.parquet"], "--history belongs to recorded minutes"),
        (["--actions", "actions.csv"], "--actions belongs to recorded minutes"),
        (["--assets", "nowhere.csv"], "found nothing at nowhere.csv"),
        (["--plan", "gold"], "--plan must be one of unlimited, basic"),
        (["--multiplier", "3"], "--multiplier must be 1, 2 or 4"),
        (["--world", "nowhere.parquet"], "found nothing at nowhere.parquet"),
        (["--polygon-plan", "free"], "--polygon-plan must be one of realtime, delayed"),
        (["--polygon-loser", "both"], "--polygon-loser must be one of older, newer"),
        (["--at", "polygon"], "--at must look like polygon=8766 or polygon=/polygon"),
        (["--at", "crypto=8766"], "one of trading, data, stream, polygon"),
        (["--at", "data=65536"], "found 'data=65536'"),
        (["--at", "data=0", "--at", "data=/data"], "--at gives data two addresses"),
    ],
)
def test_command_explains_what_it_cannot_do_and_ends_with_2(arguments, words):
    done = CliRunner().invoke(app, [*arguments, "--port", "0"])
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        plug.listen()
        port = plug.getsockname()[1]
        for arguments in (["--port", str(port)], ["--port", "0", "--at", f"polygon={port}"]):
            done = CliRunner().invoke(app, arguments)
            assert done.exit_code == 1
            assert f"cannot use port {port}" in done.stderr


def test_help_groups_every_option_by_subject_and_gives_examples():
    done = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "160", "TERMINAL_WIDTH": "160"})
    for words in ("The market", "Time", "The account", "Alpaca's terms", "Polygon's terms", "Addresses and faults", "Examples:", "--at polygon=8766"):
        assert words in done.output
    assert re.findall(r"^.*Options.*$", done.output, re.M)[-1].startswith("╭─ Options")
    ungrouped = done.output.split("╭─ Options")[1].split("╰")[0]
    assert re.findall(r"--[a-z-]+", ungrouped) == ["--help"]


def test_each_host_can_have_a_port_or_a_path_of_its_own_and_knows_no_other_paths(tmp_path, minutes):
    ready_file = tmp_path / "ready.json"
    options = ["--stepped", "--start", "09:31", "--port", "0", "--ready-file", str(ready_file), "--world", str(minutes({"AAA": [100.0] * 30}))]
    options += ["--at", "trading=0", "--at", "data=/deep/data", "--at", "stream=0", "--at", "polygon=0"]
    options += ["--polygon-key", "PK", "--polygon-rate-limit", "4", "--rate-limit", "0"]
    with subprocess.Popen([*COMMAND, *options], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            found = ready(ready_file, process)
            judge_hosts(found["url"], found["hosts"])
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def judge_hosts(main: str, hosts: dict[str, str]) -> None:
    paths = {"trading": "/v2/account", "data": "/v2/stocks/AAA/trades/latest", "polygon": "/v1/marketstatus/now"}
    assert len({main, *hosts.values()}) == 5
    assert hosts["data"] == main + "/deep/data"
    with httpx.Client(headers=KEYS | {"Authorization": "Bearer PK"}, trust_env=False) as client:
        # Polygon's key and Alpaca's travel in one header where both are asked: the main port takes either.
        for host, path in paths.items():
            for other, url in {**hosts, "main": main}.items():
                status = client.get(url + path).status_code
                assert (status == 200) == (other in (host, "main")), (host, other, status)
        assert client.get(hosts["data"] + "/sim/clock").status_code == 404
        assert client.get(hosts["polygon"] + "/v1/marketstatus/now", headers={"Authorization": "Bearer other"}).status_code == 401
        assert client.get(hosts["polygon"] + "/v1/marketstatus/now").status_code == 429  # the fifth of this minute
    for name, path in (("trading", "/stream"), ("stream", "/v2/sip"), ("polygon", "/stocks")):
        for other in ("trading", "stream", "polygon"):
            address = hosts[other].replace("http", "ws", 1) + path
            refused = nullcontext() if name == other else pytest.raises(InvalidStatus)
            with refused, connect(address, proxy=None):
                assert name == other


def test_the_panel_in_a_terminal_shows_clock_orders_fills_and_faults(tmp_path, minutes):
    ready_file, (ours, theirs) = tmp_path / "ready.json", pty.openpty()
    command = [*COMMAND, "--world", str(minutes({"AAA": [100.0] * 300})), "--port", "0", "--start", "09:31", "--speed", "60", "--partial-rate", "0"]
    environment = os.environ | {"COLUMNS": "110", "LINES": "40", "TERM": "xterm-256color"}
    with subprocess.Popen([*command, "--ready-file", str(ready_file)], cwd=ROOT, stderr=theirs, env=environment) as process:
        os.close(theirs)
        try:
            url = ready(ready_file, process)["url"]
            with httpx.Client(base_url=url, headers=KEYS, trust_env=False) as client:
                client.post("/sim/faults", json={"kind": "rest.status", "path": "/v2/account", "status": 503})
                assert client.get("/v2/account").status_code == 503
                assert client.post("/v2/orders", json=ORDER).status_code == 200
                shown = seen(ours, r"filled +1.*rest\.status hit")
        finally:
            process.terminate()
            while select.select([ours], [], [], 0.05)[0] and os.read(ours, 65_536):  # or it cannot write its end
                pass
        assert process.wait(timeout=10) == 0
    os.close(ours)
    for pattern in (r"SIMULATED minutes", r"open, closes in 6:\d\d:\d\d  x60", r"fills", r"buy +3 +AAA", re.escape(url)):
        assert re.search(pattern, shown), (pattern, shown[-1500:])


def seen(terminal: int, pattern: str) -> str:
    """What the terminal showed, without its escapes, once the pattern is in it."""
    raw, deadline = b"", time.monotonic() + 20
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            raw += os.read(terminal, 65_536)
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw.decode(errors="replace"))
        if re.search(pattern, plain, re.S):
            return plain
    raise AssertionError(f"the terminal did not show {pattern} within 20 s: {plain[-2_000:]}")


def test_the_log_line_and_the_panel_count_what_the_books_hold(generated):
    async def work() -> tuple[str, str, dict]:
        async with hosting(generated, LoopClock(local(date(2026, 11, 20), 9, 31)), partial_rate=0.0) as exchange:
            view = View(exchange.core, exchange.url, {"polygon": "http://127.0.0.1:1"})
            async with httpx.AsyncClient(base_url=exchange.url, headers=KEYS, trust_env=False) as client:
                exchange.inject(kind="rest.status", path="/v2/positions", status=500)
                for symbol in ("AAPL", "KO"):
                    await client.post("/v2/orders", json=ORDER | {"symbol": symbol})
                resting = ORDER | {"symbol": "GE", "type": "limit", "limit_price": "1"}
                await client.post("/v2/orders", json=resting)
                await client.get("/v2/positions")
                await asyncio.sleep(0.5)
            line = view.line()
            out = Console(width=120, file=io.StringIO())
            out.print(view.panel())
            return line, out.file.getvalue(), exchange.books()

    line, panel, books = asyncio.run(work())
    facts = dict(part.split("=", 1) for part in line.split() if "=" in part)
    filled = len(books["fills"])
    assert (facts["orders"], facts["fills"], facts["faults"], facts["injected"]) == ("3", str(filled), "1", "1")
    assert (facts["state"], facts["market.clients"], facts["polygon.clients"]) == ("open", "0", "0")
    assert float(facts["requests.rate"]) > 0
    assert facts["now"].startswith("2026-11-20T09:31:0")
    assert re.search(r"requests +0\.0 +4", panel)
    assert re.search(r"rest\.status +1  path=/v2/positions", panel)
    assert "polygon http://127.0.0.1:1" in panel
