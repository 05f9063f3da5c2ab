"""The origin's curl examples, word for word; added is the token, and the port that the test has."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import world
from manned import Manned

from live.doors.tokens import Scope
from live.sim.embedded import Exchange

EXAMPLES = {
    "health": "curl http://localhost:8000/tools/healthcheck",
    "enter": """curl -X POST http://localhost:8000/tools/enter_trade \\
  -H "Content-Type: application/json" \\
  -d '{
    "symbol": "AAPL",
    "side": "buy",
    "quantity": 10,
    "order_type": "market",
    "stop_loss_price": 145.00,
    "take_profit_price": 155.00
  }'""",
    "close": """curl -X POST http://localhost:8000/tools/close_symbol \\
  -H "Content-Type: application/json" \\
  -d '{
    "symbol": "AAPL"
  }'""",
    "risk": "curl http://localhost:8000/tools/risk_status",
}


@pytest.fixture(scope="module")
def apple(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manned]:
    """A session in which AAPL stands at 150 dollars."""
    folder: Path = tmp_path_factory.mktemp("apple")
    with Exchange(world(folder, {"AAPL": [150.0] * 390}), stepped=True, partial_rate=0.0, rate_limit=0) as exchange:
        exchange.step_to(9, 40)
        with Manned(exchange, folder / "home", symbols=["AAPL"], bounds={"max_gap": 0.9}) as session:
            yield session


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_every_example_does_what_it_says(apple: Manned) -> None:
    token = apple.token(Scope.TRADE)

    def curl(name: str) -> dict[str, Any]:
        words = EXAMPLES[name].replace("localhost:8000", f"localhost:{apple.settings.server_port}")
        command = f"{words} -s --max-time 20 -H 'Authorization: Bearer {token}'"
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        return dict(json.loads(done.stdout))

    assert curl("health")["ok"] is True
    entered = curl("enter")
    assert (entered["outcome"], entered["quantity"], entered["broker"], entered["mode"]) == ("approved", 10, "accepted", "SIM")
    apple.step(3)
    assert apple.books.positions == {"AAPL": 10}
    stops = [order for order in apple.books.open if order["type"] == "stop"]
    assert [float(order["stop_price"]) for order in stops] == [145.0]
    assert curl("risk")["positions"] == 1
    first = curl("close")
    assert (first["flat"], first["symbols"]) == ("pending", ["AAPL"])
    apple.step(5)
    assert apple.books.positions == {}
    assert curl("close")["flat"] == "yes"
    assert curl("risk")["positions"] == 0


def test_without_a_token_none_of_them_gets_in(apple: Manned) -> None:
    done = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://localhost:{apple.settings.server_port}/tools/healthcheck"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "401"
