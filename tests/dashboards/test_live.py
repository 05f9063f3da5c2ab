"""A session that runs, in a real browser: what is held is on the chart, and the flatten button reaches the venue's books. Then the runner dies."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import polars as pl
import pytest
from browsing import ROOT, Tab, chromium, served, tab, until
from commands import background, free_port, sim
from desk import Books, world
from market import briefing_of
from streamlit.testing.v1 import AppTest

from dashboards import runner
from live.doors.tokens import Scope, Tokens
from live.sim.embedded import Exchange
from pipelines import publish
from pipelines.core.briefing import Candidate
from pipelines.settings import Settings, load
from pipelines.store import Warehouse

SPEED = 30.0
"""Market seconds in a second."""

PORT = free_port()
"""Of the runner's tools over TCP."""

REFRESHES = 4
"""Looks at the session over which the page is watched."""

PRICES = {"AAA": [100.0 + 0.05 * (n % 7) for n in range(390)], "BBB": [50.0 + 0.02 * (n % 5) for n in range(390)]}


@dataclass
class Running:
    """A session under way: the venue, the home, the process, and the dashboard over it."""

    exchange: Exchange
    home: Path
    process: subprocess.Popen[str]
    url: str

    def tell(self, path: str, **body: object) -> httpx.Response:
        """Ask the runner as any tool does; without a body it is a look."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.home / "run" / "daybot.sock")), base_url="http://daybot", timeout=30) as client:
            return client.post(path, json=body) if body else client.get(path)


@pytest.fixture(scope="module")
def desk() -> Iterator[Tab]:
    with chromium() as browser, tab(browser) as found:
        yield found


@pytest.fixture(scope="module")
def running(desk: Tab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`daybot live` on a simulated exchange, with ten shares of AAA bought through its door."""
    folder = tmp_path_factory.mktemp("live")
    home = folder / "home"
    prepared(home)
    with Exchange(world(folder, PRICES), stepped=False, speed=SPEED, start=(10, 0), partial_rate=0.0, rate_limit=0) as exchange:
        ours = sim(exchange.url) | {"POLYGON_API_KEY": "SIM", "SERVER_LISTEN": "true", "SERVER_PORT": str(PORT)}
        with background(home, "live", **ours) as process, served(home, **ours) as url:
            one = Running(exchange, home, process, url)
            until(lambda: (home / "run" / "daybot.sock").exists(), "the runner's door")
            until(lambda: entered(one), "an entry that is taken")
            until(lambda: Books(exchange).positions == {"AAA": 10}, "ten shares at the venue")
            yield one


def prepared(home: Path) -> None:
    """The night before: a briefing of two names in a published snapshot."""
    settings = Settings(daybot_home=home)
    made = briefing_of(["AAA", "BBB"])
    name = publish.version(made.session, datetime.now(UTC), "cafe" * 2)
    watched = tuple(Candidate(rank=i, symbol=s, score=1.0, reasons=("told to",)) for i, s in enumerate(("AAA", "BBB"), start=1))
    whole = made.model_copy(update={"version": name, "watchlist": watched, "created_at": datetime.now(UTC)})
    warehouse = Warehouse(settings)
    rows = pl.DataFrame({"session": [whole.session], "version": [name], "json": [whole.model_dump_json()]})
    warehouse.replace({"briefings": rows}, [whole.session])
    publish.release(settings, name, warehouse.copy)


def entered(one: Running) -> bool:
    """Refused until the session is armed and has a price."""
    assert one.process.poll() is None, (one.home / "background.log").read_text()
    try:
        said = one.tell("/tools/enter_trade", symbol="AAA", side="buy", quantity=10, reason="a test buys")
    except httpx.HTTPError:
        return False
    return said.status_code == 200


def refreshed(desk: Tab, times: int) -> None:
    """The line above the page was drawn anew so many times."""
    for _ in range(times):
        before = desk.page.locator(".st-key-strip").inner_text()
        desk.page.wait_for_function("(before) => document.querySelector('.st-key-strip').innerText !== before", arg=before)


def test_the_running_session_is_above_every_page_and_its_position_on_the_chart(running: Running, desk: Tab) -> None:
    desk.open(running.url)
    desk.page.wait_for_selector("text=Hollow blue rises")
    strip = desk.page.locator(".st-key-strip").inner_text()
    assert all(word in strip for word in ("SIMULATED", "ACTIVE", "1 position"))
    desk.settle()
    desk.shot("live")
    assert desk.broken == []
    for page in ("risk", "trades"):
        desk.open(f"{running.url}/{page}")
        desk.page.wait_for_selector(".st-key-strip >> text=ACTIVE")
    assert desk.broken == []


def test_the_page_moves_on_by_itself_and_nothing_of_it_flickers(running: Running, desk: Tab) -> None:
    """Looked at frame by frame over several refreshes, with a list open, the page scrolled down and the focus in a field."""
    page = desk.page
    page.set_viewport_size({"width": 1400, "height": 900})
    desk.open(running.url)
    page.wait_for_selector("text=Hollow blue rises")
    page.get_by_role("combobox", name="Symbol").scroll_into_view_if_needed()
    page.get_by_role("combobox", name="Symbol").click()
    page.get_by_role("option").first.wait_for()
    desk.settle()
    place = page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop")
    desk.watch()
    refreshed(desk, REFRESHES)
    seen = desk.seen
    assert seen["frames"] > 10
    assert seen["charts"] >= 3
    assert (seen["removed"], seen["blank"], seen["palest"], seen["shift"]) == ([], 0, 1, 0)
    assert page.get_by_role("option").first.is_visible(), "the list stays open"
    assert page.evaluate("document.activeElement.getAttribute('role')") == "combobox", "the focus stays"
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == place > 0
    assert desk.broken == []


def test_a_vendor_that_is_lost_is_left_for_the_other_and_the_page_says_so(running: Running, desk: Tab) -> None:
    running.exchange.inject(kind="stream.deny", stream="market", status=429, times=0)
    running.exchange.inject(kind="stream.close", stream="market", code=1006)
    desk.open(running.url)
    desk.page.wait_for_selector("text=1 change of the vendor that is followed")
    desk.page.wait_for_selector("text=/sip is not healthy/")
    assert running.tell("/status").json()["feeds"] == {"sip": False, "polygon": True}
    desk.settle()
    desk.shot("failover")
    running.exchange.relent()
    assert desk.broken == []


def test_what_if_says_what_the_gate_would(running: Running, desk: Tab) -> None:
    desk.open(f"{running.url}/risk")
    desk.page.get_by_role("button", name="Preview").click()
    desk.page.wait_for_selector("text=Checks at the gate")
    desk.settle()
    desk.shot("whatif")
    assert Books(running.exchange).positions == {"AAA": 10}
    assert desk.broken == []


def test_a_runner_elsewhere_is_reached_with_a_token_and_halted(running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dashboard of a machine that has nothing of the session: no socket, no journal, no snapshot."""
    token = tmp_path / "token"
    monkeypatch.setenv("DAYBOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RUNNER_URL", f"http://127.0.0.1:{PORT}")
    monkeypatch.setenv("RUNNER_TOKEN_FILE", str(token))

    def drawn() -> tuple[AppTest, str]:
        app = AppTest.from_file(ROOT / "dashboards" / "app.py", default_timeout=60).run()
        assert not app.exception
        return app, "\n".join(str(part.value) for part in [*app.markdown, *app.caption])

    assert "RUNNER_TOKEN_FILE names" in drawn()[1]
    token.write_text("of somebody else\n")
    assert "the runner said no (HTTP 401)" in drawn()[1]
    token.write_text(Tokens(Settings(daybot_home=running.home).tokens).create("pages", Scope.TRADE, 1.0) + "\n")
    app, said = drawn()
    assert "**ACTIVE**" in said
    assert "1 position" in said
    (held,) = [frame.value for frame in app.dataframe if "entry" in frame.value.columns]
    assert held["symbol"].tolist() == ["AAA"]
    app.button(key="halt").click().run()
    assert "**SIMULATED**" in "".join(str(part.value) for part in app.markdown if "own word" in str(part.value))
    runner.Door(load()).tell("halt", runner.key())  # what the dialog's button does: a dialog is no part of a test's app
    assert "**HALTED**" in drawn()[1]
    assert Books(running.exchange).positions == {"AAA": 10}
    monkeypatch.setenv("RUNNER_URL", f"http://127.0.0.1:{free_port()}")
    assert "NOT ANSWERING" not in drawn()[1], "where nobody listens no session runs"


def pressed(desk: Tab, name: str) -> None:
    """A button, by the keyboard alone."""
    button = desk.page.get_by_role("button", name=name)
    button.wait_for()
    assert button.evaluate("e => e.tabIndex") >= 0, "the tab key comes to it"
    button.press("Enter")


def test_flatten_reaches_the_venues_books_by_the_keyboard_alone(running: Running, desk: Tab) -> None:
    desk.open(running.url)
    pressed(desk, "Flatten all…")
    desk.page.wait_for_selector("[role=dialog] >> text=account")
    refreshed(desk, 1)
    assert desk.page.get_by_role("dialog").is_visible(), "the line above the page is drawn anew; the dialog stays"
    desk.page.set_viewport_size({"width": 1400, "height": 900})
    desk.page.screenshot(path=ROOT / "build" / "screenshots" / "flatten-asked.png")
    pressed(desk, "Flatten all now")
    until(lambda: Books(running.exchange).positions == {} and Books(running.exchange).open == [], "flat at the venue")
    desk.page.wait_for_selector("text=/Flatten all done/")
    said = desk.page.locator(".st-key-strip").inner_text()
    (sale,) = [fill for fill in Books(running.exchange).raw["fills"] if fill["side"] == "sell"]
    assert f"sell 10 AAA at {float(sale['price']):.2f}" in said
    assert "HALTED" in said
    desk.settle()
    desk.shot("flattened")
    assert desk.broken == []


def test_a_dead_runner_is_said_with_the_way_out(running: Running, desk: Tab) -> None:
    running.process.kill()
    running.process.wait()
    desk.open(running.url)
    desk.page.wait_for_selector("text=RUNNER DEAD")
    text = desk.page.locator("[data-testid=stMainBlockContainer]").inner_text()
    assert "daybot flat --direct" in text
    assert re.search(r"P&L of the day\s+[+−]\$", text)  # its journal is still there
    assert desk.page.get_by_role("button", name="Flatten all…").count() == 0
    desk.settle()
    desk.shot("dead")
    assert desk.broken == []
