"""Whose a published file is: an HMAC with a key that the night and the runner share in a file of their own, SNAPSHOT_KEY_FILE, outside the home.

It tells where several may write into the home and not all of them may make what is traded on, as containers on one volume. Where night and runner
are one user it tells nothing that the file modes do not, so that without a key file nothing is signed and nothing is asked.
"""

import hmac
import os
import stat
from hashlib import file_digest
from pathlib import Path

from pipelines.core.errors import BrokenSnapshot, SettingsError
from pipelines.durable import replaced
from pipelines.settings import Settings

LEAST = 32
"""Bytes of a key."""


def sign(settings: Settings, content: Path, path: Path) -> None:
    """Write the signature of what will be published at `path` and is in `content` now; nothing without a key file."""
    if key := _key(settings):
        with replaced(beside(path)) as file:
            file.write(_signature(key, content, path.stem).encode())


def check(settings: Settings, path: Path) -> None:
    """Raises BrokenSnapshot where there is a key file and the file is not signed with it, as it is and under this name."""
    key = _key(settings)
    if not key:
        return
    try:
        found = beside(path).read_text()
    except (OSError, UnicodeDecodeError):
        found = ""
    if not hmac.compare_digest(found.encode(), _signature(key, path, path.stem).encode()):
        what = "another one" if found else "none"
        raise BrokenSnapshot(
            f"expected {path} to be signed with the key in SNAPSHOT_KEY_FILE, found {what}: it was changed, or made by somebody else. "
            "Nothing is traded on it; run the pre_open job again where the key is"
        )


def beside(path: Path) -> Path:
    """Where the signature of a published file lies."""
    return path.with_suffix(".sig")


def _signature(key: bytes, content: Path, name: str) -> str:
    with content.open("rb") as file:
        return hmac.digest(key, name.encode() + b"\n" + file_digest(file, "sha256").digest(), "sha256").hex()


def _key(settings: Settings) -> bytes:
    """Empty where none is set. SettingsError where others may read the file, or it is none."""
    if not settings.snapshot_key_file:
        return b""
    path = Path(settings.snapshot_key_file)
    try:
        found, key = path.stat(), path.read_bytes()
    except OSError as error:
        raise SettingsError(f"expected a key in SNAPSHOT_KEY_FILE={path}, found: {error.strerror}") from None
    if found.st_uid != os.getuid() or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"expected SNAPSHOT_KEY_FILE={path} to be this user's and readable by nobody else, found mode {found.st_mode & 0o777:o}")
    if len(key) < LEAST:
        raise SettingsError(
            f"expected at least {LEAST} bytes in SNAPSHOT_KEY_FILE={path}, found {len(key)}: `head -c {LEAST} /dev/urandom` makes them"
        )
    return key
