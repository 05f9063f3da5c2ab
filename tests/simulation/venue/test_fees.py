"""What trading costs: regulatory fees to the cent as a real account was charged them, and volume that limits how much an order takes."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.sim.errors import WorldError
from live.sim.venue.fees import NONE, REGULATORY, Fees, read

CENT = Decimal("0.01")


def test_a_day_of_a_paper_account_is_charged_to_the_cent():
    """Amounts of 2026-09-08 from an account's activities: 89 sales of 1572 shares for $185271.37, 174 trades in all."""
    fees = Fees(REGULATORY)
    for _n in range(88):
        fees.accrue("sell", Decimal(17), Decimal(100))
    fees.accrue("sell", Decimal(76), (Decimal("185271.37") - 88 * 1700) / 76)
    for _ in range(85):
        fees.accrue("buy", Decimal(18), Decimal(100))
    assert fees.due() == [
        ("CAT", Decimal("0.01"), "CAT fee for proceed of 174 trades"),
        ("REG", Decimal("3.82"), "REG fee for proceed of $185271.37"),
        ("TAF", Decimal("0.31"), "TAF fee for proceed of 1572 shares (89 trades)"),
    ]
    assert (fees.owed, fees.regulatory) == (Decimal("4.14"), Decimal("4.13"))


def test_the_activity_fee_is_capped_by_the_trade_not_by_the_day():
    fees = Fees(REGULATORY)
    for _ in range(3):
        fees.accrue("sell", Decimal(100_000), Decimal(1))
    assert {kind: amount for kind, amount, _ in fees.due()}["TAF"] == 3 * Decimal("9.79")


@given(trades=st.lists(st.tuples(st.sampled_from(("buy", "sell")), st.integers(1, 10**9), st.integers(1, 10**6)), max_size=30))
def test_fees_never_fall_are_whole_cents_and_at_most_a_cent_a_kind_above_what_is_due(trades):
    fees, before, exact = Fees(REGULATORY), Decimal(0), Decimal(0)
    for side, nanos, cents in trades:
        qty, price = Decimal(nanos) / 1000, Decimal(cents) / 100
        fees.accrue(side, qty, price)
        exact += -(-qty // 1) * REGULATORY.cat
        if side == "sell":
            exact += qty * price * REGULATORY.sec + min(qty * REGULATORY.taf, REGULATORY.cap)
        assert fees.owed >= before
        assert fees.owed % CENT == 0
        assert exact <= fees.owed < exact + 3 * CENT
        before = fees.owed


def test_rates_are_named_one_by_one_and_bad_ones_are_refused():
    assert (read("regulatory"), read("none")) == (REGULATORY, NONE)
    assert read("sec=0.0000278, cap=8.30") == type(REGULATORY)(Decimal("0.0000278"), REGULATORY.taf, Decimal("8.30"), REGULATORY.cat)
    for wrong in ("free", "sec", "sec=", "sec=x", "vat=1", "sec=-1", "sec=nan", "sec=inf", ""):
        with pytest.raises(WorldError, match="Fees"):
            read(wrong)


def test_fees_accrue_by_day_hold_buying_power_and_are_charged_in_the_evening(client, market):
    trader = client(market({"AAA": [100.0] * 390}), start=(9, 35))
    trader.send("AAA", "buy", 1000)
    trader.exchange.step(10)
    account = trader.raw.get("/v2/account").json()
    assert (account["accrued_fees"], account["pending_reg_taf_fees"]) == ("0.01", "0")
    trader.trading.close_position("AAA")
    trader.exchange.step(10)
    (bought, sold) = trader.exchange.books()["fills"]
    account = trader.raw.get("/v2/account").json()
    sec = (Decimal(sold["price"]) * 1000 * Decimal("0.0000206")).quantize(CENT, "ROUND_UP")
    assert (account["accrued_fees"], account["pending_reg_taf_fees"]) == (str(sec + Decimal("0.21")), str(sec + Decimal("0.20")))
    assert Decimal(account["non_marginable_buying_power"]) == Decimal(account["cash"]) - Decimal(account["accrued_fees"])
    before = Decimal(100_000) + (Decimal(sold["price"]) - Decimal(bought["price"])) * 1000
    assert Decimal(account["cash"]) == Decimal(account["equity"]) == before
    assert trader.raw.get("/v2/account/activities/FEE").json() == []
    trader.exchange.step_to(20, 16)
    after = trader.raw.get("/v2/account").json()
    assert (after["accrued_fees"], after["pending_reg_taf_fees"]) == ("0", "0")
    assert Decimal(after["cash"]) == Decimal(after["equity"]) == before - sec - Decimal("0.21")
    rows = trader.raw.get("/v2/account/activities", params={"activity_types": "FEE", "direction": "asc"}).json()
    assert {(row["activity_sub_type"], row["net_amount"]) for row in rows} == {("CAT", "-0.01"), ("REG", f"-{sec}"), ("TAF", "-0.2")}
    taf = next(row for row in rows if row["activity_sub_type"] == "TAF")
    assert taf.pop("id").startswith("20261120000000000::")
    assert taf == {
        "activity_type": "FEE",
        "activity_sub_type": "TAF",
        "date": "2026-11-20",
        "created_at": "2026-11-21T01:15:00Z",
        "net_amount": "-0.2",
        "description": f"TAF fee for proceed of 1000 shares (1 trades) on 2026-11-20 by {after['account_number']}",
        "status": "executed",
        "currency": "USD",
    }
    assert trader.exchange.books()["account"]["charged"] == str(sec + Decimal("0.21"))


def test_nothing_is_charged_where_fees_are_off(client, market):
    trader = client(market({"AAA": [100.0] * 390}), start=(9, 35), fees=NONE)
    trader.send("AAA", "buy", 10)
    trader.exchange.step(10)
    trader.trading.close_position("AAA")
    trader.exchange.step_to(21)
    account = trader.raw.get("/v2/account").json()
    assert (account["accrued_fees"], trader.raw.get("/v2/account/activities/FEE").json()) == ("0", [])


def fills(trader) -> list[tuple[str, int]]:
    return [(row["side"], int(row["qty"])) for row in trader.exchange.books()["fills"]]


def prints(trader, until: str) -> list[tuple[str, int]]:
    """Time and size of the trades of the day so far."""
    rows = trader.raw.get("/v2/stocks/AAA/trades", params={"start": "2026-11-20", "limit": 10_000}).json()["trades"]
    return [(row["t"], row["s"]) for row in rows if row["t"] <= until]


def test_an_order_takes_its_share_of_what_printed_since_it_arrived(client, market):
    trader = client(market({"AAA": [100.0] * 390}, volume=1_000), start=(9, 35), participation=0.1)
    order = trader.send("AAA", "buy", 350, type="limit", limit_price=101)
    seen = 0
    while trader.status(order["id"]) != "filled":
        trader.exchange.step(10)
        assert trader.exchange.clock()["now"] < "2026-11-20T14:45"
        taken = sum(qty for _, qty in fills(trader))
        now = trader.exchange.clock()["now"]
        rows = prints(trader, now)
        first = [size for at, size in rows if at <= order["created_at"]][-1:]
        printed = sum([*first, *(size for at, size in rows if at > order["created_at"])])
        assert taken <= printed * 0.1
        seen = max(seen, taken)
    assert len(fills(trader)) >= 4 and seen == 350
    (row,) = [row for row in trader.exchange.books()["orders"] if row["id"] == order["id"]]
    assert [step["status"] for step in row["history"]] == ["pending_new", "new", "partially_filled", "filled"]


def test_volume_at_prices_out_of_reach_gives_an_order_nothing(client, market):
    prices = [100.0] * 10 + [90.0] + [100.0] * 379
    trader = client(market({"AAA": prices}, volume=1_000), start=(9, 35), participation=0.1)
    trader.send("AAA", "buy", 1000, type="limit", limit_price=95)
    trader.exchange.step_to(10)
    assert 0 < sum(qty for _, qty in fills(trader)) <= 200


@pytest.mark.parametrize(("force", "filled"), [("ioc", True), ("fok", False)])
def test_immediate_orders_take_their_share_at_once_or_nothing(client, market, force, filled):
    trader = client(market({"AAA": [100.0] * 390}, volume=14_000), start=(9, 35), participation=0.5)
    trader.exchange.step(61)
    order = trader.send("AAA", "buy", 3_900, type="limit", limit_price=101, time_in_force=force)
    trader.exchange.step(10)
    assert trader.status(order["id"]) == "canceled"
    assert (sum(qty for _, qty in fills(trader)) > 0) is filled


def test_parts_of_shares_and_dollar_orders_take_a_part_of_the_volume_too(client, market):
    trader = client(market({"AAA": [100.0] * 390}, volume=14), start=(9, 35), participation=0.05)
    order = trader.send("AAA", "buy", None, notional=130)
    trader.exchange.step_to(9, 50)
    rows = trader.exchange.books()["fills"]
    assert trader.status(order["id"]) == "filled"
    assert len(rows) > 5
    assert sum(Decimal(row["qty"]) for row in rows) == Decimal(trader.raw.get("/v2/positions/AAA").json()["qty"])
