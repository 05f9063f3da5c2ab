"""What somebody sends who means harm, at the doors of a session: nothing that two readers could read in two ways, and nobody keeps others out."""

import contextlib
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from house import House
from manned import Manned
from served import local, tcp

from live.doors import serve, stream
from live.doors.tokens import Scope

NOTE = '{"event_type": "note", "symbol": "AAPL", "reason": %s}'
ENTRY = '{"symbol": "MSFT", "side": "buy", "wait": 0, "quantity": %s}'
AS_JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (b'{"wait": 0, "wait": 0}', "'wait' twice"),
        (b'{"wait": 0, "w\\u0061it": 30}', "'wait' twice"),
        (b'{"wait": NaN}', "NaN"),
        (b'{"wait": -Infinity}', "-Infinity"),
        (b'{"wait": 1' + b"0" * 5000 + b"}", "digits"),
        (b"[" * 60_000, "recursion"),
        (b'{"wait": "\\ud800"}', "characters that are none"),
        (b'{"wait": "\xff"}', "characters that are none"),
        ('{"wait": 0}'.encode("utf-16"), "characters that are none"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"{} {}", "Extra data"),
        (b"\x00", "Expecting value"),
    ],
    ids=range(12),
)
def test_json_that_can_be_read_in_two_ways_or_in_none_is_read_in_none(house: House, sent: bytes, found: str) -> None:
    with tcp(house.settings, house.token()) as client, local(house.settings) as near:
        for door in (client, near):
            answer = door.post("/tools/flat_all", content=sent, headers=AS_JSON)
            assert (answer.status_code, answer.json()["code"]) == (422, "BAD_REQUEST")
            assert found in answer.json()["detail"]
            assert len(answer.content) < 300
    assert house.acts == []


@pytest.mark.parametrize("quantity", ["true", '"3"', "-5", "0", "0.5", "1e400", "10000001", "[3]"])
def test_a_quantity_is_a_number_of_whole_shares_and_nothing_that_can_be_taken_for_one(house: House, quantity: str) -> None:
    with local(house.settings) as client:
        for path in ("/preview", "/tools/enter_trade"):
            answer = client.post(path, content=ENTRY % quantity, headers=AS_JSON)
            assert answer.status_code in {400, 422}, answer.text
    assert house.acts == []


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b31m", "\u202egnp.exe", "\u2066x", "a\u2028b", "\x07"])
def test_no_note_moves_a_terminals_cursor_or_turns_a_line_round(house: House, text: str) -> None:
    with local(house.settings) as client:
        for more in ({"reason": text}, {"metadata": {"a": text}}, {"metadata": {"a": "x" * 501}}):
            answer = client.post("/tools/record_trade", json={"event_type": "note", "symbol": "AAPL"} | more)
            assert (answer.status_code, answer.json()["code"]) == (422, "BAD_REQUEST")
    assert house.acts == []


@pytest.mark.parametrize(
    "twice",
    [
        [("authorization", "Bearer x")],
        [("origin", "http://localhost:{port}"), ("origin", "http://evil.example")],
        [("idempotency-key", "a"), ("idempotency-key", "b")],
        [("content-type", "text/plain")],
        [("x-client", "a"), ("x-client", "b")],
        [("transfer-encoding", "chunked"), ("content-length", "5")],
        [("content-length", "2"), ("content-length", "3")],
        [("host", "evil.example")],
    ],
    ids=lambda twice: twice[0][0],
)
def test_headers_that_contradict_each_other_are_believed_neither_way(house: House, twice: list[tuple[str, str]]) -> None:
    port = house.settings.server_port
    head = {"Host": f"localhost:{port}", "Authorization": f"Bearer {house.token()}", "Content-Type": "application/json", "Connection": "close"}
    lines = [f"{name}: {value}" for name, value in head.items()] + [f"{name}: {value.format(port=port)}" for name, value in twice]
    if not any(name in {"content-length", "transfer-encoding"} for name, _ in twice):
        lines.append("Content-Length: 2")
    body = "2\r\n{}\r\n0\r\n\r\n" if ("transfer-encoding", "chunked") in twice else "{}"
    answer = spoken(port, "\r\n".join(["POST /tools/flat_all HTTP/1.1", *lines, "", body]).encode())
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert house.acts == []


def spoken(port: int, words: bytes) -> bytes:
    """All that is answered until the door is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        wire.sendall(words)
        heard = b""
        while more := wire.recv(65_536):
            heard += more
        return heard


@pytest.mark.parametrize(
    ("where", "more"),
    [("?token={token}", {}), ("?access_token={token}", {}), ("", {"cookie": "token={token}"}), ("", {"x-api-key": "{token}"})],
    ids=["query", "query of OAuth", "cookie", "another header"],
)
def test_a_token_counts_in_its_header_and_nowhere_else(house: House, where: str, more: dict[str, str]) -> None:
    token = house.token()
    with tcp(house.settings) as client:
        answer = client.get("/positions" + where.format(token=token), headers={name: value.format(token=token) for name, value in more.items()})
        assert (answer.status_code, answer.json()["code"]) == (401, "NO_TOKEN")
        assert token not in answer.text


@pytest.mark.parametrize("path", ["/orders/../../etc/passwd/explain", "/orders/..%2f..%2fetc%2fpasswd/explain", "/orders/%00/explain",
                                  "/analytics/strategy/..%2f..%2fetc", "/%2e%2e/positions", "//positions", "/positions/..;/tools/halt"])  # fmt: skip
def test_no_path_leads_out_of_the_session(house: House, path: str) -> None:
    answer = spoken(
        house.settings.server_port,
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {house.token()}\r\nConnection: close\r\n\r\n".encode(),
    )
    assert answer.split()[1] in {b"404", b"422"}, answer
    assert b"root:" not in answer


def test_the_tokens_are_a_file_of_ours_or_nobody_gets_in(house: House, tmp_path: Path) -> None:
    token, place = house.token(), house.settings.tokens
    kept, elsewhere = place.read_bytes(), tmp_path / "tokens.json"
    elsewhere.write_bytes(kept)
    elsewhere.chmod(0o600)

    def spoil(how: str) -> None:
        place.unlink()
        if how == "link":
            place.symlink_to(elsewhere)
        elif how == "folder":
            place.mkdir()
        else:
            place.write_bytes(b"\xff\xfe")
            place.chmod(0o600)

    with tcp(house.settings, token) as client:
        assert client.get("/status").status_code == 200
        for how in ("link", "noise", "folder"):
            spoil(how)
            answer = client.get("/status")
            assert (answer.status_code, answer.json()["code"]) == (503, "TOKENS_UNREADABLE"), how
            assert str(place) in answer.json()["detail"]
    place.rmdir()


def test_who_holds_a_connection_and_says_nothing_or_takes_nothing_is_cut_off(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "PATIENCE", 0.3)
    port, token = house.settings.server_port, house.token()
    begun = time.monotonic()
    whole = f"GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\n".encode()
    for first in (b"", b"GET /sta", whole, whole + b"\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as loris:
            loris.sendall(first)
            if first.endswith(b"\r\n\r\n"):
                heard = b""
                while not heard.endswith(b"}"):
                    heard += loris.recv(65_536)
                loris.sendall(whole)
            with contextlib.suppress(ConnectionResetError):
                assert loris.recv(65_536) == b""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.connect(("127.0.0.1", port))
        ask = f"GET /openapi.json HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
        deaf.sendall(ask.encode() * 60)
        deaf.settimeout(20)
        with pytest.raises(ConnectionError):
            while True:
                time.sleep(0.1)  # it does not read: what waits for it is what cuts it off
                deaf.sendall(b"x")
    assert time.monotonic() - begun < 10
    with tcp(house.settings, token) as client:
        assert client.get("/status").status_code == 200


def test_a_flood_without_a_token_silences_neither_supervisors_nor_callers(tmp_path: Path) -> None:
    house = House(tmp_path, server_rate=60)
    with house.served(), tcp(house.settings) as stranger, tcp(house.settings, house.token(Scope.READ)) as known:
        codes = [stranger.get("/status").status_code for _ in range(70)]
        assert set(codes) == {401, 429}
        assert {stranger.get("/healthz").status_code for _ in range(70)} == {200}
        assert known.get("/status").status_code == 200


def test_streams_are_so_many_for_each_caller(session: Manned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "STREAMS", 2)
    opened: list[Any] = []
    begun: list[Any] = []
    with session.with_token(Scope.READ) as one, session.with_token(Scope.READ) as other:
        try:
            for client, status in ((one, 200), (one, 200), (one, 503), (other, 200), (session.client, 200)):
                answer = client.send(client.build_request("GET", "/events"), stream=True)
                opened.append(answer)
                assert answer.status_code == status
                if status == 200:
                    begun.append(answer.iter_lines())
                    next(begun[-1])
                else:
                    assert json.loads(answer.read())["code"] == "TOO_MANY_STREAMS"
        finally:
            for answer in opened:
                answer.close()


def test_one_key_is_one_tool(session: Manned) -> None:
    assert session.post("/tools/halt", {}, "stop").json()["state"] == "halted"
    again = session.post("/tools/resume", {}, "stop")
    assert (again.status_code, again.json()["code"]) == (422, "KEY_REUSED")
    assert session.get("/status").json()["state"] == "halted"
