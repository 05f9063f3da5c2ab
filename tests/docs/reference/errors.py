"""The tree of errors."""

import inspect

from pipelines.core import errors
from reference.markdown import code, page, table

INTRO = """
Everything that DayBot raises on purpose descends from one root. A command prints the text and ends with exit code 1; the text says what was expected,
what was found and what to do.
"""


def write() -> str:
    """The page."""
    drawn = "\n".join(line for line in (errors.__doc__ or "").splitlines() if line.startswith(("DaybotError", "├", "│", "└")))
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
    kinds.sort(key=lambda kind: inspect.getsourcelines(kind)[1])
    rows = [(code(kind.__name__), code(kind.__base__.__name__ if kind.__base__ else ""), inspect.getdoc(kind)) for kind in kinds]
    return page("Errors", INTRO, f"```text\n{drawn}\n```", table(("error", "is a", "meaning"), rows))
