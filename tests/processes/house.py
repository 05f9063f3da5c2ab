"""Both doors before a session that nobody runs: what gets in stays on its queue."""

import os
from pathlib import Path
from typing import Any

from commands import free_port
from desk import settings as sim
from served import Served, commands, quiet_desk

from live.doors.api import URGENT, build, needs
from live.doors.tokens import Scope, Tokens


class House:
    """Both doors of a session that notes what it is told."""

    def __init__(self, home: Path, **more: Any) -> None:
        self.settings = sim("http://127.0.0.1:1", home, server_listen=True, server_port=free_port(), **more)
        self.desk = quiet_desk(self.settings)
        self.app = build(self.desk)
        self.tokens = Tokens(self.settings.tokens)

    @property
    def acts(self) -> list[str]:
        """Commands that came through."""
        return commands(self.desk)

    def token(self, scope: Scope = Scope.ADMIN, days: float = 1.0) -> str:
        return self.tokens.create(f"{scope.name.lower()} {os.urandom(4).hex()}", scope, days)

    def served(self, start: str = "first") -> Served:
        return Served(self.app, self.settings, needs=needs, urgent=URGENT, start=start)
