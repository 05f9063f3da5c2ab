"""The dashboard as a person has it: Streamlit in a process of its own, looked at by Debian's Chromium, and what the browser complained of."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import commands
import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"
"""Looked at by people; kept by CI beside the test's result."""

PATIENCE = 60.0
"""Seconds that a loaded machine may take to draw a page."""

MOVES = re.compile(r"_stcore/(host-config|health)")
"""Streamlit looks for itself below a page's address first, is told 404, and looks above."""

FOREIGN = re.compile(r"https?://(?!127\.0\.0\.1|localhost)")

WATCH = """() => {
  const kinds = ['stMetric', 'stVegaLiteChart', 'stDataFrame', 'stHeading', 'stSelectbox', 'stMarkdown', 'stCaptionContainer', 'stButton'];
  const parts = kinds.map(kind => `[data-testid=${kind}]`).join(', ') + ', canvas, .vega-embed';
  const main = document.querySelector('[data-testid=stMain]');
  const drawn = () => [...main.querySelectorAll('[data-testid=stVegaLiteChart]')].filter(c => c.querySelector('canvas, svg')).length;
  const filled = () => [...main.querySelectorAll('[data-testid=stMetricValue]')].filter(m => m.innerText.trim()).length;
  const seen = window.seen = {frames: 0, removed: [], blank: 0, palest: 1, shift: 0, charts: drawn(), figures: filled()};
  new MutationObserver(changes => changes.forEach(change => change.removedNodes.forEach(node => {
    if (node.nodeType === 1 && (node.matches(parts) || node.querySelector(parts))) seen.removed.push(node.outerHTML.slice(0, 200));
  }))).observe(main, {childList: true, subtree: true});
  new PerformanceObserver(list => list.getEntries().forEach(entry => seen.shift += entry.value)).observe({type: 'layout-shift'});
  const frame = () => {
    seen.frames += 1;
    seen.blank += drawn() < seen.charts || filled() < seen.figures;
    main.querySelectorAll('[data-testid=stElementContainer]').forEach(e => {
      seen.palest = Math.min(seen.palest, Number(getComputedStyle(e).opacity));
    });
    requestAnimationFrame(frame);
  };
  frame();
}"""
"""From here on every frame is looked at: parts taken off the page, charts or figures that are blank, what fades, and what moves (layout shift)."""

until = partial(commands.until, patience=PATIENCE)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless one; the test skips where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served(home: Path, **environ: str) -> Iterator[str]:
    """The dashboard of a home on a free port; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ALPACA_", "POLYGON_", "DAYBOT_"))}
    command = [sys.executable, "-m", "streamlit", "run", "dashboards/app.py", "--server.port", str(port)]
    log = (home.parent / f"{home.name}-dashboard.log").open("w")
    environment = kept | {"DAYBOT_HOME": str(home), **environ}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: process.poll() is not None or _answers(url), "a dashboard that answers")
        assert process.poll() is None, Path(log.name).read_text()
        yield url
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_stcore/health", timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


@dataclass
class Tab:
    """A page in the browser, and everything it complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("response", lambda r: self.complaints.append(f"{r.status} {r.url}") if r.status >= 400 and not MOVES.search(r.url) else None)
        self.page.on("request", lambda r: self.complaints.append(f"leaves the machine: {r.url}") if FOREIGN.match(r.url) else None)
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" and "404" not in m.text else None)

    def open(self, url: str) -> None:
        """Go there and wait until it is drawn."""
        self.page.goto(url)
        self.settle()

    def settle(self) -> None:
        """The script has run to its end, and every picture and table is there."""
        self.page.wait_for_selector("h1")
        self.page.wait_for_function(
            "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState !== 'running'"
            " && !document.querySelector('[data-testid=stSkeleton]')"
            " && [...document.querySelectorAll('[data-testid=stVegaLiteChart]')].every(c => c.querySelector('canvas, svg'))"
        )

    def whole(self) -> None:
        """A window as tall as the page, so that a picture has all of it."""
        size = self.page.viewport_size
        assert size is not None
        self.page.set_viewport_size({"width": size["width"], "height": 900})  # of the picture before: a page is never less tall than its window
        tall = self.page.evaluate("document.querySelector('[data-testid=stMainBlockContainer]')?.scrollHeight || 900")
        self.page.set_viewport_size({"width": size["width"], "height": min(int(tall) + 80, 6000)})
        self.settle()

    def shot(self, name: str) -> None:
        """Keep a picture of all of it."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.whole()
        self.page.screenshot(path=SHOTS / f"{name}.png")

    def watch(self) -> None:
        """Look at every frame from now on; `seen` says what was seen."""
        self.page.evaluate(WATCH)

    @property
    def seen(self) -> dict[str, Any]:
        """Since `watch`: frames, parts that were removed, blank frames, the palest that anything was, layout shift."""
        return dict(self.page.evaluate("window.seen"))

    @property
    def broken(self) -> list[str]:
        """What a reader would take for a failure."""
        shown = self.page.locator("[data-testid=stException], [data-testid=stAlertContentError]:has-text('encountered an error')")
        return [*self.complaints, *shown.all_inner_texts()]


@contextmanager
def tab(browser: Browser, *, width: int = 1400, dark: bool = False) -> Iterator[Tab]:
    """A fresh tab."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
    try:
        yield Tab(context.new_page())
    finally:
        context.close()
