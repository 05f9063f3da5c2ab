"""What `/metrics` says to Prometheus."""

import ast
import inspect

from live import metrics
from reference.markdown import code, page, table

INTRO = """
`GET /metrics` on the runner's socket is the exposition for Prometheus. One registry a session; the numbers start with it.
"""


def write() -> str:
    """The page."""
    return page("Metrics", INTRO, table(("metric", "kind", "labels", "meaning"), rows()))


def rows() -> list[tuple[str, str, str, str]]:
    """Every metric that the source makes."""
    found = []
    for node in ast.walk(ast.parse(inspect.getsource(metrics))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"Counter", "Gauge", "Histogram"}:
            words = [ast.literal_eval(argument) for argument in node.args]
            labels = words[2] if len(words) > 2 else []
            found.append((code(words[0]), node.func.id.lower(), ", ".join(code(label) for label in labels), words[1]))
    return found
