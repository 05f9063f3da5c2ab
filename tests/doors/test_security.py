"""Who gets in at the runner's doors, and with what: every rule on real sockets, on every route that the app has."""

import asyncio
import itertools
import json
import re
import socket
import ssl
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import daybot
from desk import settings as sim
from desk import world
from fastapi import FastAPI
from fastapi.routing import APIRoute
from house import House
from manned import Manned
from served import GOOD, HOSTS, ORIGINS, REFUSALS, asked, local, quiet_desk, tcp
from typer.testing import CliRunner

from live.cli import app
from live.doors import guard
from live.doors.api import OPEN, build, needs
from live.doors.tokens import DAY, Grant, Scope, Tokens
from live.sim.embedded import Exchange
from live.tools.catalogue import CATALOGUE
from pipelines.core.errors import SettingsError
from pipelines.settings import load


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path, with something in the place of parameters."""
    found = []
    for route in app.routes:
        if isinstance(route, APIRoute):
            path = re.sub(r"{(\w+)(:path)?}", lambda found: {"id": "AAPL", "strategy": "manual"}[found[1]], route.path)
            found += [(method, path) for method in sorted(route.methods)]
    return found


with tempfile.TemporaryDirectory() as home:
    ROUTES = routes(build(quiet_desk(sim("http://127.0.0.1:1", Path(home)))))
MUTATING = [route for route in ROUTES if route[0] not in guard.SAFE]
COMMANDS = {entry.path: entry for entry in CATALOGUE if entry.acts}
KEY = {"idempotency-key": "x"}


def body(path: str) -> dict[str, Any]:
    """A request that is understood."""
    entry = next((entry for entry in CATALOGUE if entry.method == "POST" and entry.path == path), None)
    wait = {"wait": 0} if entry is not None and "wait" in entry.ask.model_fields else {}
    fits = {"/tools/enter_trade": {"symbol": "MSFT"}, "/tools/manage_trade": {"new_stop_price": 96.0}}.get(path, {})
    return {**((entry.example if entry is not None else None) or {}), **wait, **fits}


def came_in(answer: httpx.Response) -> bool:
    """The guard let it through, whatever came of it."""
    problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    return not problem or answer.json()["code"] not in REFUSALS


def listening() -> dict[int, str]:
    """Port -> address that some process of this machine listens on, by the kernel."""
    found = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        address, state = line.split()[1], line.split()[3]
        if state == "0A":
            host, port = address.split(":")
            found[int(port, 16)] = socket.inet_ntoa(bytes.fromhex(host)[::-1])
    return found


# --- 1. transport


def test_the_local_socket_is_its_owners_alone_and_tcp_is_served_only_where_asked_for(tmp_path: Path) -> None:
    quiet = House(tmp_path)
    quiet.settings = quiet.settings.model_copy(update={"server_listen": False})
    with quiet.served():
        assert oct(quiet.settings.socket.stat().st_mode)[-3:] == "600"
        assert oct(quiet.settings.socket.parent.stat().st_mode)[-3:] == "700"
        assert quiet.settings.server_port not in listening()
        with local(quiet.settings) as client:
            assert client.post("/tools/halt", json={"wait": 0}).status_code == 202
    assert not quiet.settings.socket.exists()


def test_tcp_is_bound_to_this_machine_alone(house: House) -> None:
    assert listening()[house.settings.server_port] == "127.0.0.1"


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({"server_host": "0.0.0.0"}, True),
        ({"server_host": "::"}, True),
        ({"server_host": "192.168.1.7"}, True),
        ({"server_host": "0.0.0.0", "server_proxy": True}, False),
        ({"server_host": "0.0.0.0", "server_tls_cert": "c.pem", "server_tls_key": "k.pem"}, False),
        ({"server_tls_cert": "c.pem"}, True),
        ({"server_host": "::1"}, False),
    ],
    ids=str,
)
def test_other_machines_are_listened_to_only_behind_tls_or_a_proxy(more: dict[str, Any], refused: bool) -> None:
    if refused:
        with pytest.raises(SettingsError, match="SERVER_TLS_KEY"):
            load(**more)
    else:
        assert load(**more)


def test_with_a_certificate_the_door_speaks_tls_and_nothing_else(tmp_path: Path) -> None:
    pair = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, "-out", str(pair[0]), "-keyout", str(pair[1])]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl to make a certificate")
    house = House(tmp_path, server_tls_cert=str(pair[0]), server_tls_key=str(pair[1]))
    trust = ssl.create_default_context(cafile=str(pair[0]))
    with house.served():
        answer = httpx.get(
            f"https://localhost:{house.settings.server_port}/status", headers={"authorization": f"Bearer {house.token()}"}, verify=trust
        )
        assert answer.json()["state"] == "active"
        with pytest.raises(httpx.HTTPError):
            tcp(house.settings, house.token()).get("/status")


@pytest.mark.parametrize(
    ("more", "found"),
    [({"server_tls_cert": "none.pem", "server_tls_key": "none.pem"}, "expected PEM files"), ({"server_port": 1}, "expected to listen on")],
)
def test_a_door_that_cannot_be_opened_says_why(tmp_path: Path, more: dict[str, Any], found: str) -> None:
    house = House(tmp_path)
    house.settings = house.settings.model_copy(update=more)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if "server_port" in more:
            house.settings = house.settings.model_copy(update={"server_port": taken.getsockname()[1]})
            taken.listen()
        with pytest.raises(SettingsError, match=found), house.served():
            pass


# --- 2. tokens and scopes


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=str)
def test_without_a_token_nobody_gets_in_over_tcp(house: House, method: str, path: str) -> None:
    with tcp(house.settings) as client:
        bare = asked(client, method, path, json=body(path) if method == "POST" else None)
        if path in OPEN:
            assert bare.status_code == 200
            return
        assert bare.status_code == 401
        assert bare.headers["www-authenticate"].startswith("Bearer")
        assert bare.json()["code"] == "NO_TOKEN"
        assert bare.json()["title"] == "Unauthorized"
        assert "mode" not in bare.json(), "a stranger is not told whose money this is"
        token = house.token()
        for elsewhere in (
            {"params": {"token": token, "access_token": token}},
            {"headers": {"cookie": f"token={token}"}},
            {"auth": ("daybot", token)},
        ):
            assert asked(client, method, path, json=body(path), **elsewhere).status_code == 401
    assert house.acts == []


@pytest.mark.parametrize("scope", list(Scope))
def test_a_token_does_what_its_scope_says_and_no_more(house: House, scope: Scope) -> None:
    with tcp(house.settings, house.token(scope)) as client:
        for method, path in ROUTES:
            needed = needs(method, path)
            answer = asked(client, method, path, json=body(path) if method == "POST" else None)
            if needed is None or scope >= needed:
                assert came_in(answer), path
            else:
                assert (answer.status_code, answer.json()["code"]) == (403, "SCOPE")
                assert needed.name.lower() in answer.json()["detail"]
    assert len(house.acts) == sum(scope >= entry.scope for entry in COMMANDS.values())


def test_what_nobody_has_thought_of_needs_the_highest_scope() -> None:
    assert needs("POST", "/tools/new") is needs("DELETE", "/status") is needs("PUT", "/x") is Scope.ADMIN


def test_a_token_that_is_revoked_over_or_unknown_is_worth_nothing_at_once(house: House) -> None:
    known = house.tokens.create("mine", Scope.READ, 1.0)
    with tcp(house.settings, known) as client:
        assert client.get("/status").status_code == 200
        house.tokens.revoke("mine")
        assert client.get("/status").status_code == 401
        for wrong in (house.token(days=1e-9), known[:-1], known + "x", "daybot_", "é", "x y"):
            answer = client.get("/status", headers=[(b"authorization", b"Bearer " + wrong.encode())])
            assert answer.status_code == 401, wrong
        assert client.get("/status", headers={"authorization": "Bearer"}).status_code == 401


def test_a_token_is_worth_nothing_after_the_start_of_the_runner_that_it_was_made_in(tmp_path: Path) -> None:
    house = House(tmp_path)

    def answers(token: str) -> int:
        with tcp(house.settings, token) as client:
            return client.get("/status").status_code

    with pytest.raises(SettingsError, match="--days"):
        house.tokens.create("early", Scope.READ)
    with house.served("monday"):
        of_monday, kept = house.tokens.create("mine", Scope.READ), house.tokens.create("kept", Scope.READ, 2.0)
        assert len(of_monday.removeprefix("daybot_")) == 43, "256 bits"
        assert (answers(of_monday), answers(kept)) == (200, 200)
        mine, other = house.tokens.all()
        assert mine.expires - mine.created == DAY, "nor for a runner that waits over a weekend"
        assert (mine.start, other.start) == ("monday", "")
    assert not house.tokens.alive(mine), "nor between two starts"
    with house.served("tuesday"):
        assert (answers(of_monday), answers(kept)) == (401, 200)
        again = house.tokens.create("mine", Scope.TRADE)  # the name is free
        assert (answers(again), answers(of_monday)) == (200, 401)
    with house.served("tuesday"):  # one start has several sessions where a newer briefing came before the open
        assert (answers(again), answers(of_monday)) == (200, 401)


def test_the_file_holds_hashes_and_no_token_and_is_not_believed_where_others_may_read_it(house: House) -> None:
    token = house.token()
    path = house.settings.tokens
    assert oct(path.stat().st_mode)[-3:] == "600"
    assert token not in path.read_text()
    assert token.removeprefix("daybot_")[:12] not in path.read_text()
    path.chmod(0o640)
    with tcp(house.settings, token) as client:
        assert (client.get("/status").status_code, client.get("/status").json()["code"]) == (503, "TOKENS_UNREADABLE")
    path.chmod(0o600)
    path.write_text("{}")
    with pytest.raises(SettingsError, match="make new ones"):
        house.tokens.all()


def test_tokens_on_the_command_line(tmp_path: Path) -> None:
    def token(*words: str) -> tuple[int, str]:
        ran = CliRunner().invoke(app, ["token", *words, "--home", str(tmp_path)])
        return ran.exit_code, ran.output

    made = daybot("token", "create", "curl", "--scope", "trade", "--days", "2", home=tmp_path)
    plain = made.output.splitlines()[0]
    assert (made.code, plain.startswith("daybot_")) == (0, True), made.output
    assert Tokens(load(daybot_home=tmp_path).tokens).granted(plain) == Grant(name="curl", scope=Scope.TRADE)
    assert token("create", "curl")[0] == token("create", "a/../b")[0] == 1
    assert "New York" in token("list")[1]
    assert "daybot live --listen" in token("create", "now")[1]
    assert json.loads(token("create", "pipe", "--days", "1", "--json")[1]).keys() == {"token", "name", "scope", "expires", "start", "over"}
    assert [row["name"] for row in json.loads(token("list", "--json")[1])] == ["curl", "pipe"]
    assert json.loads(token("revoke", "pipe", "--json")[1]) == {"name": "pipe", "revoked": True}
    assert token("revoke", "curl")[0] == 0
    assert token("revoke", "curl")[0] == 1
    assert "no tokens" in token("list")[1]


# --- 3. other people's pages: DNS rebinding and CSRF


@pytest.mark.parametrize("door", ["local", "tcp"])
@pytest.mark.parametrize(("method", "path"), MUTATING, ids=str)
def test_only_our_own_name_and_no_other_page_gets_through(house: House, door: str, method: str, path: str) -> None:
    with local(house.settings) if door == "local" else tcp(house.settings, house.token()) as client:
        for host, origin in itertools.product(HOSTS, ORIGINS):
            name = host.format(port=house.settings.server_port)
            headers = {"host": name} | ({"origin": origin.format(host=name)} if origin else {})
            answer = client.request(method, path, json=body(path), headers=headers)
            assert came_in(answer) == ((host, origin) in GOOD), (host, origin, answer.text)
            assert came_in(answer) or answer.status_code in {421, 403}
    assert len(house.acts) == (len(GOOD) if path in COMMANDS else 0)


@pytest.mark.parametrize(("site", "get", "post"), [("none", 200, 200), ("same-origin", 200, 200), ("same-site", 200, 403), ("cross-site", 403, 403)])
def test_what_the_browser_itself_says_of_a_request_counts(house: House, site: str, get: int, post: int) -> None:
    with tcp(
        house.settings,
        house.token(),
    ) as client:
        headers = {"sec-fetch-site": site}
        assert client.get("/status", headers=headers).status_code == get
        assert came_in(client.post("/tools/halt", json={"wait": 0}, headers=headers)) == (post == 200)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "text/json", None])
@pytest.mark.parametrize(("method", "path"), MUTATING, ids=str)
def test_nothing_is_changed_by_what_a_form_can_send(house: House, method: str, path: str, kind: str | None) -> None:
    with tcp(house.settings, house.token()) as client:
        for sent in (json.dumps(body(path)), ""):
            answer = client.request(method, path, content=sent, headers={} if kind is None else {"content-type": kind})
            told = answer.json()
            assert (answer.status_code, told["code"], told["title"], told["mode"]) == (415, "CONTENT_TYPE", "Unsupported Media Type", "SIM")
    assert house.acts == []


# --- 4. no GET changes anything, nobody else may read


def test_no_get_changes_anything_and_no_other_origin_may_read(house: House) -> None:
    with tcp(house.settings, house.token()) as client:
        for method, path in ROUTES:
            if method in guard.SAFE:
                answer = asked(client, method, path, params={"action": "flat_all", "id": "x", "query": "mutation{flat}"})
                assert came_in(answer)
            headers = {"origin": f"http://localhost:{house.settings.server_port}", "access-control-request-method": "POST"}
            answer = client.options(path, headers=headers)
            assert answer.status_code == 405
            assert not [name for name in answer.headers if name.startswith("access-control")]
        for path in {path for method, path in MUTATING}:
            assert client.get(path).status_code in {404, 405}, path
    assert house.acts == []


def test_every_answer_is_hardened_also_a_refusal(house: House) -> None:
    with tcp(house.settings, house.token()) as client:
        for answer in (
            client.get("/status"),
            client.get("/nowhere"),
            client.get("/status", headers={"host": "evil.example"}),
            client.get("/tools/x"),
        ):
            for name, value in guard.HEADERS.items():
                assert answer.headers[name] == value
            assert "server" not in answer.headers


# --- 15. availability


def test_a_body_that_is_too_large_or_too_slow_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PATIENCE", 0.2)
    with tcp(house.settings, house.token()) as client:
        large = json.dumps({"reason": "x" * guard.LARGEST}).encode()
        as_json = {"content-type": "application/json"}
        assert client.post("/tools/halt", content=large, headers=as_json).status_code == 413
        assert client.post("/tools/halt", content=iter([large[:40_000], large[40_000:]]), headers=as_json).status_code == 413  # chunked
    with socket.create_connection(("127.0.0.1", house.settings.server_port)) as slow:
        head = f"POST /tools/halt HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {house.token()}\r\nContent-Type: application/json\r\n"
        slow.sendall(head.encode() + b"Content-Length: 50\r\n\r\n{")
        assert b"408" in slow.recv(100)
    with socket.create_connection(("127.0.0.1", house.settings.server_port)) as endless:
        endless.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 70_000)
        assert b" 400 " in endless.recv(100)
    assert house.acts == []


def test_too_many_requests_are_refused_and_flatten_still_gets_through(tmp_path: Path) -> None:
    house = House(tmp_path, server_rate=60)
    with house.served(), tcp(house.settings, house.token(Scope.TRADE)) as client, tcp(house.settings, house.token(Scope.READ)) as other:
        codes = [client.get("/status").status_code for _ in range(70)]
        assert codes == [200] * 60 + [429] * 10
        refused = client.post("/tools/enter_trade", json={})
        assert refused.status_code in {403, 429}
        assert int(client.get("/status").headers["retry-after"]) > 0
        assert client.post("/tools/flat_all", json={"wait": 0}).status_code == 202
        assert other.get("/status").status_code == 200, "each token has its own"


def test_whoever_fills_the_tcp_door_does_not_keep_a_flatten_from_the_local_one(house: House) -> None:
    async def flood() -> None:
        writers = []
        for _ in range(100):
            _, writer = await asyncio.open_connection("127.0.0.1", house.settings.server_port)
            writer.write(b"POST /tools/halt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
            writers.append(writer)
        with local(house.settings) as client:
            answer = await asyncio.to_thread(client.post, "/tools/flat_all", json={"wait": 0}, headers=KEY)
        assert answer.status_code == 202
        for writer in writers:
            writer.close()

    asyncio.run(flood())
    assert house.acts == ["x"]


def test_websockets_are_not_spoken(house: House) -> None:
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    with tcp(house.settings, house.token()) as client:
        assert client.get("/status", headers=upgrade).status_code in {200, 400, 403, 426}
        assert client.get("/status", headers=upgrade | {"origin": "http://evil.example"}).status_code == 403


def test_a_flatten_comes_through_a_flood_to_the_venues_books(tmp_path: Path) -> None:
    """Callers with and without a token knock as fast as they can, while the account is made flat: by the venue's books, in the venue's time."""
    with Exchange(world(tmp_path, {"AAA": [100.0] * 90, "BBB": [100.0] * 90}), stepped=True, partial_rate=0.0, rate_limit=0) as exchange:
        exchange.step_to(10, 0)
        with Manned(exchange, tmp_path / "home") as session:
            session.do(session.floor.held())
            token, over, answers = session.token(Scope.TRADE), threading.Event(), list[int]()

            def knock(bearer: str) -> None:
                with tcp(session.settings, bearer) as client:
                    while not over.is_set():
                        answers.append(client.get("/positions").status_code)
                        answers.append(client.post("/tools/enter_trade", json={"symbol": "?"}).status_code)

            with ThreadPoolExecutor(8) as crowd:
                for number in range(8):
                    crowd.submit(knock, token if number % 2 else "")
                try:
                    while len(answers) < 50:
                        session.step(0.1)
                    assert session.post("/tools/flat_all", {"wait": 0}, key="out").status_code in {200, 202}
                    session.step(10)
                    assert session.books.positions == {}
                    assert session.books.open == []
                finally:
                    over.set()
    assert set(answers) <= {200, 401, 422, 429, 503}
