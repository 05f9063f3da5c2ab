"""Every tool over HTTP against a running session, a real exchange and its books: done, refused with numbers, not understood, not let in, twice."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cases import BUY, CASES, UNREFUSED, asked, prepared
from desk import world
from manned import Manned
from market import briefing_of

from live.doors.tokens import Scope
from live.session import recovery
from live.sim.embedded import Exchange
from live.tools.asks import ManageRequest
from live.tools.catalogue import CATALOGUE, TOOLS


def test_every_tool_has_its_cases_and_where_it_is_never_refused_the_reason() -> None:
    assert set(CASES) == set(TOOLS)
    assert {name for name, case in CASES.items() if case.refused is None} == set(UNREFUSED)


OTHERS = {
    "/status": '"state":"active"', "/metrics": "daybot_positions", "/healthz": '"status":"alive"', "/readyz": '"status":"ready"', "/dashboard/": "",
    "/events": ": open",
}  # fmt: skip
"""Routes that are no tools, and what each says."""


def test_every_route_is_a_tool_or_known_to_be_none(manned: Manned) -> None:
    paths = {(method.upper(), path) for path, methods in manned.app.openapi()["paths"].items() for method in methods}
    tools = {(entry.method, entry.path.replace(":path", "")) for entry in CATALOGUE}
    assert paths == tools | {("GET", path) for path in OTHERS}


@pytest.mark.parametrize("path", OTHERS)
def test_what_is_no_tool_answers_as_well(session: Manned, path: str) -> None:
    with session.client.stream("GET", path) as answer:
        assert answer.status_code in {200, 307}
        assert OTHERS[path] in next(answer.iter_text(), "")


def test_looking_changes_nothing_however_often(session: Manned) -> None:
    before = session.floor.runner.journal.seq, len(session.desk.given), len(session.books.raw["orders"])
    for entry in CATALOGUE:
        if not entry.acts and not CASES[entry.name].held:
            first, second = (asked(session.client, entry, CASES[entry.name].done) for _ in range(2))
            assert first.status_code == second.status_code == 200, entry.name
            assert first.json().keys() == second.json().keys()
    assert before == (session.floor.runner.journal.seq, len(session.desk.given), len(session.books.raw["orders"]))


@pytest.mark.parametrize("name", CASES)
def test_it_does_what_it_says_and_says_what_money_it_is(session: Manned, name: str) -> None:
    case = CASES[name]
    prepared(session, case)
    answer = asked(session.client, TOOLS[name], case.done)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["mode"], said["session"]) == ("SIM", "2026-11-20")
    assert {field: said[field] for field in case.answered} == case.answered
    assert TOOLS[name].answer.model_validate(said)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.refused is not None])
def test_its_no_is_a_problem_with_code_and_numbers(session: Manned, name: str) -> None:
    case = CASES[name]
    prepared(session, case)
    assert case.refused is not None and case.no is not None
    before = len(session.books.raw["orders"])
    answer = asked(session.client, TOOLS[name], case.refused)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == case.no
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["mode"]) == (case.no[0], "SIM")
    assert problem["detail"] and problem["title"]
    if case.no[0] == 409:
        assert problem["value"] > problem["limit"] == 0.5
        assert problem["source"] == "MAX_POSITION_SIZE"
    assert len(session.books.raw["orders"]) == before


@pytest.mark.parametrize("name", CASES)
def test_what_makes_no_sense_is_told_field_by_field_and_changes_nothing(session: Manned, name: str) -> None:
    case, before = CASES[name], session.floor.runner.journal.seq
    answer = asked(session.client, TOOLS[name], case.bad)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "BAD_REQUEST"), answer.text
    assert problem["errors"] and all(error["field"] and error["problem"] for error in problem["errors"])
    assert session.floor.runner.journal.seq == before
    if TOOLS[name].method == "POST":
        broken = session.client.post(TOOLS[name].path, content=b'{"symbol": ', headers={"content-type": "application/json"})
        assert (broken.status_code, broken.json()["code"]) == (422, "BAD_REQUEST")


def test_over_tcp_it_needs_a_token_of_its_scope(session: Manned) -> None:
    with session.with_token(Scope.READ) as reader, session.with_token(Scope.TRADE) as trader, httpx.Client(base_url=reader.base_url) as nobody:
        for entry in CATALOGUE:
            request = CASES[entry.name].done
            bare = asked(nobody, entry, request)
            assert (bare.status_code, bare.json()["code"]) == (401, "NO_TOKEN"), entry.name
            for client, scope in ((reader, Scope.READ), (trader, Scope.TRADE)):
                if scope < entry.scope:
                    answer = asked(client, entry, request)
                    assert (answer.status_code, answer.json()["code"]) == (403, "SCOPE"), entry.name
                elif entry.scope is Scope.READ:
                    assert asked(client, entry, request).status_code in {200, 404}, entry.name


@pytest.mark.parametrize("name", [entry.name for entry in CATALOGUE if entry.acts])
def test_the_same_key_is_the_same_command_and_the_same_answer(session: Manned, name: str) -> None:
    case, entry, key = CASES[name], TOOLS[name], f"twice-{name}"
    prepared(session, case)
    first = asked(session.client, entry, case.done, key)
    commands = len(session.desk.given)
    orders = len(session.books.raw["orders"])
    session.step(2)
    second = asked(session.client, entry, case.done, key)
    same = [{n: v for n, v in answer.json().items() if n != "at"} for answer in (first, second)]
    assert same[0] == same[1]
    assert len(session.desk.given) == commands
    assert len(session.books.raw["orders"]) - orders <= 2  # a bracket's legs are listed once it is in
    other = asked(
        session.client, TOOLS["record_trade" if name != "record_trade" else "halt"], CASES["record_trade"].done if name != "record_trade" else {}, key
    )
    assert (other.status_code, other.json()["code"]) == (422, "KEY_REUSED")


# --- one by one


def test_a_trade_from_its_entry_to_flat_by_the_venues_books(session: Manned) -> None:
    made = session.post("/tools/enter_trade", BUY | {"reason": "a test"}, "life").json()
    assert session.books.named(made["order"])
    session.step(3)
    (held,) = session.get("/positions").json()["positions"]
    assert (held["symbol"], held["quantity"], held["owner"], held["stop"], held["target"]) == ("AAA", 100, "manual", 95.0, 110.0)
    assert {order["role"] for order in session.get("/orders").json()["orders"]} == {"stop", "target"}

    moved = session.post("/tools/manage_trade", {"symbol": "AAA", "action": "adjust_stop", "new_stop_price": 98.0}).json()
    session.step(3)
    stops = [order for order in session.books.open if order["type"] == "stop"]
    assert (moved["stop"], [float(order["stop_price"]) for order in stops]) == (98.0, [98.0])
    session.post("/tools/manage_trade", {"symbol": "AAA", "action": "adjust_target", "new_target_price": 108.0})
    session.step(3)
    assert [float(order["limit_price"]) for order in session.books.open if order["type"] == "limit"] == [108.0]
    sold = session.post("/tools/manage_trade", {"symbol": "AAA", "action": "partial_exit", "exit_quantity": 40}).json()
    session.step(12)
    assert (sold["quantity"], session.books.positions, session.floor.protected()) == (40, {"AAA": 60}, True)
    trailed = session.post("/tools/manage_trade", {"symbol": "AAA", "action": "trail_stop", "trail_amount": 1.0}).json()
    assert trailed["outcome"] == "done"

    walk = session.get(f"/orders/{made['order']}/explain").json()["walks"][0]
    assert (walk["order"], walk["reason"], walk["briefing"]) == (made["order"], "a test", "2026-11-20-test")
    assert {check["code"] for check in walk["checks"]} >= {"POSITION_SIZE", "HEAT", "DAILY_LOSS"}
    assert session.get(f"/orders/{made['order']}/stop/explain").status_code == 200, "a leg's name holds a slash"

    assert session.post("/tools/close_symbol", {"symbol": "AAA", "wait": 0}, "out").json()["flat"] == "pending"
    session.step(10)
    assert session.post("/tools/close_symbol", {"symbol": "AAA", "wait": 0}, "out").json()["flat"] == "yes"
    assert session.books.positions == {}
    (trip,) = [t for t in session.get("/analytics/trades", symbol="AAA").json()["trades"] if t["trade"] == made["trade"]]
    assert (trip["quantity"], trip["reason"]) == (100, "closed by local socket, admin")
    log = session.get("/trade_log", symbol="AAA", limit=1).json()
    assert log["entries"][0]["kind"] == "closed"


def test_a_stop_that_would_trigger_at_once_is_refused_and_the_old_one_stays(session: Manned) -> None:
    prepared(session, CASES["manage_trade"])
    answer = session.post("/tools/manage_trade", {"symbol": "AAA", "action": "adjust_stop", "new_stop_price": 101.0})
    assert (answer.status_code, answer.json()["code"]) == (422, "WRONG_SIDE")
    session.step(3)
    assert [float(order["stop_price"]) for order in session.books.open if order["type"] == "stop"] == [95.0]


def test_a_stop_further_away_is_refused_beyond_the_heat_that_is_allowed_and_nearer_never(session: Manned) -> None:
    session.post("/tools/enter_trade", BUY | {"quantity": 400})
    session.step(3)
    move = {"symbol": "AAA", "action": "adjust_stop"}
    problem = session.post("/tools/manage_trade", move | {"new_stop_price": 1.0}).json()
    assert (problem["code"], problem["limit"], problem["source"]) == ("HEAT", 0.2, "MAX_PORTFOLIO_HEAT")
    assert problem["value"] == pytest.approx(0.396, rel=0.01)
    kept = session.get("/trade_log", kind="kept", limit=1).json()["entries"][0]
    assert (kept["symbol"], kept["code"], kept["value"]) == ("AAA", "HEAT", problem["value"])
    order = session.get("/orders").json()["orders"][0]["id"]
    deeds = session.get(f"/orders/{order}/explain").json()["walks"][0]["deeds"]
    assert any("the stop does not go to 1.00" in str(deed) for deed in deeds)
    assert session.post("/tools/manage_trade", move | {"new_stop_price": 90.0}).json()["outcome"] == "done"
    assert session.post("/tools/manage_trade", move | {"new_stop_price": 99.0}).json()["outcome"] == "done"
    session.step(3)
    assert [float(order["stop_price"]) for order in session.books.open if order["type"] == "stop"] == [99.0]


def test_entries_are_refused_while_trading_is_halted_and_closing_never_is(session: Manned) -> None:
    prepared(session, CASES["close_symbol"])
    session.post("/tools/halt")
    refused = session.post("/tools/enter_trade", BUY | {"symbol": "BBB"})
    assert (refused.status_code, refused.json()["code"]) == (409, "STATE")
    assert session.get("/readyz").status_code == 503
    session.post("/tools/close_symbol", {"symbol": "AAA", "wait": 0})
    session.step(10)
    assert session.books.positions == {}


def test_a_key_that_was_refused_is_refused_again_with_the_same_numbers(session: Manned) -> None:
    asked_ = BUY | {"quantity": 30_000}
    answers = [session.post("/tools/enter_trade", asked_, "too-much").json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["value"] == pytest.approx(30.0, rel=1e-3)


def test_no_outcome_in_time_is_unknown_and_says_how_to_ask_again(session: Manned) -> None:
    answer = session.post("/tools/enter_trade", BUY | {"wait": 0}, "patience")
    assert (answer.status_code, answer.json()["outcome"]) in {(202, "unknown"), (200, "approved")}
    if answer.status_code == 202:
        assert "same Idempotency-Key" in answer.json()["detail"]
    session.step(2)
    again = session.post("/tools/enter_trade", BUY, "patience").json()
    assert (again["outcome"], again["broker"]) == ("approved", "accepted")
    assert len(session.books.named(again["order"])) == 1


def test_a_broker_that_does_not_answer_leaves_flat_pending_and_never_yes(session: Manned) -> None:
    session.exchange.inject(kind="rest.status", status=503, path="/v2/positions*", times=0)
    try:
        answer = session.post("/tools/close_symbol", {"symbol": "BBB", "wait": 0}).json()
        assert answer["flat"] == "pending"
        assert "no answer" in answer["detail"]
    finally:
        session.exchange.relent()
    assert session.post("/tools/close_symbol", {"symbol": "BBB"}).json()["flat"] == "yes"


def test_pages_follow_each_other_without_gap_or_repetition(session: Manned) -> None:
    for n in range(5):
        session.post("/tools/record_trade", {"event_type": "note", "symbol": "AAA", "reason": f"page {n}"})
    whole = [entry["seq"] for entry in session.get("/trade_log", limit=1000).json()["entries"]]
    found, cursor = [], None
    while True:
        page = session.get("/trade_log", limit=3, **({"cursor": cursor} if cursor else {})).json()
        found += [entry["seq"] for entry in page["entries"]]
        if not found or page["next"] is None:
            break
        if cursor is None:
            session.post("/tools/record_trade", {"event_type": "note", "symbol": "AAA", "reason": "came in between"})
        cursor = page["next"]
    assert found == whole


def events(session: Manned, until: int, **more: Any) -> Iterator[tuple[int, str]]:
    """Numbers and kinds from the stream, up to a record."""
    with session.client.stream("GET", "/events", **more) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        number = 0
        for line in answer.iter_lines():
            if line.startswith("id: "):
                number = int(line[4:])
            elif line.startswith("event: "):
                yield number, line[7:]
            elif line.startswith("data: ") and number >= until:
                return


def test_the_stream_is_taken_up_where_it_was_cut_off(session: Manned) -> None:
    for n in range(4):
        session.post("/tools/record_trade", {"event_type": "note", "symbol": "AAA", "reason": f"event {n}"})
    known = session.get("/events/since", after=0, limit=1000).json()
    last = known["last"]
    whole = list(events(session, last, params={"after": 0}))
    assert [number for number, _ in whole] == [event["id"] for event in known["events"]]
    cut = whole[len(whole) // 2][0]
    rest = list(events(session, last, headers={"Last-Event-ID": str(cut)}))
    assert rest == [(number, kind) for number, kind in whole if number > cut]


def test_sync_reads_journals_that_the_night_has_not_and_counts_none_twice(session: Manned) -> None:
    prepared(session, CASES["close_symbol"])
    session.flat()
    lines = session.post("/analytics/sync").json()["journals"]
    assert [(line["run"], line["published"], line["error"]) for line in lines] == [("test", False, "")]
    before = session.get("/analytics/performance").json()
    assert session.post("/analytics/sync").json()["added"] in {0, 1}
    after = session.get("/analytics/performance").json()
    assert before["metrics"]["trades"] == after["metrics"]["trades"] == len(session.desk.ledger.trades)


def test_the_dashboard_and_the_documents_are_where_they_are_said_to_be(session: Manned) -> None:
    answer = session.get("/dashboard/")
    assert (answer.status_code, answer.headers["location"]) == (307, "http://127.0.0.1:8501")
    document = session.get("/openapi.json").json()
    examples = document["paths"]["/tools/enter_trade"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert examples["example"]["value"]["symbol"] == "AAPL"
    assert "daybot_positions" in session.get("/metrics").text


def test_a_command_before_the_account_is_known_is_answered_as_such(session: Manned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.floor.runner.engine.account, "portfolio", None)
    answer = session.post("/tools/enter_trade", BUY)
    assert (answer.status_code, answer.json()["code"]) == (503, "NOT_READY")


def test_a_session_that_goes_on_after_a_death_still_knows_its_keys(tmp_path: Any) -> None:
    market = world(tmp_path, {"AAA": [100.0] * 390, "BBB": [100.0] * 390})
    with Exchange(market, stepped=True, partial_rate=0.0, rate_limit=0) as exchange:
        exchange.step_to(9, 40)
        with Manned(exchange, tmp_path / "home") as first:
            made = first.post("/tools/enter_trade", BUY, "once").json()
            first.step(2)
        path = recovery.find(first.settings.journals, briefing_of(["AAA"]).session, "PA")
        assert path is not None
        with Manned(exchange, tmp_path / "home", recovered=recovery.recover(path)) as second:
            again = second.post("/tools/enter_trade", BUY, "once").json()
            assert (again["order"], again["outcome"]) == (made["order"], "approved")
            other = second.post("/tools/enter_trade", BUY | {"quantity": 7}, "once")
            assert other.json()["code"] == "KEY_REUSED"
            assert len(second.books.named(made["order"])) == 1


def test_requests_say_what_belongs_together() -> None:
    with pytest.raises(ValueError, match="adjust_stop needs new_stop_price"):
        ManageRequest(symbol="AAA", action="adjust_stop", trail_amount=1.0)
    assert ManageRequest(symbol="aaa", action="trail_stop", trail_amount=1.0).symbol == "AAA"
