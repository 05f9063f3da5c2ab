"""The universe is that of its day where somebody can say so, and says of itself where nobody can."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlparse

import dagster as dg
import polars as pl
import pytest

from live.sim.embedded import Exchange
from pipelines.definitions import defs
from pipelines.defs.resources import DayBot

SESSION = date(2024, 6, 18)


class Tickers(BaseHTTPRequestHandler):
    """Polygon's list of tickers, which knows that OLD was delisted in 2025 and that NEW came then."""

    def do_GET(self) -> None:
        day = parse_qs(urlparse(self.path).query).get("date", ["2026-11-25"])[0]
        names = ["AAPL", "OLD" if day < "2025" else "NEW"]
        text = json.dumps(
            {"status": "OK", "results": [{"ticker": name, "name": name, "market": "stocks", "active": True} for name in names]}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *arguments: object) -> None:
        """Silence."""


@pytest.fixture
def polygon() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Tickers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def universe(daybot: DayBot, session: date = SESSION) -> tuple[pl.DataFrame, dict[str, dg.MetadataValue]]:
    """The asset, really run."""
    job = defs().resolve_job_def("pre_open")
    run = job.execute_in_process(partition_key=session.isoformat(), resources={"daybot": daybot}, op_selection=["universe"])
    return daybot.universe(session), dict(run.asset_materializations_for_node("universe")[0].metadata)


def test_polygon_is_asked_for_the_day(polygon: str, tools: Callable[..., DayBot]) -> None:
    daybot = tools(polygon_api_key="KEY", polygon_base_url=polygon, alpaca_api_key="", polygon_rate=1000, industry_lookups=0)
    rows, metadata = universe(daybot)
    assert rows.select("symbol", "asof", "point_in_time").rows() == [("AAPL", SESSION, True), ("OLD", SESSION, True)]
    assert metadata["biased"].value == 0


def test_alpaca_knows_only_now_which_is_counted(tools: Callable[..., DayBot]) -> None:
    keys = {"alpaca_api_key": "TRADES", "alpaca_secret_key": "T", "alpaca_data_key": "READS", "alpaca_data_secret": "R"}
    with Exchange(stepped=True, key="READS", secret="R") as exchange:  # the pair that trades is not even known there
        daybot = tools(alpaca_base_url=exchange.url, alpaca_data_url=exchange.url, **keys)
        rows, metadata = universe(daybot)
    assert rows.height > 30
    assert not rows["point_in_time"].any()
    assert rows["asof"].min() > SESSION  # type: ignore[operator]  # a date column's minimum
    assert metadata["biased"].value == rows.height


def test_own_files_know_members_and_sectors_of_the_day(folder: Path, tools: Callable[..., DayBot]) -> None:
    (folder / "members.csv").write_text(
        "symbol,first,last\nAAPL,2000-01-03,2024-06-17\nBAC,2000-01-03,\nXOM,2024-06-18,\nGONE,2000-01-03,2024-12-31\n"
    )
    (folder / "sectors.csv").write_text("symbol,sector,first,last\nBAC,Banks,2000-01-03,2024-06-18\nBAC,Financials,2024-06-19,\n")
    daybot = tools(bars_folder=str(folder), universe="sp500")
    rows, metadata = universe(daybot)
    assert rows.select("symbol", "sector", "asof", "point_in_time").rows() == [
        ("BAC", "Banks", SESSION, True),
        ("XOM", "Energy", SESSION, True),
    ]
    assert metadata["members_not_listed"].value == 1, "GONE was a member and has no bars here"
    assert universe(daybot, date(2024, 6, 17))[0]["symbol"].to_list() == ["AAPL", "BAC"]
    later, _ = universe(daybot, date(2024, 6, 20))
    assert later.filter(pl.col("symbol") == "BAC")["sector"].item() == "Financials"


def test_a_chosen_list_is_of_the_day_that_it_was_chosen(folder: Path, tools: Callable[..., DayBot]) -> None:
    rows, metadata = universe(tools(bars_folder=str(folder), universe="AAPL, bac"))
    assert rows["symbol"].to_list() == ["AAPL", "BAC"]
    assert (rows["point_in_time"].any(), metadata["biased"].value) == (False, 2)
