"""Keeps secrets out of what a process writes: its log records, their tracebacks, and what it dies of.

The settings hold secrets in a wrapper that prints as stars, but a library that logs its frames or names a request's headers has them in plain text.
"""

import logging
import os
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

from pipelines.settings import SECRETS, Settings

SHORTEST = 8
"""Characters; a shorter key is a placeholder such as SIM, and would blot out ordinary words."""

TALKATIVE = ("websockets", "urllib3", "alpaca", "polygon", "massive", "WebSocketClient", "httpx", "httpcore", "botocore", "uvicorn")
"""Loggers that print frames or requests at DEBUG, cut to a length that leaves half a secret: never below INFO."""

BLOT = "********"

FOLDERS = ("daybot_home", "daybot_lake", "bars_folder")
"""Settings that are paths, mostly relative to the folder that the program was started in."""


def conceal(known: Settings) -> None:
    """From now on no log record and no traceback of this process holds a secret of these settings. Asked again it adds theirs."""
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.INFO if known.debug_mode else logging.WARNING)
    make = logging.getLogRecordFactory()
    before = make if isinstance(make, Concealing) else Concealing(make, frozenset())
    concealing = Concealing(before.make, before.secrets | secrets(known, os.environ))
    logging.setLogRecordFactory(concealing)
    if sys.excepthook is sys.__excepthook__ or isinstance(getattr(sys.excepthook, "__self__", None), Concealing):
        sys.excepthook = concealing.die


def exposed(known: Settings) -> list[str]:
    """What of ours other users of this machine may read: the settings file, the home. Empty where all is as it should be."""
    looked = [(Path(".env"), "chmod 600"), (known.daybot_home, "chmod 700")]
    return [
        f"{path} (mode {path.stat().st_mode & 0o777:o}; `{remedy} {path}`)"
        for path, remedy in looked
        if path.exists() and path.stat().st_mode & 0o077
    ]


def without(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for a child that only shows: no secret in it."""
    return {name: value for name, value in environ.items() if name.lower() not in SECRETS}


def variables(settings: Settings) -> dict[str, str]:
    """What was set, as variables for a child that only shows and works in another folder, where it would not find the `.env`; no secret."""
    given = {name: str(getattr(settings, name)) for name in settings.model_fields_set | {"daybot_home"} if name not in SECRETS}
    folders = {name: str(Path(given[name]).absolute()) for name in FOLDERS if given.get(name) and "://" not in given[name]}
    return {name.upper(): value for name, value in (given | folders).items()}


def secrets(known: Settings, environ: Mapping[str, str]) -> frozenset[str]:
    """Every text that must not be seen: the secrets, passwords inside addresses, and all of them as an address spells them."""
    plain = {getattr(known, name).get_secret_value() for name in SECRETS if getattr(known, name) != Settings.model_fields[name].default}
    plain |= {environ.get(name, "") for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
    plain |= {urlsplit(text).password or "" for text in plain if "://" in text}
    return frozenset(text for found in plain for text in (found, quote(found, safe="")) if len(text) >= SHORTEST)


class Concealing:
    """Makes log records as `make` does, and blots the secrets out."""

    def __init__(self, make: Any, hidden: frozenset[str]) -> None:
        self.make, self.secrets = make, hidden
        self._pattern = re.compile("|".join(re.escape(text) for text in sorted(hidden, key=len, reverse=True)) or r"(?!)")

    def clean(self, text: str) -> str:
        """The text, blots in the place of secrets."""
        return self._pattern.sub(BLOT, text)

    def __call__(self, *args: Any, **more: Any) -> logging.LogRecord:
        """A record whose message and traceback are clean, whoever formats it."""
        record: logging.LogRecord = self.make(*args, **more)
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # the arguments do not fit: logging would print all of them
            text = f"{record.msg} (with arguments that do not fit it)"
            record.msg, record.args = self.clean(text), ()
        if (cleaned := self.clean(text)) != text:
            record.msg, record.args = cleaned, ()
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = self.clean("".join(traceback.format_exception(record.exc_info[1])).rstrip())
        return record

    def die(self, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        """What an error that nobody caught leaves on the screen."""
        sys.stderr.write(self.clean("".join(traceback.format_exception(kind, error, trace))))
