"""Whether an author has taken back a release that is locked: `yanked.py LOCK`. Exit code 1 where one has; pip-audit does not look at that.

uv is asked to resolve the lock as it stands, and warns of each release that an index marks as yanked.
"""

import re
import subprocess
import sys
from pathlib import Path

WARNING = re.compile(r"`(?P<release>[^`]+)` is yanked(?: \(reason: \"(?P<reason>.*)\"\))?")


def asked(lock: Path) -> tuple[int, str]:
    """uv's exit code and words on this lock; nothing is written."""
    words = ["pip", "compile", str(lock), "--no-deps", "--universal", "--python-version", "3.11", "--no-header", "--color", "never"]
    uv = Path(sys.executable).with_name("uv")
    ran = subprocess.run([uv, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    return ran.returncode, ran.stderr


def judged(code: int, told: str, releases: int) -> tuple[list[str], bool]:
    """What was found, in words; and whether the run may go on. An index that gives no answer has said nothing of any release."""
    found = [f"{match['release']} was taken back by its author: {match['reason'] or 'no reason given'}" for match in WARNING.finditer(told)]
    if code and not found:
        last = next((line for line in reversed(told.splitlines()) if line.strip()), "nothing")
        return [f"no answer about {releases} releases ({last.strip()}), nothing was looked at"], True
    return [*found, f"{len(found)} of {releases} locked releases were taken back"], not found


if __name__ == "__main__":
    path = Path(sys.argv[1])
    lines, sound = judged(*asked(path), len(re.findall(r"^[^\s#]\S*==", path.read_text(), re.MULTILINE)))
    sys.stdout.writelines(f"yanked: {line}\n" for line in lines)
    sys.exit(0 if sound else 1)
