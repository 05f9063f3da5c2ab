"""What mkdocs calls: the pages of the reference are made of the code, and nothing of them is kept."""

import warnings
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the clients that the runner imports; `make check` sees them
    from reference import commands, data, errors, faults, http, limits, metrics, records, settings, strategies

PAGES: dict[str, Any] = {
    module.__name__.rpartition(".")[2]: module for module in (commands, data, errors, faults, http, limits, metrics, records, settings, strategies)
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page a module."""
    for name, module in PAGES.items():
        files.append(File.generated(config, f"reference/{name}.md", content=module.write()))
    return files
