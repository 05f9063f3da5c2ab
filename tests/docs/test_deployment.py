"""Image, compose file, units and manifests: linted by who knows them, and held to rules of our own. Nothing here is started: `test_stack.py` does."""

import fnmatch
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from container import context, instructions
from packaging.utils import canonicalize_name
from words import parse

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
GUIDES = ROOT / "docs" / "guides"
IMAGE = instructions((ROOT / "Dockerfile").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
UNITS = sorted((GUIDES / "systemd").glob("*.service"))
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all((GUIDES / "kubernetes" / "daybot.yaml").read_text()))
POD = next(m for m in MANIFESTS if m["kind"] == "StatefulSet")["spec"]["template"]["spec"]
CONTAINERS: dict[str, dict[str, Any]] = {c["name"]: c for c in POD["containers"]}


def tool(*words: str, cwd: Path = ROOT) -> None:
    """A linter that has to be content; skips where it is not installed."""
    found = shutil.which(words[0], path=f"{BIN}:/usr/bin:/bin")
    if found is None:
        pytest.skip(f"{words[0]} is not here")
    done = subprocess.run([found, *words[1:]], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    tool("hadolint", "--failure-threshold", "style", "Dockerfile")


def test_the_compose_file_is_one_by_the_schema_of_compose_files() -> None:
    tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")


def test_the_manifests_are_such_by_the_schemas_of_kubernetes() -> None:
    tool("kubernetes-validate", "--strict", "--quiet", "docs/guides/kubernetes/daybot.yaml")


def test_systemd_finds_nothing_in_the_units(tmp_path: Path) -> None:
    for unit in (GUIDES / "systemd").iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/daybot/.venv/bin", str(BIN)))  # it looks whether the programs are there
    tool("systemd-analyze", "verify", *(path.name for path in tmp_path.iterdir()), cwd=tmp_path)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_is_closed_up(unit: Path) -> None:
    tool("systemd-analyze", "security", "--offline=true", "--threshold=25", unit.name, cwd=unit.parent)


def test_the_base_image_is_pinned_and_the_same_in_each_stage() -> None:
    bases = {rest.split()[0] for word, rest in IMAGE if word == "FROM"}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases.pop())


def test_the_image_runs_as_nobody_in_particular_and_says_how_it_is() -> None:
    said = dict(IMAGE)
    assert re.fullmatch(r"\d{5}:\d{5}", said["USER"])
    assert {"HEALTHCHECK", "CMD", "VOLUME"} <= said.keys()


def test_everything_installed_has_a_hash_of_the_lock() -> None:
    installs = [rest for word, rest in IMAGE if word == "RUN" and "uv pip install" in rest]
    assert len(installs) == 2
    assert all("--verify-hashes" in rest and "requirements.lock" in rest for rest in installs)
    assert "--only-binary :all:" in installs[0]


def test_the_environment_is_made_of_wheels_with_a_hash_by_the_uv_that_makes_the_image() -> None:
    making = (ROOT / "Makefile").read_text()
    assert re.search(r"uv pip sync .*--require-hashes --only-binary :all: requirements\.lock", making)
    assert re.search(r"^UV := (\S+)", making, re.M)[1] in (ROOT / "Dockerfile").read_text()
    assert not re.search(r"pip install [^\n]*\buv$", making, re.M)


def test_the_bill_of_materials_names_all_that_is_installed_of_the_lock() -> None:
    if not (BIN / "cyclonedx-py").exists():
        pytest.skip("cyclonedx-py is not here")
    made = subprocess.run(["make", "--assume-old=.venv/.synced", "sbom"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    bill = json.loads((ROOT / "build" / "sbom.json").read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "daybot")
    named = {(canonicalize_name(part["name"]), part["version"]) for part in bill["components"]}
    pins = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.M)
    locked = {(canonicalize_name(name), version) for name, version in pins}
    installed = {(canonicalize_name(found.name), found.version) for found in distributions()}
    assert locked & installed <= named
    assert named - locked <= {(name, version) for name, version in named if name in {"pip", "setuptools", "uv"}}  # what makes the environment
    assert sum("licenses" in part for part in bill["components"]) > 0.9 * len(bill["components"])


def test_only_sources_get_into_the_image(tmp_path: Path) -> None:
    for name in (".env", ".env.live", "pipelines/.env", "journal.jsonl", ".git/config", ".daybot/warehouse.duckdb", "tests/test_x.py", "live/cli.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    shutil.copy(ROOT / ".dockerignore", tmp_path)
    assert context(tmp_path) == ["live/cli.py"]
    listed = context(ROOT)
    assert {"pyproject.toml", "requirements.lock", "dagster.yaml", "workspace.yaml", ".streamlit/config.toml"} <= set(listed)
    assert not [name for name in listed if name.startswith(("tests/", "docs/")) or fnmatch.fnmatch(name, "*.env*")]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] and service["init"]
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service and not service.get("privileged")
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["tmpfs"] == ["/tmp:size=256m,mode=1777"]
    assert all(volume.split(":")[0] in COMPOSE["volumes"] for volume in service["volumes"]), "named volumes only: nothing of the host"
    assert service["restart"] == ("on-failure" if name == "live" else "unless-stopped")  # a session that has ended is over
    assert service["mem_limit"] and service["pids_limit"] and service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_how_it_is_or_why_it_does_not(name: str) -> None:
    health = SERVICES[name]["healthcheck"]
    assert health.get("test") or (name == "watchdog" and health["disable"])


def test_the_host_sees_two_pages_and_only_on_its_own_loopback() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert sorted(ports) == ["127.0.0.1:3000:3000", "127.0.0.1:8501:8501"]
    assert "--read-only" in SERVICES["dagster"]["command"]


def test_keys_come_from_a_file_and_only_to_those_who_need_them() -> None:
    assert {name for name, service in SERVICES.items() if "env_file" in service} == {"live", "watchdog", "night"}
    assert {name for name, c in CONTAINERS.items() if "envFrom" in c} == {"live", "watchdog", "night"}
    assert {unit.stem.removeprefix("daybot-") for unit in UNITS if "EnvironmentFile" in unit.read_text()} == {"live", "watchdog", "night"}
    assert not re.search(r"(KEY|SECRET|TOKEN|PASSWORD)\s*[:=]\s*[\"']?\w", (ROOT / "compose.yaml").read_text())


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_of_the_pod_has_no_rights(name: str) -> None:
    assert POD["securityContext"]["runAsNonRoot"] and POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not POD["automountServiceAccountToken"]
    assert CONTAINERS[name]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert CONTAINERS[name]["resources"]["limits"]["memory"]


def test_the_three_ways_run_the_same_processes() -> None:
    processes = set(SERVICES) - {"net", "exchange"}
    assert set(CONTAINERS) == processes
    assert {unit.stem.removeprefix("daybot-") for unit in UNITS} == processes


def commands() -> list[str]:
    started = [" ".join(found["command"]) for found in [*SERVICES.values(), *CONTAINERS.values()]]
    checked = [" ".join(service["healthcheck"].get("test", [])[1:]) for service in SERVICES.values()]
    units = [line.partition(".venv/bin/")[2] for unit in UNITS for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    return sorted({line for line in [*started, *checked, *units, *(rest for word, rest in IMAGE if word == "CMD")] if line.startswith("daybot ")})


@pytest.mark.parametrize("line", commands())
def test_what_they_start_is_a_command_of_ours(line: str) -> None:
    parse(line)
