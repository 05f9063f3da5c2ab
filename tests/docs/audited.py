"""What pip-audit has found, judged: `audited.py FOUND [IGNORED]`. Exit code 1 where something known is wrong with what is locked.

FOUND is its JSON. It calls a package without an answer skipped and ends well all the same; here nothing counts as sound that nobody has looked at.
IGNORED lists what has to be lived with for a while: an id a line, the reason behind #.
"""

import json
import sys
from pathlib import Path


def ignored(path: Path) -> dict[str, str]:
    """Ids with their reasons; an id without one is an error."""
    lines = [line.partition("#") for line in path.read_text().splitlines()] if path.exists() else []
    found = {name.strip(): reason.strip() for name, _, reason in lines if name.strip()}
    bare = [name for name, reason in found.items() if not reason]
    if bare:
        sys.exit(f"{path}: expected a reason behind # for each id, found none for {', '.join(bare)}")
    return found


def judged(found: Path, known: dict[str, str]) -> tuple[list[str], bool]:
    """What was looked at and what is wrong, in words; and whether the run may go on."""
    packages = json.loads(found.read_text())["dependencies"]
    seen = [package for package in packages if "skip_reason" not in package]
    wrong = {(f"{p['name']} {p['version']}", v["id"]): v for p in seen for v in p["vulns"]}
    names = {key: {vulnerability["id"], *vulnerability.get("aliases", ())} for key, vulnerability in wrong.items()}
    open_ = {key: vulnerability for key, vulnerability in wrong.items() if not names[key] & known.keys()}
    said = []
    for (package, name), vulnerability in open_.items():
        mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        said.append(f"{package}: {name}, mended in {mended}: {vulnerability['description']}")
    for name, reason in known.items():
        needed = any(name in all_ for all_ in names.values())
        said.append(f"{name} is ignored: {reason}" + ("" if needed or not seen else "; nothing has it any more, take it out"))
    left = len(packages) - len(seen)
    if seen:
        said.append(f"{len(open_)} known vulnerabilities in {len(seen)} packages" + (f"; no answer about {left} others" if left else ""))
    else:
        said.append(f"no answer about any of {len(packages)} packages, nothing was audited")
    return said, not open_


if __name__ == "__main__":
    words = [Path(word) for word in sys.argv[1:]]
    lines, sound = judged(words[0], ignored(words[1]) if len(words) > 1 else {})
    sys.stdout.writelines(f"pip-audit: {line}\n" for line in lines)
    sys.exit(0 if sound else 1)
