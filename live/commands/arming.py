"""What is looked at and said before a session may trade: the doctor's checks, and the limits that will hold."""

from rich.columns import Columns
from rich.console import Console
from rich.markup import escape

from live.commands import doctor
from live.session.assemble import belong
from pipelines.core.errors import SettingsError
from pipelines.core.risk.limits import Limits
from pipelines.settings import Settings

BLOCKING = frozenset({"calendar", "broker", "clock"})
"""Checks that nobody may trade without. The others stop a session by themselves where they have to, or only deserve to be known."""


def check(settings: Settings, console: Console) -> None:
    """Run the checks and show them. Raises SettingsError where one failed that nobody may trade without."""
    belong(settings, claim=False)  # before anybody is asked anything with the keys of another account
    findings = doctor.looks(settings)
    for finding in findings:
        mark = "[green]ok[/]" if finding.passed else "[red]no[/]" if finding.name in BLOCKING else "[yellow]--[/]"
        remedy = "" if finding.passed else f"; {finding.remedy}"
        console.print(f"{mark} {finding.name}: {escape(finding.found + remedy)}", soft_wrap=True, highlight=False)
    failed = [f"{finding.name}: {finding.found}; {finding.remedy}" for finding in findings if not finding.passed and finding.name in BLOCKING]
    if failed:
        raise SettingsError(f"expected every check to pass before arming, found {' | '.join(failed)}")


def echo(limits: Limits, console: Console) -> None:
    """The limits as they will hold, each by its setting; those that were changed from their default stand out."""
    changed = {name for name, field in Limits.model_fields.items() if getattr(limits, name) != field.default}
    words = [f"{'[bold]' if name in changed else '[dim]'}{name} {_shown(value)}[/]" for name, value in limits.model_dump().items()]
    console.print("limits (bold: not the default; `daybot limits` explains each)")
    console.print(Columns(words, padding=(0, 2)))


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else escape(str(value)) or "-"
