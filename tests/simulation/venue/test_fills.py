"""At what price an order fills, and what two changes under way at once may claim."""

from live.sim.worlds.recorded import RecordedWorld


def fill(trader) -> tuple[str, str]:
    (found,) = trader.exchange.books()["fills"]
    return found["at"][11:16], found["price"]


def test_a_limit_the_market_jumps_over_between_two_minutes_gets_the_price_beyond(client, minutes, market):
    """The minute after the jump never saw the limit's price; inside a minute the market passes through it."""
    files = [minutes({"AAA": [100.0] * 10}), minutes({"AAA": [95.0] * 10}, minute=42, name="after")]
    trader = client(RecordedWorld(minutes=files), start=(9, 31))
    trader.send("AAA", "buy", 5, type="limit", limit_price=97)
    trader.exchange.step_to(9, 50)
    assert fill(trader)[0] == "14:42"
    assert 95 <= float(fill(trader)[1]) <= 95.01
    smooth = client(market({"AAA": [100.0] * 10 + [95.0] * 10}, name="smooth"), start=(9, 31))
    smooth.send("AAA", "buy", 5, type="limit", limit_price=97)
    smooth.exchange.step_to(9, 50)
    assert fill(smooth) == ("14:40", "97")


def test_a_limit_passed_over_night_gets_the_first_price_of_the_day(client, market):
    trader = client(market({"AAA": [100.0] * 2}, minute=35), start=(9, 31))
    trader.send("AAA", "buy", 5, type="limit", limit_price=150)
    trader.exchange.step_to(9, 50)
    at, price = fill(trader)
    assert (at, float(price) <= 100.01) == ("14:35", True)


def test_two_replacements_under_way_cannot_claim_the_same_shares(client, market):
    trader = client(market({"AAA": [100.0] * 60}), start=(9, 35))
    trader.send("AAA", "buy", 10)
    trader.exchange.step(5)
    first, second = (trader.send("AAA", "sell", 4, type="limit", limit_price=150) for _ in range(2))
    trader.exchange.step(5)
    assert trader.raw.patch(f"/v2/orders/{first['id']}", json={"qty": 6}).status_code == 200
    answer = trader.raw.patch(f"/v2/orders/{second['id']}", json={"qty": 6})
    assert (answer.status_code, answer.json()["code"], answer.json()["held_for_orders"]) == (403, 40310000, "10")
    trader.exchange.step(5)
    assert trader.raw.get("/v2/positions/AAA").json()["qty_available"] == "0"
