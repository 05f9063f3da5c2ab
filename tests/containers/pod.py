"""Inside the namespaces: starts the services of a plan as a container engine would, asks their health checks, and reports. Standard library only.

The variable PLAN has it as JSON: services (name, command, environ, health, interval) in order, jobs (name, command, environ) that run once the
health of `before_jobs` is good, and seconds to wait.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

PLAN = json.loads(os.environ.pop("PLAN"))


def start(service):
    log = os.open(f"/tmp/{service['name']}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    service["due"] = time.monotonic() + service["interval"]  # an engine, too, asks for the first time when one interval has passed
    return subprocess.Popen(service["command"], env=os.environ | service["environ"], stdout=log, stderr=log, start_new_session=True)


def healthy(service):
    return subprocess.run(service["health"], env=os.environ | service["environ"], capture_output=True).returncode == 0


def tail(name):
    return pathlib.Path(f"/tmp/{name}.log").read_text()[-1500:]


def until(names, running, seconds):
    """Wait for the health of all these; a service that ends is started again, as the restart policy says."""
    left, deadline = [services[name] for name in names if services[name]["health"]], time.monotonic() + seconds
    while left:
        for name, process in running.items():
            if process.poll() is not None:
                ends[name] = ends.get(name, 0) + 1
                running[name] = start(services[name])
        left = [service for service in left if time.monotonic() < service["due"] or not healthy(service)]
        if time.monotonic() > deadline:
            sys.exit("not healthy: " + "\n".join(f"{s['name']}: {tail(s['name'])}" for s in left))
        time.sleep(0.5)


def writable(path):
    try:
        pathlib.Path(path, "probe").write_text("")
        return True
    except OSError:
        return False


services = {service["name"]: service for service in PLAN["services"]}
ends = {}
status = dict(line.split(":\t") for line in pathlib.Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
report = {
    "uid": os.getuid(),
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
    "no_new_privileges": status["NoNewPrivs"] == "1",
    "writable": [path for path in ("/", "/daybot", "/opt/venv", "/usr/local", "/etc", "/tmp", "/data") if writable(path)],
}
running = {name: start(services[name]) for name in PLAN["before_jobs"]}
until(list(running), running, PLAN["seconds"])
for job in PLAN["jobs"]:
    done = subprocess.run(job["command"], env=os.environ | job["environ"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{job['name']}: {done.stdout[-1500:]}{done.stderr[-3000:]}")
running |= {name: start(service) for name, service in services.items() if name not in running}
until(list(services), running, PLAN["seconds"])
report["healthy"] = sorted(services)
report["listening"] = subprocess.run(["sh", "-c", "cat /proc/net/tcp | awk '$4 == \"0A\" {print $2}'"], capture_output=True, text=True).stdout.split()
os.killpg(running["live"].pid, signal.SIGINT)
report["live ended with"] = running["live"].wait(60)
report["live said"] = tail("live")
report["restarts"] = ends
for process in running.values():
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
sys.stdout.write(json.dumps(report) + "\n")
