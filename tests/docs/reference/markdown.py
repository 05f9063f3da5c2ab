"""Markdown out of values: tables, code, and what a class says of its fields."""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any


def cell(value: object) -> str:
    """One line that breaks no table."""
    return " ".join(str(value).split()).replace("|", "\\|")


def code(value: object) -> str:
    """As code, or nothing where there is nothing."""
    text = cell(value)
    return f"`{text}`" if text else ""


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, with a line of its own after it."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(cell(part) for part in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def page(title: str, intro: str, *parts: str) -> str:
    """A page that says that nobody wrote it by hand."""
    return "\n\n".join([f"# {title}", intro.strip(), *(part.strip() for part in parts)]) + "\n"


def first(text: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return cell((text or "").strip().split("\n\n")[0])


def fields(kind: type) -> dict[str, str]:
    """What the source says of each field of a class: the string below it."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    said: dict[str, str] = {}
    for here, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name):
            said[here.target.id] = ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                said[here.target.id] = cell(after.value.value)
    return said


def typed(kind: type) -> dict[str, str]:
    """The annotation of each field as it is written."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    return {
        node.target.id: ast.unparse(node.annotation) for node in tree.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def struct(kind: Any, level: int = 3, title: str = "") -> str:
    """A heading, the docstring and the fields of a class."""
    types, said = typed(kind), fields(kind)
    heading = f"{'#' * level} {title or kind.__name__}"
    body = inspect.getdoc(kind) or ""
    rows = [(code(name), code(types[name]), said[name]) for name in types if not types[name].startswith("ClassVar")]
    return "\n\n".join([heading, body, table(("field", "type", "meaning"), rows)] if rows else [heading, body])
