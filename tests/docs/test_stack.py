"""The image is built and all of compose.yaml runs by its very commands, where there is no container engine (`tests/containers/container.py`)."""

import json
import shutil
from pathlib import Path
from typing import Any

import container
import pytest
import yaml

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
KEYS = dict(line.split("=", 1) for line in (ROOT / "docs" / "guides" / "sim.env").read_text().splitlines() if line and not line.startswith("#"))
OPEN = {"00000000:2135", "00000000:0BB8"}
"""8501 and 3000, which the holder of the network publishes on the host's loopback."""


def service(name: str) -> dict[str, Any]:
    said = SERVICES[name]
    environ = (KEYS if "env_file" in said else {}) | said.get("environment", {})
    health = said["healthcheck"]
    return {
        "name": name,
        "command": said["command"],
        "environ": environ,
        "health": health.get("test", [])[1:],
        "interval": int(health.get("interval", "30s").removesuffix("s")),
    }


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not container.possible(), reason="needs root, overlayfs and namespaces")
def test_the_stack_comes_up_as_nobody_on_read_only_files_and_trades(tmp_path: Path) -> None:
    image = container.build(ROOT, tmp_path / "image")
    tags = json.dumps({"dagster/partition": "2026-11-19"})
    night = {
        "name": "pre_open",
        "command": ["dagster", "job", "execute", "-m", "pipelines.definitions", "-j", "pre_open", "--tags", tags],
        "environ": KEYS,
    }
    plan = {"services": [service(name) for name in SERVICES], "before_jobs": ["net", "exchange", "night"], "jobs": [night], "seconds": 300}
    told = container.run(image, tmp_path / "home", plan, seconds=1000)
    shutil.rmtree(tmp_path / "image")  # 3 GB
    assert told["healthy"] == sorted(SERVICES)
    assert (told["uid"], told["capabilities"], told["no_new_privileges"]) == (10001, 0, True)
    assert told["writable"] == ["/tmp", "/data"]
    assert {place for place in told["listening"] if place.startswith("00000000")} == OPEN
    assert told["live ended with"] == 0, told["live said"]
    assert "SIM" in told["live said"]
    assert list((tmp_path / "home" / "journal").iterdir())
