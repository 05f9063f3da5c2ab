"""What the documents say, as tests read it: pages, blocks of code, words in code, and lines for `daybot` parsed by its own command line."""

import re
import shlex
from pathlib import Path
from typing import Any

from typer.main import get_command

from live.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted(p for p in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "live" / "sim" / "README.md"] if p.name != "CHANGELOG.md")
"""Everything that somebody reads; the changelog may tell of what was."""

FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def blocks(text: str, *languages: str) -> list[str]:
    """Blocks of code in these languages."""
    return [body for _, language, body in FENCE.findall(text) if language in languages]


def inline(text: str) -> list[str]:
    """Words in code within prose and tables."""
    return INLINE.findall(FENCE.sub("", text))


def name(page: Path) -> str:
    """As a test is named."""
    return page.relative_to(ROOT).as_posix()


def daybot(text: str) -> list[str]:
    """Every line that a reader would type for `daybot`: in blocks, and in code within prose where it has more than a name."""
    lines = [line.split(" #")[0].strip().removeprefix("$ ") for block in blocks(text, "sh", "console", "bash") for line in block.splitlines()]
    lines += [word for word in inline(text) if word.startswith("daybot ")]
    found = [part.strip() for line in lines for part in re.split(r"&&|\|(?!\|)", line)]
    return sorted({line.removesuffix("...").strip() for line in found if line.startswith("daybot ") and "COMMAND" not in line})


def parse(line: str) -> None:
    """Let the command line take the words apart as if typed; raises what it would say."""
    words = shlex.split(line)[1:]
    command: Any = get_command(app)
    context = command.make_context("daybot", [], resilient_parsing=True)
    while hasattr(command, "commands"):
        if not words or words[0].startswith("-"):
            return  # a group by its name, or its help
        word = words.pop(0)
        assert word in command.commands, f"{line}: daybot has no {word!r}"
        command = command.commands[word]
        context = command.make_context(word, [], parent=context, resilient_parsing=True)
    if words and "--help" not in words:  # alone it is only named
        command.make_context(command.name, words, parent=context.parent)
