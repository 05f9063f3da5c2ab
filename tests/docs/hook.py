"""What mkdocs calls: the pages of the reference are made of the code, and nothing of them is kept. Each module of `reference` is a page."""

import importlib
import pkgutil
import warnings
from types import ModuleType

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import reference


def _pages() -> dict[str, ModuleType]:
    """Every module of `reference` that writes a page, by its name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the clients that the runner imports; `make check` sees them
        modules = {found.name: importlib.import_module(f"reference.{found.name}") for found in pkgutil.iter_modules(reference.__path__)}
    return {name: module for name, module in modules.items() if hasattr(module, "write")}


PAGES = _pages()


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page a module."""
    for name, module in PAGES.items():
        files.append(File.generated(config, f"reference/{name}.md", content=module.write()))
    return files
