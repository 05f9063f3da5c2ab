"""Every page in a real browser: with data and without, light and dark, on a desk and on a phone. No error, nothing fetched from elsewhere."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from browsing import Tab, chromium, served, tab
from playwright.sync_api import Browser

PAGES = ["", "risk", "performance", "execution", "trades", "research", "data"]
PHONE = 390
GROUND = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor.match(/[0-9]+/g)"
"""Red, green and blue of the page's ground."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def full(browser: Browser, traded: Any) -> Iterator[str]:
    with served(traded.path) as url:
        yield url


@pytest.fixture(scope="module")
def desk(browser: Browser) -> Iterator[Tab]:
    with tab(browser) as found:
        yield found


@pytest.mark.parametrize("page", PAGES)
def test_a_page_with_data_is_drawn_without_an_error_goes_dark_with_the_machine_and_fits_on_a_phone(page: str, full: str, browser: Browser) -> None:
    name = page or "today"
    with tab(browser) as one:
        one.open(f"{full}/{page}")
        one.shot(name)
        assert one.page.locator("h1").inner_text() == name.capitalize()
        assert "SIMULATED" in one.page.locator("[data-testid=stMainBlockContainer]").inner_text()

        one.page.emulate_media(color_scheme="dark")
        one.page.wait_for_function(f"{GROUND}.reduce((sum, part) => sum + Number(part), 0) < 120")
        one.shot(f"{name}-dark")

        one.page.emulate_media(color_scheme="light")
        one.page.set_viewport_size({"width": PHONE, "height": 900})
        one.page.wait_for_function(f"{GROUND}.reduce((sum, part) => sum + Number(part), 0) > 600")
        one.shot(f"{name}-phone")
        assert one.page.evaluate("document.documentElement.scrollWidth") <= PHONE
        charts = one.page.evaluate("[...document.querySelectorAll('[data-testid=stVegaLiteChart]')].map(e => e.getBoundingClientRect().right)")
        assert max(charts, default=0) <= PHONE
        assert one.broken == []


def test_without_a_snapshot_it_says_how_to_make_one_and_before_the_first_session_each_page_what_will_be_there(
    browser: Browser, night: Any, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with served(home) as url, tab(browser) as one:
        one.open(url)
        assert one.page.locator("h1").inner_text() == "No snapshot published yet"
        one.shot("nothing")
        shutil.copytree(night.path, home, dirs_exist_ok=True)
        for page in PAGES:
            one.open(f"{url}/{page}")
            one.shot(f"{page or 'today'}-before")
            assert one.page.locator("h1").inner_text() == (page or "today").capitalize()
        assert one.broken == []


def test_a_trade_is_picked_and_walked_back(full: str, desk: Tab) -> None:
    desk.open(f"{full}/trades")
    table = desk.page.locator("[data-testid=stDataFrame]").first
    table.locator("[role=row][aria-rowindex='2']").wait_for(state="attached")  # before its rows are there it hears no click
    table.click(position={"x": 17, "y": 52})
    table.locator("[role=row][aria-selected=true]").wait_for(state="attached")
    desk.page.wait_for_selector("text=Size: the least of these")
    desk.settle()
    desk.shot("trade")
    text = desk.page.locator("[data-testid=stMainBlockContainer]").inner_text()
    assert "Size: the least of these" in text
    assert "Checks at the gate" in text
    assert desk.broken == []


def test_a_table_comes_down_as_csv_and_as_parquet_with_every_row(full: str, traded: Any, desk: Tab) -> None:
    desk.open(f"{full}/trades")
    files = []
    for kind in ("CSV", "Parquet"):
        with desk.page.expect_download() as coming:
            desk.page.locator("[data-testid=stDownloadButton]").filter(has_text=kind).first.locator("button").first.click()
        files.append(Path(coming.value.path()))
    lines = files[0].read_text().splitlines()
    assert len(lines) == traded.tables["round_trips"].height + 1
    assert lines[0].startswith("session,book,mode,trade")
    whole = pl.read_parquet(files[1])
    assert whole["trade"].sort().to_list() == traded.tables["round_trips"]["trade"].sort().to_list()
    assert ",".join(whole.columns) == lines[0]
