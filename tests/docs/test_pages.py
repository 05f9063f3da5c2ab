"""Whatever the documents name is there: commands as the command line takes them, settings, routes, tables, paths, links."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import words

from pipelines.core.analytics.session.ledger import SCHEMAS
from pipelines.core.market.indicators import WARM_UP
from pipelines.core.risk.checks import Code
from pipelines.core.trading.decisions import TradingState
from pipelines.defs.columns.meanings import COLUMNS
from pipelines.settings import Settings
from reference.http import routes

ROOT = Path(__file__).parents[2]
PAGES = words.PAGES
SPOKEN = [(words.name(page), line) for page in PAGES for line in words.daybot(page.read_text())]

ELSEWHERE = {
    # Variables of other programs that the documents name, and who reads them.
    "DAGSTER_HOME", "DAGSTER_POSTGRES",  # Dagster, and a file that the text shows
    "CELERY_BROKER", "CELERY_BACKEND",  # .dagster/celery.yaml
    "NIGHT_ENV",  # compose.yaml
    "STREAMLIT_SERVER_ALLOWED_HOSTS", "STREAMLIT_SERVER_ADDRESS",  # Streamlit
    "NUMBA_CACHE_DIR", "TOKEN", "HOST", "PORT", "VERSION", "NAME", "ORDER",  # numba, and words to be replaced
    "PYTHONDONTWRITEBYTECODE", "JOBS",
}  # fmt: skip

CODES = set(re.findall(r"^(?:### |\| `)([A-Z_]{3,})\b", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE))
KNOWN = ELSEWHERE | CODES | {code.value for code in Code} | {state.name for state in TradingState}


@pytest.mark.parametrize(("page", "line"), SPOKEN, ids=lambda value: str(value)[:60])
def test_a_line_for_daybot_is_one_that_it_takes(page: str, line: str) -> None:
    words.parse(line)


@pytest.mark.parametrize("page", PAGES, ids=words.name)
def test_a_setting_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    named = {name for word in words.inline(text) for name in re.findall(r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b", word)}
    named |= {name for block in words.blocks(text, "ini", "sh", "dotenv") for name in re.findall(r"^(?:export )?([A-Z][A-Z0-9_]+)=", block, re.M)}
    assert {name for name in named - KNOWN if name.lower() not in Settings.model_fields} == set()


@pytest.mark.parametrize("page", PAGES, ids=words.name)
def test_a_route_that_is_named_is_served(page: Path) -> None:
    if page.parent.name == "sim":
        return  # the exchange's own routes: its README is held to them by its tests
    served = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path, _ in routes()} | {("GET", "/openapi.json")}
    named = {found.groups() for word in words.inline(page.read_text()) if (found := re.fullmatch(r"(GET|POST|DELETE) (/[\w/{}.-]*)", word))}
    named = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in named if not path.startswith("/sim/")}
    assert named <= served


@pytest.mark.parametrize("page", PAGES, ids=words.name)
def test_an_asset_a_table_or_an_indicator_that_is_named_exists(page: Path) -> None:
    found = re.findall(r"\b(asset|table|indicator)s? `([a-z_]+)`|`([a-z_]+)` (asset|table)\b", page.read_text())
    known = {"asset": set(COLUMNS), "table": set(COLUMNS) | set(SCHEMAS) | {"checks", "quarantine"}, "indicator": set(WARM_UP)}
    assert [name or other for kind, name, other, after in found if (name or other) not in known[kind or after]] == []


@pytest.mark.parametrize("page", PAGES, ids=words.name)
def test_a_path_that_is_named_exists(page: Path) -> None:
    roots = ("pipelines/", "live/", "dashboards/", "notebooks/", "tests/", "docs/", ".dagster/", ".ci/")
    named = {word.split("#")[0].split("::")[0].rstrip("/") for word in words.inline(page.read_text()) if word.startswith(roots) and " " not in word}
    made = {"docs/reference/limits.md"}  # built, never kept
    assert {path for path in named - made if "*" not in path and "..." not in path and not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("page", [p for p in PAGES if p.parent == ROOT or p.parent.name == "sim"], ids=words.name)
def test_a_link_outside_the_site_leads_to_a_file(page: Path) -> None:
    """Inside the site mkdocs looks itself, anchors included."""
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not link.startswith("http") and not (page.parent / link).exists()] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as CI builds it."""
    target = tmp_path_factory.mktemp("site")
    build = [str(Path(sys.executable).parent / "mkdocs"), "build", "--strict", "--quiet", "--site-dir", str(target)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def test_the_site_builds_with_every_page_and_no_broken_link(site: Path) -> None:
    sources = {page.relative_to(ROOT / "docs").with_suffix("") for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert {path for path in sources if not (site / path).with_suffix(".html").exists()} == set()


def test_the_menu_names_every_page_once() -> None:
    named = sorted(re.findall(r"^ +- (?!reference/)(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert named == sorted(f"{page.relative_to(ROOT / 'docs')}" for page in PAGES if page.is_relative_to(ROOT / "docs"))


def test_nothing_of_the_site_is_fetched_from_elsewhere(site: Path) -> None:
    loads = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=["']?(https?:)?//[^"'\s>]+""")
    assert {page.name: found.group() for page in site.rglob("*.html") if (found := loads.search(page.read_text()))} == {}
    assert {sheet.name for sheet in site.rglob("*.css") if re.search(r"url\(\s*[\"']?https?:|@import\s+[\"']?https?:", sheet.read_text())} == set()


def test_no_source_is_shipped_with_the_site(site: Path) -> None:
    assert [path for path in site.rglob("*") if path.suffix == ".py" or path.name == "__pycache__"] == []
