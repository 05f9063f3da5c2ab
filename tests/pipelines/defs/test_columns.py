"""What the UI says of columns is what the assets write: names, meanings, rules, keys and lineage, after one real run."""

import re
from typing import Any

import dagster as dg
import duckdb
import polars as pl

from pipelines import publish
from pipelines.definitions import defs
from pipelines.defs.columns.meanings import COLUMNS, KEYS
from pipelines.defs.resources import DayBot


def test_columns_are_described_ruled_and_traced(evening: Any) -> None:
    daybot, events = evening.daybot, evening.result.get_asset_materialization_events()
    shown = {event.asset_key.to_user_string(): event.materialization.metadata for event in events if event.asset_key is not None}
    tables = {name: dict.fromkeys(column.name for column in metadata["dagster/column_schema"].schema.columns) for name, metadata in shown.items()}
    assert tables.keys() == COLUMNS.keys() == KEYS.keys()
    for name, metadata in shown.items():
        for column in metadata["dagster/column_schema"].schema.columns:
            assert column.description, f"{name}.{column.name}: say in pipelines/defs/columns/meanings.py what it means"
    assert sources(shown) == []
    for name, columns in tables.items():
        assert broken(name, rows(daybot, name), columns) == []


def sources(shown: dict[str, dict[str, dg.MetadataValue]]) -> list[str]:
    """Column sources that do not exist, or that are made after what they are said to go into."""
    graph, wrong = defs().resolve_asset_graph(), []
    for name, metadata in shown.items():
        before, todo = set(), [dg.AssetKey(name)]
        while todo:
            parents = graph.get(todo.pop()).parent_keys - before
            before |= parents
            todo.extend(parents)
        for column, origins in metadata["dagster/column_lineage"].lineage.deps_by_column.items():  # type: ignore[attr-defined]
            for origin in origins:
                if origin.asset_key not in before or origin.column_name not in COLUMNS[origin.asset_key.to_user_string()]:
                    wrong.append(f"{name}.{column} <- {origin}")
    return wrong


def broken(name: str, frame: pl.DataFrame, columns: dict[str, None]) -> list[str]:
    """Rules that a row breaks, keys that are there twice."""
    with duckdb.connect() as connection:
        connection.register("t", frame)
        rules = [(column, rule.strip()) for column in columns for rule in COLUMNS[name][column].rules.split(",") if rule]
        rules += [(column, "is not null") for column in columns if not COLUMNS[name][column].nullable]
        found = [f"{c} {rule}" for c, rule in rules if connection.execute(f'SELECT count(*) FROM t WHERE NOT ("{c}" {rule})').fetchall()[0][0]]
    key = re.split(", | and ", KEYS[name].removeprefix("one row for each "))
    return found + ([f"{key} twice"] if frame.select(key).is_duplicated().any() else [])


def rows(daybot: DayBot, name: str) -> pl.DataFrame:
    """What the asset wrote, as its readers see it."""
    snapshot = publish.current(daybot.settings)
    if name in {"daily_bars", "minute_bars"}:
        resolution = "day" if name == "daily_bars" else "minute"
        days = snapshot.table("trading_calendar")["session"]
        return publish.bars(daybot.settings, resolution, days.min(), days.max())  # type: ignore[arg-type]
    if name == "second_bars":
        return pl.DataFrame(schema=dict.fromkeys(COLUMNS[name], pl.Float64))  # there is no second source here
    return snapshot.table({"briefing": "watchlist", "journal": "decisions", "backtest": "backtests"}.get(name, name))
