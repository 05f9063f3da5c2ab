"""Assets and the columns of their tables, checks, jobs, schedules and sensors; the tables that a journal becomes."""

import inspect
import itertools
from typing import Any

import dagster as dg

from pipelines.core.analytics.session.ledger import SCHEMAS
from pipelines.definitions import defs
from pipelines.defs.checks import CHECKS
from pipelines.defs.columns.meanings import COLUMNS, KEYS
from reference.markdown import cell, code, first, page, table

INTRO = """
What the night makes. Assets of kind `parquet` are files of the lake, those of kind `duckdb` tables of the warehouse and of every published snapshot.
The Dagster UI (`daybot dagster`) shows the same with lineage, checks and history. Times are UTC, sessions are dates of the exchange, money is in
dollars.
"""

ORDER = ("reference", "bars", "features", "risk", "scan", "briefing", "journal", "analytics", "research", "studies")


def write() -> str:
    """The page."""
    known = defs()
    specs = sorted(known.resolve_all_asset_specs(), key=lambda spec: (place(spec), name(spec)))
    groups = [[f"## {group}", *map(asset, members)] for group, members in itertools.groupby(specs, key=lambda spec: spec.group_name)]
    checks = [(code(made.asset), code(made.name), made.severity.value, first(judge.__doc__)) for made, judge in CHECKS.items()]
    severities = "A **blocking** failure publishes nothing; a **reducing** one starts the session in REDUCING; **advice** is told."
    return page(
        "Assets and tables",
        INTRO,
        *itertools.chain.from_iterable(groups),
        "## Checks",
        severities,
        table(("asset", "check", "severity", "what it looks at"), checks),
        "## Jobs, schedules, sensors",
        table(("name", "kind", "what it does"), running(known)),
        "## Tables of a journal",
        "What `journal` writes into the warehouse and `daybot journal export` into files; one row each for what the name says.",
        *map(journal, SCHEMAS),
    )


def place(spec: dg.AssetSpec) -> int:
    """Groups in the order of the night; unknown ones last."""
    return ORDER.index(spec.group_name) if spec.group_name in ORDER else len(ORDER)


def name(spec: dg.AssetSpec) -> str:
    """The asset's key."""
    return str(spec.key.to_user_string())


def asset(spec: dg.AssetSpec) -> str:
    """One asset with its columns."""
    made_of = ", ".join(code(key) for key in sorted(dep.asset_key.to_user_string() for dep in spec.deps)) or "what a vendor or the runner gives"
    kinds = ", ".join(sorted(spec.kinds))
    parts = [f"### {name(spec)}", inspect.cleandoc(spec.description or ""), f"Kinds: {kinds}. Made of {made_of}."]
    if columns := COLUMNS.get(name(spec)):
        rows = [(code(n), c.means + ("" if c.nullable else " (never null)"), c.rules, cell(c.made_of.replace(" ", ", "))) for n, c in columns.items()]
        parts += [f"{KEYS[name(spec)].capitalize()}." if name(spec) in KEYS else "", table(("column", "meaning", "always", "made of"), rows)]
    return "\n\n".join(part for part in parts if part)


def running(known: dg.Definitions) -> list[tuple[str, str, str]]:
    """What starts by itself or by a click."""
    kinds: tuple[tuple[str, Any], ...] = (("job", known.jobs), ("schedule", known.schedules), ("sensor", known.sensors))
    found = [(code(one.name), kind, said(one)) for kind, many in kinds for one in many or ()]
    return sorted(found, key=lambda row: (row[1], row[0]))


def said(one: Any) -> str:
    """Its description, with the hours of a schedule."""
    hours = f" (`{one.cron_schedule}`, {one.execution_timezone})" if hasattr(one, "cron_schedule") else ""
    return first(one.description) + hours


def journal(name: str) -> str:
    """One table with its types."""
    return f"### table {name}\n\n" + table(("column", "type"), [(code(column), code(kind)) for column, kind in SCHEMAS[name].items()])
