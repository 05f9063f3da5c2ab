"""Whether a published snapshot is one state, and whether two homes hold the same."""

from datetime import date

import polars as pl

from pipelines import publish
from pipelines.core.briefing import Briefing
from pipelines.core.fingerprint import fingerprint
from pipelines.core.night import content
from pipelines.defs.resources import DayBot
from pipelines.publish import Snapshot
from pipelines.vendors import calendar


def whole(snapshot: Snapshot) -> Briefing:
    """The briefing that it was published with, which names its content and its inputs by their hashes; fails where one is not what is there."""
    made = snapshot.briefing()
    assert made.version == snapshot.version
    assert content(made)[:8] == made.version.rpartition("-")[2], "the briefing is not the one that was hashed"
    for name, digest in made.inputs.items():
        rows = snapshot.sql(f'SELECT * FROM "{name}" WHERE session = ?', [made.data_session])
        found = fingerprint(rows.sort("asset", "name") if name == "checks" else rows)
        assert found == digest, f"{name} of {made.data_session} is not what the briefing of {snapshot.version} was made of"
    return made


def contents(daybot: DayBot, sessions: list[date]) -> dict[str, pl.DataFrame]:
    """Everything that the runs wrote, without the moments at which they did: bars, and the tables of the current snapshot."""
    first, last = calendar.trailing(sessions[0], 60)[0], sessions[-1]
    snapshot = publish.current(daybot.settings)
    names = snapshot.sql("SELECT table_name FROM duckdb_tables() ORDER BY 1")["table_name"]
    found = {name: daybot.warehouse.read(name) for name in names if name != "briefings"}
    for resolution in ("day", "minute"):
        found[f"{resolution} bars"] = publish.bars(daybot.settings, resolution, first, last)  # type: ignore[arg-type]  # one of the two
    briefings = [Briefing.model_validate_json(text) for text in daybot.warehouse.read("briefings").sort("session")["json"]]
    plain = [briefing.model_dump_json(exclude={"version", "created_at"}) for briefing in briefings]
    found["briefings"] = pl.DataFrame({"json": plain})
    timeless = {name: frame.drop("learned_at", strict=False) for name, frame in found.items()}
    return {name: frame.sort([c for c, kind in frame.schema.items() if not kind.is_nested()]) for name, frame in timeless.items()}
