"""What a person sees of a materialisation in Dagster's UI: counts, columns, a table, sometimes a picture."""

from base64 import b64encode
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from pipelines.core.fingerprint import fingerprint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 20


def result(frame: pl.DataFrame, **metadata: dg.MetadataValue | str | int | float | None) -> dg.MaterializeResult[None]:
    """The materialisation of this frame: its hash as the data version, its row count, columns and first rows, and what else is given."""
    columns = [dg.TableColumn(name, str(kind)) for name, kind in frame.schema.items()]
    given = {name: value for name, value in metadata.items() if value is not None}
    shown = {"dagster/row_count": frame.height, "dagster/column_schema": dg.TableSchema(columns=columns), "rows": table(frame), **given}
    return dg.MaterializeResult(metadata=shown, data_version=dg.DataVersion(fingerprint(frame)))


def table(frame: pl.DataFrame) -> dg.MarkdownMetadataValue:
    """The first rows as a Markdown table."""
    head = "| " + " | ".join(frame.columns) + " |\n|" + "---|" * frame.width + "\n"
    lines = ("| " + " | ".join(_cell(value) for value in row) + " |" for row in frame.head(SHOWN).iter_rows())
    more = f"\n\n{frame.height - SHOWN} more rows" if frame.height > SHOWN else ""
    return dg.MetadataValue.md(head + "\n".join(lines) + more)


def picture(draw: Callable[["Axes"], None], width: float = 6.0, height: float = 2.5) -> dg.MarkdownMetadataValue:
    """A small chart as an image inside Markdown; matplotlib is loaded only for that, and without its window system."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    draw(figure.subplots())
    image = BytesIO()
    figure.savefig(image, format="png", dpi=90)
    return dg.MetadataValue.md(f"![](data:image/png;base64,{b64encode(image.getvalue()).decode()})")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return (text[:97] + "...") if len(text) > 100 else text.replace("|", "\\|")
