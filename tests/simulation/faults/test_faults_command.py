"""`daybot fault` against a running exchange."""

import json

import httpx
from commands import daybot

from live.sim.embedded import Exchange


def test_a_fault_is_added_strikes_is_logged_and_is_taken_back() -> None:
    with Exchange(stepped=True) as exchange:
        added = daybot("fault", "add", "rest.status", "path=/v2/clock", "status=503", "times=1", "--url", exchange.url)
        assert added.code == 0, added.output
        keys = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}
        assert [httpx.get(f"{exchange.url}/v2/clock", headers=keys).status_code for _ in range(2)] == [503, 200]
        assert "rest.status" in daybot("fault", "list", "--url", exchange.url).output
        assert "/v2/clock" in daybot("fault", "log", "--url", exchange.url).output
        assert daybot("fault", "clear", "--url", exchange.url).code == 0
        assert json.loads(daybot("fault", "list", "--json", "--url", exchange.url).output) == []


def test_a_kind_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with Exchange(stepped=True) as exchange:
        ran = daybot("fault", "add", "stream.mut", "--url", exchange.url)
        kinds = daybot("fault", "kinds", "--url", exchange.url)
    assert ran.code == 1
    assert "stream.mute" in ran.output
    assert "match.partial" in kinds.output


def test_an_aim_is_text_even_when_it_looks_like_a_number() -> None:
    with Exchange(stepped=True) as exchange:
        fields = ("client_order_id=20261120", 'symbol=["A*", "MSFT"]', "field=limit_price", "to=NaN")
        added = daybot("fault", "add", "stream.set", *fields, "--url", exchange.url)
        (fault,) = httpx.get(f"{exchange.url}/sim/faults").json()
    assert added.code == 0, added.output
    assert (fault["client_order_id"], fault["symbol"], fault["to"]) == ("20261120", ["A*", "MSFT"], "NaN")


def test_without_an_exchange_it_says_how_to_start_one() -> None:
    ran = daybot("fault", "list", "--url", "http://127.0.0.1:9")
    assert ran.code == 1
    assert "daybot exchange" in ran.output
