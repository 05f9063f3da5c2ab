"""The frame around every page: whose prices, which session, how old; and what it says when there is nothing to show."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboards import words
from pipelines.core.briefing import Origin
from pipelines.core.risk import units
from pipelines.core.risk.checks import Code

Open = Callable[..., Any]
PAGES = sorted(path.stem for path in (Path(__file__).parents[2] / "dashboards" / "views").glob("[a-z]*.py"))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_carries_the_label_of_its_origin(page: str, traded: Any, night: Any, opened: Open) -> None:
    assert "**SIMULATED**" in opened(traded.path, page).words
    assert "**RECORDED**" in opened(night.path, page).words


def test_where_no_night_has_compared_vendors_it_is_said(traded: Any, night: Any, opened: Open) -> None:
    for home in (traded, night):
        assert "No night of this span compared vendors" in opened(home.path, "execution").words


@pytest.mark.parametrize("page", PAGES)
def test_every_page_stands_alone(page: str, traded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOT_HOME", str(traded.path))
    app = AppTest.from_file(Path(__file__).parents[2] / "dashboards" / "views" / f"{page}.py", default_timeout=60).run()
    assert not app.exception
    assert [title.value for title in app.title] == [page.capitalize()]


@pytest.mark.parametrize("page", PAGES)
def test_without_a_snapshot_every_page_says_how_to_make_one(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOT_HOME", str(tmp_path))
    app = AppTest.from_file(Path(__file__).parents[2] / "dashboards" / "views" / f"{page}.py", default_timeout=60).run()
    assert not app.exception
    assert [title.value for title in app.title] == ["No snapshot published yet"]
    assert [code.value for code in app.code] == ["make demo"]


@pytest.mark.parametrize("page", PAGES)
def test_a_snapshot_that_cannot_be_read_ends_the_page_with_the_way_back(
    page: str, night: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(night.path / "snapshots", tmp_path / "snapshots")
    (spoiled,) = (tmp_path / "snapshots").glob("*.duckdb")
    spoiled.chmod(0o644)
    spoiled.write_bytes(b"not what was published")
    monkeypatch.setenv("DAYBOT_HOME", str(tmp_path))
    for file in (f"views/{page}.py", *(["app.py"] if page == "today" else [])):
        app = AppTest.from_file(Path(__file__).parents[2] / "dashboards" / file, default_timeout=60).run()
        assert not app.exception
        assert [title.value for title in app.title] == ["The published snapshot cannot be read"]
        assert spoiled.name in app.error[0].value
        assert "daybot snapshots use" in app.code[0].value


def test_a_bad_setting_is_explained(traded: Any, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_POSITIONS", "many")
    app = opened(traded.path).app
    assert "MAX_POSITIONS" in app.error[0].value


def test_the_strip_names_session_snapshot_and_age(traded: Any, opened: Open) -> None:
    said = opened(traded.path).words
    assert "**Fri 20 Nov 2026** · traded" in said
    assert "briefing for Mon 23 Nov 2026, made " in said
    assert (traded.path / "snapshots" / "CURRENT").read_text() in said


def test_traded_sessions_come_before_the_prepared_one_is_asked_for(traded: Any, opened: Open) -> None:
    box = opened(traded.path).app.selectbox(key="session")
    assert box.options == ["2026-11-23", "2026-11-20"]
    assert box.value == "2026-11-20"


def test_the_address_picks_the_session(traded: Any, opened: Open) -> None:
    page = opened(traded.path, session="2026-11-23")
    assert "No journal of Mon 23 Nov 2026 yet" in page.words


def test_every_control_is_told_in_a_unit_of_its_own() -> None:
    kinds = [units.FRACTIONS, units.VERDICTS, units.DOLLARS, set(units.AFTER)]
    assert sorted(code for kind in kinds for code in kind) == sorted(Code)
    told = {Code.HEAT: "200.00 %", Code.STATE: "–", Code.MODEL_VALUE: "$2.00", Code.MODEL_ENTRIES: "2 today"}
    assert {code: words.measured(code, 2.0) for code in told} == told


def test_no_origin_but_the_vendors_passes_for_a_market() -> None:
    assert set(words.LABELS) == set(Origin)
    assert words.LABELS[Origin.GENERATED][0] == "SIMULATED"
    assert words.LABELS[Origin.RECORDED][0] == "RECORDED"
