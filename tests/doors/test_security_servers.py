"""The other three servers against the same other people's pages: the simulated exchange's own API, Dagster's web server, Streamlit."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from commands import free_port, until
from desk import Books, world
from served import GOOD, HOSTS, ORIGINS

from live.sim.embedded import Exchange

ROOT = Path(__file__).parents[2]


def headers(host: str, origin: str | None, port: int) -> dict[str, str]:
    name = host.format(port=port)
    return {"host": name} | ({"origin": origin.format(host=name)} if origin else {})


@contextmanager
def process(command: list[str], url: str, environ: dict[str, str], log: Path) -> Iterator[None]:
    """A server in a process of its own, once it answers."""
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environ, cwd=ROOT, start_new_session=True) as running:
        try:
            deadline = time.monotonic() + 120
            while True:
                assert running.poll() is None and time.monotonic() < deadline, log.read_text()
                try:
                    httpx.get(url, timeout=5)
                    break
                except httpx.HTTPError:
                    time.sleep(0.2)
            yield
        finally:
            os.killpg(running.pid, signal.SIGTERM)


# --- the simulated exchange: no keys on its own API, so no page may reach it


def test_no_page_moves_the_clock_or_sets_faults_of_a_simulated_exchange(tmp_path: Path) -> None:
    with Exchange(world(tmp_path, {"AAA": [100.0] * 10}), stepped=True) as exchange, httpx.Client(base_url=exchange.url) as client:
        port = client.base_url.port or 0
        assert not reachable_elsewhere(port)
        routes = [
            ("POST", "/sim/clock/step", {"seconds": 1}),
            ("POST", "/sim/faults", {"kind": "rest.empty", "times": 1}),
            ("DELETE", "/sim/faults", None),
        ]
        for (method, path, body), host, origin in itertools.product(routes, HOSTS, ORIGINS):
            answer = client.request(method, path, json=body, headers=headers(host, origin, port))
            assert answer.is_success == ((host, origin) in GOOD), (method, path, host, origin, answer.text)
        for method, path, body in routes:
            assert client.request(method, path, json=body, headers={"sec-fetch-site": "cross-site"}).status_code == 403
        assert client.get("/sim/books", headers={"host": "evil.example"}).status_code == 403
        assert Books(exchange).positions == {}


# --- Dagster: what `daybot dagster --read-only` serves

ASSETS = "{ repositoriesOrError { ... on RepositoryConnection { nodes { location { name } } } } }"
LAUNCH = (
    'mutation { launchRun(executionParams: {selector: {repositoryLocationName: "daybot", repositoryName: "__repository__", jobName: "pre_open"}, '
    'runConfigData: {}, executionMetadata: {tags: [{key: "dagster/partition", value: "2024-06-18"}]}}) { __typename } }'
)


def test_no_page_starts_a_run_on_a_read_only_dagster(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = [sys.executable, "-m", "live.cli", "dagster", "--read-only", "--home", str(tmp_path / "home"), "--port", str(port)]
    environ = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "ALPACA_SECRET_KEY": "canary-of-dagster"}
    with process(words, f"{url}/server_info", environ, tmp_path / "dagster.log"), httpx.Client(base_url=url, timeout=60) as client:
        assert not reachable_elsewhere(port)

        def told(query: str) -> Any:
            return client.post("/graphql", json={"query": query}).json()["data"]

        until(lambda: bool(told(ASSETS)["repositoriesOrError"].get("nodes")), "the assets are loaded", 150)
        for host, origin in itertools.product(HOSTS, ORIGINS):
            asked = headers(host, origin, port) | {"Sec-Fetch-Site": "cross-site"}
            by_get = client.get("/graphql", params={"query": LAUNCH}, headers=asked)
            for answer in (by_get, client.post("/graphql", json={"query": LAUNCH}, headers=asked)):
                assert not answer.is_success or launched(answer) == "UnauthorizedError", answer.text
        assert told(LAUNCH)["launchRun"]["__typename"] == "UnauthorizedError"
        assert client.post("/graphql", content=LAUNCH, headers={"content-type": "text/plain"}).status_code == 400
        assert told("{ runsOrError { ... on Runs { results { runId } } } }")["runsOrError"]["results"] == []
        assert "canary-of-dagster" not in client.post("/graphql", json={"query": "{ instance { info } }"}).text


def launched(answer: httpx.Response) -> str:
    return str(json.loads(answer.text)["data"]["launchRun"]["__typename"])


def reachable_elsewhere(port: int) -> bool:
    """Whether this port answers on an address of this machine that others can see."""
    for *_, (address, *_rest) in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET):
        if not address.startswith("127."):
            with socket.socket() as plug:
                plug.settimeout(2)
                if plug.connect_ex((address, port)) == 0:
                    return True
    return False


# --- Streamlit: a page speaks over a websocket


def test_no_other_page_opens_the_dashboards_websocket(tmp_path: Path) -> None:
    port = free_port()
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("ALPACA_", "POLYGON_"))} | {"DAYBOT_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboards" / "app.py"), "--server.port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with process(command, f"{url}/_stcore/health", environ, tmp_path / "streamlit.log"):
        assert not reachable_elsewhere(port)
        for host, origin in itertools.product(HOSTS, ORIGINS):
            status = upgraded(port, headers(host, origin, port))
            if (host, origin) in GOOD and origin is not None:
                assert status == 101
            if "evil" in host or (origin is not None and "evil" in origin) or origin == "null":
                assert status == 403, (host, origin, status)
        assert "access-control-allow-origin" not in httpx.get(url, headers={"origin": "http://evil.example"}).headers


def upgraded(port: int, asked: dict[str, str]) -> int:
    """The status that a websocket handshake is answered with."""
    fixed = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    head = "".join(f"{name}: {value}\r\n" for name, value in (fixed | asked).items())
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plug:
        plug.sendall(f"GET /_stcore/stream HTTP/1.1\r\n{head}\r\n".encode())
        return int(plug.recv(200).split()[1])
