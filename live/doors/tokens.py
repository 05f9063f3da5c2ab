"""Who may do what over TCP: bearer tokens with a scope and an end. Only their hashes are kept; the token itself is shown once, when it is made.

A token belongs to the start of the runner that it was made in, and is worth nothing after it; one that outlives it is made so on purpose, in days.
"""

import hmac
import os
import secrets
import stat
from collections.abc import Iterable
from enum import IntEnum
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_serializer, field_validator

from live.clock import SECOND, SystemClock
from pipelines.core.errors import SettingsError
from pipelines.durable import replaced

DAY = 86_400 * SECOND
LONGEST = 1.0
"""Days that a token of one start is worth something at most: a runner may wait for its session over a weekend."""
PREFIX = "daybot_"
"""So that scanners for leaked secrets know what they have found."""


class Scope(IntEnum):
    """What a caller may do; each includes the ones before it."""

    READ = 1
    """Look at everything, change nothing."""
    TRADE = 2
    """Open, change and close trades, flatten and halt."""
    ADMIN = 3
    """Take back what a safeguard has stopped: resume, release."""

    @classmethod
    def of(cls, name: str) -> "Scope":
        """By its name in lower case."""
        try:
            return cls[name.upper()]
        except KeyError:
            raise ValueError(f"expected one of {[scope.name.lower() for scope in cls]}, found {name!r}") from None


class Grant(BaseModel):
    """What the door knows of a caller: a name for the journal, and what it may do."""

    model_config = ConfigDict(frozen=True)

    name: str
    scope: Scope
    shown: bool = True
    """It came in with this scope; else somebody else has judged that before, and says so in the caller's name."""

    def __str__(self) -> str:
        return f"{self.name}, {self.scope.name.lower()}" if self.shown else self.name


OWNER = Grant(name="local socket", scope=Scope.ADMIN)
"""Who reaches the local socket: its file mode lets nobody in but the owner of the session."""


class Token(BaseModel):
    """One line of the file. Times in nanoseconds since 1970 UTC."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}$")
    scope: Scope
    digest: str = Field(min_length=64, max_length=64)
    created: int
    expires: int
    start: str = ""
    """The start of the runner that it belongs to; empty: to any, until it is over."""

    @field_serializer("scope")
    def _word(self, scope: Scope) -> str:
        return scope.name.lower()

    @field_validator("scope", mode="before")
    @classmethod
    def _scope(cls, value: object) -> object:
        return Scope.of(value) if isinstance(value, str) else value


FILE = TypeAdapter(list[Token])


class Tokens:
    """The tokens of a home. The file is read anew for every question, so that a revoked token is worth nothing from that moment on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, start: str) -> None:
        """A runner has started, and calls this start so: what belonged to an earlier one is worth nothing from now on."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replaced(self._started, mode=0o600) as file:
            file.write(start.encode())

    def end(self) -> None:
        """It is over, and what belonged to it."""
        self._started.unlink(missing_ok=True)

    def create(self, name: str, scope: Scope, days: float | None = None) -> str:
        """A new token, in plain text this once: for the runner that listens now, or for so many days whoever listens.

        `SettingsError` where the name cannot be one or is taken, or where it is for a runner and none listens.
        """
        start = "" if days is not None else self._start()
        if days is None and not start:
            raise SettingsError(
                "expected a runner that listens (`daybot live --listen`), found none: a token is of its start; `--days` makes one that outlives it"
            )
        known = [token for token in self.all() if self.alive(token)]
        if name in {token.name for token in known}:
            raise SettingsError(f"expected a new name for a token, found one called {name!r}; revoke it first: `daybot token revoke {name}`")
        now, plain = SystemClock().now(), PREFIX + secrets.token_urlsafe(32)
        try:
            made = Token(name=name, scope=scope, digest=_digest(plain), created=now, expires=now + round((days or LONGEST) * DAY), start=start)
        except ValidationError:
            raise SettingsError(f"expected a name of up to 40 letters, digits, spaces, dots, - and _, found {name!r}") from None
        self._write([*known, made])
        return plain

    def revoke(self, name: str) -> None:
        """Worth nothing from now on. `SettingsError` where there is none of this name."""
        known = self.all()
        kept = [token for token in known if token.name != name]
        if len(kept) == len(known):
            raise SettingsError(f"expected the name of a token, found {name!r}; there are {[token.name for token in known]}")
        self._write(kept)

    def all(self) -> list[Token]:
        """Every token, also those that are over. `SettingsError` where the file cannot be believed, or others may read it."""
        try:
            found, text = self._path.lstat(), self._path.read_text()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"expected tokens in {self._path}, found: {error}") from None
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
            raise SettingsError(f"expected {self._path} to be a file of this user's own, found a link or another's: remove it and make new tokens")
        if found.st_mode & 0o077:
            raise SettingsError(f"expected {self._path} to be readable by its owner alone, found mode {found.st_mode & 0o777:o}: `chmod 600` it")
        try:
            return FILE.validate_json(text)
        except ValidationError:
            raise SettingsError(f"expected tokens in {self._path}, found something else; remove it and make new ones with `daybot token`") from None

    def granted(self, plain: str) -> Grant | None:
        """What this token may do; None for one that is unknown, revoked or over. Takes as long for every wrong one."""
        digest, found = _digest(plain), None
        for token in self.all():
            if hmac.compare_digest(digest, token.digest):
                found = token
        if found is None or not self.alive(found):
            return None
        return Grant(name=found.name, scope=found.scope)

    def alive(self, token: Token) -> bool:
        """Whether it is not over, nor the start that it belongs to."""
        return token.expires > SystemClock().now() and (not token.start or token.start == self._start())

    @property
    def _started(self) -> Path:
        return self._path.with_name("start")

    def _start(self) -> str:
        """What the runner that listens calls its start; empty where none does."""
        try:
            return self._started.read_text()
        except FileNotFoundError:
            return ""

    def _write(self, tokens: Iterable[Token]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replaced(self._path, mode=0o600) as file:
            file.write(FILE.dump_json(list(tokens), indent=1))


def _digest(plain: str) -> str:
    """A plain hash is enough for 256 random bits: there is no dictionary of them."""
    return sha256(plain.encode()).hexdigest()
