"""As much of a container engine as the tests need where there is none: the commands of a Dockerfile and of a compose file, in namespaces.

The base image is stood in for by this machine's Debian (/usr and /etc), read-only below the rest, with the running Python in /usr/local. Needs root
and overlayfs.
What is real: every command, the lock with its hashes, user, capabilities, read-only root, memory for /tmp, one loopback for all. What is not: layers,
the registry, limits of memory and processes.
"""

import fnmatch
import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BELOW = ("usr", "etc")
"""What of this machine's Debian every container sees; nothing else of it."""

OFFICIAL = {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/bin:/usr/sbin:/sbin", "LD_LIBRARY_PATH": "/usr/local/lib"}
"""What the base image brings; its linker knows /usr/local/lib by itself."""


def possible() -> bool:
    """Whether this machine lets us do it."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "setpriv", "ip", "mount"))):
        return False
    script = "d=$(mktemp -d) && mount -t tmpfs none $d && mkdir $d/u $d/w $d/r"
    script += " && mount -t overlay overlay -o lowerdir=/usr,upperdir=$d/u,workdir=$d/w $d/r"
    return subprocess.run(["unshare", "-m", "-n", "sh", "-c", script], capture_output=True, check=False).returncode == 0


@dataclass
class Image:
    """What the last stage of a Dockerfile left: its files above the base, and what it declared."""

    files: Path
    base: Path
    environ: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0"
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile: word and rest, continued lines joined, comments gone."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word.upper(), rest.strip()) for word, _, rest in (line.strip().partition(" ") for line in joined.splitlines() if line.strip())]


def kept(path: str, rules: list[str]) -> bool:
    """Whether .dockerignore lets a path of the context into the image: the last rule that speaks of it decides."""
    found = True
    parents = ["/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 2)]
    for rule in rules:
        wanted = rule.removeprefix("!").rstrip("/")
        shapes = (wanted, wanted.removeprefix("**/")) if wanted.startswith("**/") else (wanted,)
        names = parents if not wanted.startswith("**/") else [*parents, *path.split("/")]
        if any(fnmatch.fnmatch(name, shape) for name in names for shape in shapes):
            found = rule.startswith("!")
    return found


def context(root: Path) -> list[str]:
    """The files that a build sees."""
    rules = [line.strip() for line in (root / ".dockerignore").read_text().splitlines() if line.strip() and not line.startswith("#")]
    skipped = {".git", ".venv", ".daybot", "build", ".mypy_cache", ".ruff_cache", ".hypothesis"}
    paths = [p for top in root.iterdir() if top.name not in skipped for p in ([top] if top.is_file() else top.rglob("*"))]
    return sorted(name for p in paths if p.is_file() and kept(name := p.relative_to(root).as_posix(), rules))


def build(root: Path, place: Path) -> Image:
    """Carry out the Dockerfile of `root` below the folder `place`."""
    base = _base(place / "base")
    stages: dict[str, Image] = {}
    image = Image(place, base)
    for word, rest in instructions((root / "Dockerfile").read_text()):
        match word:
            case "FROM":
                image = Image(place / f"stage{len(stages)}", base, dict(OFFICIAL))
                image.files.mkdir(parents=True)
                stages[rest.partition(" AS ")[2] or str(len(stages))] = image
            case "ENV":
                for pair in shlex.split(rest):
                    name, _, value = pair.partition("=")
                    image.environ[name] = value.replace("$PATH", image.environ["PATH"])
            case "WORKDIR":
                image.workdir = rest
                (image.files / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "COPY":
                _copy(root, image, stages, rest)
            case "RUN":
                _run(image, rest)
            case "USER":
                image.user = rest
            case "CMD":
                image.command = json.loads(rest)
            case "HEALTHCHECK":
                image.health = json.loads(rest.partition("CMD ")[2])
            case "VOLUME" | "STOPSIGNAL":
                pass
            case _:
                raise AssertionError(f"{word} is not understood here")
    return image


def run(image: Image, volume: Path, plan: dict[str, Any], seconds: float) -> dict[str, Any]:
    """`pod.py` with a plan, as the image's user on its read-only files; what it reports."""
    volume.mkdir(parents=True, exist_ok=True)
    os.chown(volume, *map(int, image.user.split(":")))
    uid, gid = image.user.split(":")
    script = f"""
        set -eu; {_root(image, writable=False)}
        mount --bind {volume} $r/data; mount -t tmpfs -o noexec,nosuid,nodev,size=256m,mode=1777 tmpfs $r/tmp
        ip link set lo up; mount -o remount,ro $r
        exec chroot $r setpriv --reuid={uid} --regid={gid} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
          env -i {_assigned(image.environ | {"PLAN": json.dumps(plan)})} sh -c 'cd {image.workdir} && exec python -'
    """
    text = (ROOT / "tests" / "containers" / "pod.py").read_text()
    words = ["unshare", "-m", "-n", "-p", "-i", "-u", "-f", "--kill-child", "bash", "-c", script]
    done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _base(place: Path) -> Path:
    """The running Python in /usr/local, with nothing installed but pip, as the official image has it."""
    local = place / "usr" / "local"
    if not local.exists():
        prefix = Path(sys.base_prefix)
        bare = shutil.ignore_patterns("site-packages", "__pycache__", "test", "share")
        shutil.copytree(prefix, local, symlinks=True, ignore=bare)
        site = next(prefix.glob("lib/python3.*/site-packages"))
        for pip in site.glob("pip*"):
            shutil.copytree(pip, local / site.relative_to(prefix) / pip.name)
        for name in ("pip", "pip3"):
            (local / "bin" / name).write_text('#!/bin/sh\nexec /usr/local/bin/python -m pip "$@"\n')
            (local / "bin" / name).chmod(0o755)
    return place


def _copy(root: Path, image: Image, stages: dict[str, Image], rest: str) -> None:
    words = shlex.split(rest)
    if words[0].startswith("--from="):
        source, target = stages[words[0].removeprefix("--from=")].files / words[1].lstrip("/"), image.files / words[2].lstrip("/")
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        return
    *wanted, target = words
    where = image.files / image.workdir.lstrip("/") / target
    for name in context(root):
        if "." in wanted or name in wanted:
            (where / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, where / name)


def _run(image: Image, command: str) -> None:
    passed = {
        k: v for k, v in os.environ.items() if k.startswith(("PIP_", "UV_", "SSL_")) or k.lower().endswith("_proxy")
    }  # how this machine reaches an index
    script = f"""
        set -eu; {_root(image, writable=True)}
        exec chroot $r env -i {_assigned(passed | image.environ)} sh -euc {shlex.quote(f"cd {image.workdir}; {command}")}
    """
    done = subprocess.run(["unshare", "-m", "-p", "-f", "bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"RUN {command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"


def _root(image: Image, *, writable: bool) -> str:
    """Commands that mount the root of a container at $r."""
    lines = [
        "r=$(mktemp -d)",
        "mount -t tmpfs -o mode=0755 tmpfs $r",
        "mkdir $r/dev $r/proc $r/tmp",
        "for l in bin sbin lib lib64; do ln -s usr/$l $r/$l; done",
    ]
    for name in BELOW:
        upper, work = image.files / name, image.files.parent / f"work-{image.files.name}-{name}"
        for folder in (upper, work, image.base / name):
            folder.mkdir(parents=True, exist_ok=True)
        layers = (
            f"lowerdir={image.base / name}:/{name},upperdir={upper},workdir={work}" if writable else f"lowerdir={upper}:{image.base / name}:/{name}"
        )
        lines += [f"mkdir $r/{name}", f"mount -t overlay overlay -o {layers} $r/{name}"]
    for name in ("opt", "data", image.workdir.lstrip("/")):
        if name:
            (image.files / name).mkdir(exist_ok=True)
            lines += [f"mkdir $r/{name}", f"mount --bind {image.files / name} $r/{name}"]
            lines += [] if writable else [f"mount -o remount,bind,ro $r/{name}"]
    return "; ".join([*lines, "mount --rbind /dev $r/dev", "mount -t proc proc $r/proc"])


def _assigned(environ: dict[str, str]) -> str:
    return " ".join(shlex.quote(f"{name}={value}") for name, value in environ.items())
