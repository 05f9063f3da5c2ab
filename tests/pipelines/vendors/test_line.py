"""The line to a vendor: below its limit however fast it is asked, patient with what passes, quick about what does not."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipelines.core.errors import BrokerError, Unreachable
from pipelines.defs.resources import DayBot
from pipelines.vendors.alpaca import Alpaca
from pipelines.vendors.line import ADDRESS, Pace, addressed
from pipelines.vendors.polygon import Polygon

ASSET = {"symbol": "AAPL", "tradable": True, "shortable": True}
TICKER = {"results": [{"ticker": "AAPL"}]}


class Stub(ThreadingHTTPServer):
    """Answers with the scripted (status, headers, body) in their order, the last one for ever; keeps when each request came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[tuple[int, dict[str, str], str]] = []
        self.times: list[float] = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Stub)
        self.server.times.append(time.time())
        script = self.server.script
        status, headers, body = script.pop(0) if len(script) > 1 else script[0]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Silence."""


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(params=["alpaca", "polygon"])
def assets(request: pytest.FixtureRequest, stub: Stub, tools: Callable[..., DayBot]) -> tuple[Alpaca | Polygon, tuple[int, dict[str, str], str]]:
    """A source whose only vendor is the stub, and a good answer to its question for assets."""
    url = f"http://127.0.0.1:{stub.server_port}"
    quick = {"vendor_retries": 3, "vendor_backoff": 0.01, "alpaca_rate": 1000, "polygon_rate": 1000}
    if request.param == "alpaca":
        settings = tools(daybot_mode="sim", alpaca_base_url=url, alpaca_api_key="A", alpaca_secret_key="S", **quick).settings
        return Alpaca(settings), (200, {}, json.dumps([ASSET]))
    return Polygon(tools(polygon_base_url=url, polygon_api_key="P", **quick).settings), (200, {}, json.dumps(TICKER))


@pytest.mark.parametrize(
    "fault",
    [
        (429, {}, "{}"),
        (500, {}, "{}"),
        (503, {}, ""),
        (504, {}, "<html>"),
        (200, {}, "<html>maintenance</html>"),
        (200, {"Content-Length": "9999"}, "["),
    ],
    ids=["429", "500", "503", "504", "html", "cut"],
)
def test_what_passes_is_asked_again_by_us_and_by_nobody_else(
    assets: tuple[Alpaca | Polygon, tuple[int, dict[str, str], str]], stub: Stub, fault: tuple[int, dict[str, str], str]
) -> None:
    source, good = assets
    stub.script = [fault, fault, good]
    assert source.assets()["symbol"].to_list() == ["AAPL"]
    assert (source.traffic.requests, source.traffic.retries, len(stub.times)) == (3, 2, 3)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_definite_no_is_not_asked_again(assets: tuple[Alpaca | Polygon, tuple[int, dict[str, str], str]], stub: Stub, status: int) -> None:
    source, _ = assets
    stub.script = [(status, {}, '{"message": "no"}')]
    with pytest.raises(BrokerError, match=str(status)) as caught:
        source.assets()
    assert not isinstance(caught.value, Unreachable)
    assert len(stub.times) == 1


@pytest.mark.parametrize("fault", [(429, {}, "{}"), (502, {}, "<html>")], ids=["429", "502"])
def test_a_vendor_that_stays_away_is_unreachable_after_every_try(
    assets: tuple[Alpaca | Polygon, tuple[int, dict[str, str], str]], stub: Stub, fault: tuple[int, dict[str, str], str]
) -> None:
    source, _ = assets
    stub.script = [fault]
    with pytest.raises(Unreachable, match=str(fault[0])):
        source.assets()
    assert len(stub.times) == 4


def test_nobody_there_is_unreachable(assets: tuple[Alpaca | Polygon, tuple[int, dict[str, str], str]], stub: Stub) -> None:
    source, _ = assets
    stub.server_close()
    with pytest.raises(Unreachable, match="found none"):
        source.assets()
    assert source.traffic.retries == 3


def test_a_page_that_stays_unreadable_is_an_error_with_its_text(assets: tuple[Alpaca | Polygon, tuple[int, dict[str, str], str]], stub: Stub) -> None:
    source, _ = assets
    stub.script = [(200, {}, "<html>maintenance</html>")]
    with pytest.raises(BrokerError, match="maintenance"):
        source.assets()


@pytest.mark.parametrize("busy", [429, 503])
def test_the_vendor_says_when_to_come_back(assets: tuple[Alpaca | Polygon, tuple[int, dict[str, str], str]], stub: Stub, busy: int) -> None:
    source, good = assets
    stub.script = [(busy, {"Retry-After": "1"}, "{}"), good]
    source.assets()
    assert stub.times[1] - stub.times[0] >= 1
    assert source.traffic.waited >= 0.9


def test_a_used_up_allowance_is_not_tried_before_its_reset(assets: tuple[Alpaca | Polygon, tuple[int, dict[str, str], str]], stub: Stub) -> None:
    source, good = assets
    reset = int(time.time()) + 2
    stub.script = [(good[0], {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)}, good[2]), good]
    source.assets()
    source.assets()
    assert stub.times[0] < reset <= stub.times[1] + 0.001


def test_any_window_holds_no_more_than_the_rate() -> None:
    pace, window, rate = Pace(5, window=0.2), 0.2, 5
    sent = []
    for _ in range(17):
        pace.take()
        sent.append(time.monotonic())
    assert all(later - earlier >= window - 0.001 for earlier, later in zip(sent, sent[rate:], strict=False))
    assert sent[-1] - sent[0] < 4 * window, "and hardly fewer"


def test_symbols_share_an_address_as_far_as_it_goes() -> None:
    symbols = [f"SYM{i}" for i in range(3000)]
    runs = addressed(symbols, 2000)
    assert [symbol for run in runs for symbol in run] == symbols
    assert all(len("%2C".join(run)) <= ADDRESS for run in runs)
    assert len(runs) == 5
    assert [len(run) for run in addressed(symbols[:10], 4)] == [4, 4, 2]
    assert addressed([], 4) == []
