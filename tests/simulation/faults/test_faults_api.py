"""Faults as an API: added, listed, removed and logged; scenario files; and an exchange without any is the one it always was."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from live.sim.command.exchange import exchange as command
from live.sim.faults.fault import FaultError
from live.sim.faults.kinds import ELSEWHERE, KINDS, rows
from live.sim.faults.points import Point
from live.sim.faults.rest.answers import ANSWERS
from live.sim.faults.rest.refusals import REFUSALS
from live.sim.faults.scenario import load
from live.sim.faults.streams.frames import EFFECTS

STORM = """
[[fault]]
kind = "stream.mute"
stream = "market"
from = "10:00"
for = 90

[[fault]]
kind = "rest.status"
method = "POST"
path = "/v2/orders"
status = 504
stage = "after"
"""


@pytest.fixture
def world(market):
    return market({"AAA": [100.0 + n % 7 for n in range(60)], "BBB": [50.0] * 60})


def day(trader: Any) -> dict[str, Any]:
    """An hour with fills, partial fills, a cancel, a bracket and a close; the books at its end."""
    trader.exchange.step_to(9, 31)
    trader.send("AAA", "buy", 100, order_class="bracket", take_profit={"limit_price": 104}, stop_loss={"stop_price": 90}, client_order_id="a")
    trader.send("BBB", "buy", 60, client_order_id="b")
    resting = trader.send("BBB", "buy", 5, type="limit", limit_price=40, client_order_id="c")
    trader.exchange.step(60)
    trader.raw.delete(f"/v2/orders/{resting['id']}")
    trader.raw.delete("/v2/positions/BBB")
    trader.exchange.step_to(10, 25)
    return trader.exchange.books()


def test_no_faults_and_an_empty_scenario_are_the_same_exchange(client, world):
    plain, empty, gone = client(world, partial_rate=0.5), client(world, partial_rate=0.5, scenario=[]), client(world, partial_rate=0.5)
    gone.exchange.inject(kind="stream.mute", stream="trading")
    gone.exchange.inject(kind="match.none", symbol="ZZZ")
    gone.exchange.inject(kind="match.jump", percent=5, at="15:59")
    gone.exchange.relent()
    first, second, third = day(plain), day(empty), day(gone)
    assert json.dumps(first) == json.dumps(second) == json.dumps(third)
    assert len(first["fills"]) > 4
    assert first["faults"] == []


def test_the_same_faults_twice_give_the_same_books(client, world):
    scenario = [
        {"kind": "match.partial", "role": "take_profit", "shares": 3},
        {"kind": "match.cancel_slow", "seconds": 30},
        {"kind": "match.jump", "symbol": "BBB", "percent": -3, "at": "09:50"},
        {"kind": "match.halt", "symbol": "AAA", "at": "10:00", "lasts": 120},
        {"kind": "rest.hidden", "seconds": 3, "probability": 0.5},
    ]
    first, second = day(client(world, scenario=scenario)), day(client(world, scenario=scenario))
    assert json.dumps(first) == json.dumps(second)
    assert {row["kind"] for row in first["faults"]} == {"match.partial", "match.cancel_slow", "match.jump", "match.halt"}


def test_faults_are_added_counted_logged_and_removed(client, world):
    trader = client(world)
    added = trader.raw.post("/sim/faults", json={"kind": "rest.status", "path": "/v2/account", "status": 503, "times": 2})
    assert (added.status_code, added.json()["id"]) == (201, "fault-1")
    other = trader.exchange.inject(kind="stream.mute", stream="market", from_="10:00", until="10:05")
    assert [trader.raw.get("/v2/account").status_code for _ in range(3)] == [503, 503, 200]
    listed = trader.raw.get("/sim/faults").json()
    assert [(row["id"], row["fired"], row["spent"]) for row in listed] == [("fault-1", 2, True), (other["id"], 0, False)]
    log = trader.raw.get("/sim/faults/log").json()
    assert log[0] == {
        "at": "2026-11-20T13:00:00Z",
        "fault": "fault-1",
        "kind": "rest.status",
        "point": "request",
        "hit": {"method": "GET", "path": "/v2/account"},
    }
    assert log == trader.exchange.books()["faults"]
    assert trader.raw.delete("/sim/faults/fault-1").json()["fired"] == 2
    missing = trader.raw.delete("/sim/faults/fault-1")
    assert (missing.status_code, other["id"] in missing.json()["message"]) == (404, True)
    assert trader.raw.delete("/sim/faults").json() == {"removed": 1}
    assert trader.raw.get("/sim/faults").json() == []
    assert len(trader.raw.get("/sim/faults/log").json()) == 2


def test_faults_are_aimed_by_the_state_of_an_order(client, world, listening):
    trader = client(world)
    heard = listening(trader.exchange, updates=True)
    trader.exchange.step_to(9, 31)
    resting = trader.send("BBB", "buy", 5, type="limit", limit_price=40, client_order_id="rests")
    trader.exchange.inject(kind="stream.set", stream="trading", state="filled", field="data.event", to="odd", times=0)
    done = trader.send("BBB", "buy", 5)
    trader.exchange.step(60)
    trader.exchange.inject(kind="rest.status", path="/v2/orders/*", state="filled", status=503)
    assert [trader.raw.get(f"/v2/orders/{order['id']}").status_code for order in (resting, done, done)] == [200, 503, 200]
    trader.exchange.inject(kind="match.cancel", state="new")
    assert [trader.status(order["id"]) for order in (resting, done)] == ["canceled", "filled"]
    told = [str(getattr(update.event, "value", update.event)) for update in heard.take(heard.updates, 6)]
    assert sorted(told) == ["canceled", "new", "new", "odd", "pending_new", "pending_new"]
    hit = {row["kind"]: row["hit"].get("state") for row in trader.exchange.books()["faults"]}
    assert (hit["stream.set"], hit["rest.status"]) == ("filled", "filled")


def test_a_body_that_is_no_fault_is_refused(client, world):
    trader = client(world)
    spoken = '{"kind": "stream.set", "field": "c", "to": %s}'
    odd = [spoken % value for value in ("NaN", "Infinity", '"\\ud800"')] + ['{"kind": "stream.mute", "from": Infinity}', "[" * 100_000]
    for body in ("[]", "nonsense", "{}", '"stream.mute"', *odd):
        answer = trader.raw.post("/sim/faults", content=body)
        assert answer.status_code == 422, body[:80]
        assert answer.json()["message"]
    assert trader.raw.get("/sim/faults").json() == []


def test_kinds_are_listed_with_their_parameters(client, world):
    kinds = {row["kind"]: row for row in client(world).raw.get("/sim/faults/kinds").json()}
    assert set(kinds) == set(KINDS)
    assert kinds["match.fills"]["parameters"]["start"] == {"type": "text", "default": "touch"}
    assert "symbol" in kinds["match.fills"]["aims"]


def test_scenario_files_in_toml_and_json(client, world, tmp_path):
    toml, listed = tmp_path / "storm.toml", tmp_path / "storm.json"
    toml.write_text(STORM)
    listed.write_text(json.dumps([{"kind": "stream.mute", "stream": "market", "from": "10:00", "for": 90}]))
    trader = client(world, scenario=load(toml))
    assert trader.raw.post("/v2/orders", json={"symbol": "AAA", "side": "buy", "qty": 1, "type": "market", "time_in_force": "day"}).status_code == 504
    assert len(trader.exchange.books()["orders"]) == 1
    assert load(listed)[0] == load(toml)[0]
    for name, text in (("bad.toml", "fault = 3"), ("bad.json", "{"), ("none.toml", "")):
        (tmp_path / name).write_text(text)
        with pytest.raises(FaultError, match=name):
            load(tmp_path / name)
    with pytest.raises(FaultError, match="No such file"):
        load(tmp_path / "absent.toml")


def test_times_of_toml_need_no_quotes(client, world, tmp_path):
    path = tmp_path / "storm.toml"
    path.write_text('[[fault]]\nkind = "stream.mute"\nfrom = 10:00:00\nuntil = 2026-11-20T15:05:00Z\n')
    trader = client(world, scenario=load(path))
    (fault,) = trader.raw.get("/sim/faults").json()
    assert (fault["from"], fault["until"][:16]) == ("10:00:00", "2026-11-20 15:05")


def test_command_refuses_a_scenario_it_cannot_read(tmp_path):
    app = Typer()
    app.command()(command)
    path = tmp_path / "storm.json"
    path.write_text('[{"kind": "stream.mutes"}]')
    result = CliRunner().invoke(app, ["--scenario", str(path), "--port", "0"])
    assert result.exit_code == 2
    assert "Did you mean 'stream.mute'" in result.output


def test_every_row_of_the_matrix_is_served_or_belongs_elsewhere():
    served = rows()
    assert set(served) | set(ELSEWHERE) == {f"F{n}" for n in range(1, 51)}
    assert not set(served) & set(ELSEWHERE)


def test_every_kind_has_an_effect_and_a_test():
    frames = {name for name, kind in KINDS.items() if kind.points == (Point.FRAME,)}
    assert set(EFFECTS) == frames
    answers = {name for name, kind in KINDS.items() if Point.ANSWER in kind.points}
    assert answers <= set(ANSWERS)
    assert set(REFUSALS) <= set(KINDS)
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_faults_*.py"))
    assert [name for name in KINDS if f'"{name}"' not in tests] == []


def test_nothing_a_fault_does_to_a_message_stops_the_exchange(client, world, listening):
    """Every stream fault on top of every other, on a packed and on an order stream, and the books are whole."""
    trader = client(world)
    listening(trader.exchange, lambda stream, hear: stream.subscribe_bars(hear, "*"), updates=True)
    for name in EFFECTS:
        needed = {"seconds": 2, "percent": 5, "field": "c", "to": 2**70}
        given = {key: value for key, value in needed.items() if key in KINDS[name].parameters and KINDS[name].parameters[key].default is not None}
        trader.exchange.inject(kind=name, **{"times": 3, **given})
    for value in ("nan", "text", "null"):
        trader.exchange.inject(kind="stream.corrupt", value=value, times=5)
    trader.exchange.inject(kind="stream.revise", percent=3, times=5)
    trader.exchange.step_to(9, 31)
    trader.send("AAA", "buy", 10)
    trader.exchange.step(600)
    books = trader.exchange.books()
    assert books["positions"][0]["qty"] == "10"
    assert {row["kind"] for row in books["faults"]} >= set(EFFECTS) - {"stream.correct", "stream.bust"}
