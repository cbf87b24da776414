"""How fast the local Azure starts and answers, what it takes, and whether two hundred jobs leave anything behind.

`python -m scripts.bench_localazure [--readme]` prints the figures; `--readme` writes them into localazure/README.md.
Exit status 1 when a target is missed.
"""

import argparse
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from scripts.contracts import README, with_block

ROOT = Path(__file__).resolve().parent.parent
NODES, JOBS, PUTS, CLIENTS = 4, 200, 1000, 4
JOBS_SECONDS = 300
CONFIG = f"""
ports: {{azure: 0, pages: 0, functions: 0, blob: 0, queue: 0, table: 0}}
workspaces: [{{name: bench, resource_group: bench-rg, computes: [{{name: cpu, max_nodes: {NODES}}}]}}]
registries: [{{name: central, resource_group: bench-rg}}]
containers: [raw]
event_grid:
  topics: [orders]
  subscriptions: [{{name: all, source: bench, function: hello}}]
functions: {{app: app}}
"""
APP = """
import azure.functions as func
app = func.FunctionApp()

@app.event_grid_trigger(arg_name="event")
def hello(event: func.EventGridEvent) -> None: ...
"""
HOST = '{"version": "2.0"}'
VERSION = "api-version=2024-04-01"
EMULATORS = ("azure", "functions", "supervisor")
FINISHED = ("Completed", "Failed", "Canceled")


@dataclass(frozen=True)
class Figure:
    """`limit` is what it must not exceed (`at_least`: must reach); None: for information."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False

    @property
    def missed(self) -> bool:
        if self.limit is None:
            return False
        return self.value < self.limit if self.at_least else self.value > self.limit

    @property
    def shown(self) -> str:
        exact = isinstance(self.value, int) or self.value >= 10
        return f"{self.value:.0f} {self.unit}" if exact else f"{self.value:.1f} {self.unit}"

    @property
    def target(self) -> str:
        if self.limit is None:
            return ""
        return f"{'≥' if self.at_least else '≤'} {self.limit:g} {self.unit}"


@dataclass(frozen=True)
class Usage:
    """Of the azure server without what it started: proportional bytes, open files, threads."""

    memory: int
    files: int
    threads: int


class Local:
    """One local Azure in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder, self.state = folder, folder / "state"
        (folder / "app").mkdir()
        (folder / "app" / "function_app.py").write_text(APP)
        (folder / "app" / "host.json").write_text(HOST)
        (folder / "local.yaml").write_text(CONFIG)

    def command(self, name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "localazure", name, "--state", str(self.state), *arguments]

    @contextmanager
    def up(self) -> Iterator[Mapping[str, float]]:
        """Runs it; gives the seconds at which Azurite answered and all was ready."""
        began = time.monotonic()
        log = (self.folder / "up.log").open("wb")
        with log, subprocess.Popen(
            self.command("up", "--config", str(self.folder / "local.yaml")),
            cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
        ) as supervisor:  # fmt: skip
            try:
                self._until(lambda: self._azurite_answers(), supervisor)
                azurite = time.monotonic() - began
                self._until(lambda: bool(self.body.get("ready")), supervisor)
                yield {"azurite": azurite, "ready": time.monotonic() - began}
            finally:
                subprocess.run(self.command("down"), cwd=ROOT, check=True, capture_output=True)

    def _until(self, condition: Callable[[], bool], supervisor: subprocess.Popen[bytes]) -> None:
        while not condition():
            if supervisor.poll() is not None:
                sys.exit((self.folder / "up.log").read_text())
            time.sleep(0.01)

    def _azurite_answers(self) -> bool:
        ports = self.body.get("ports")
        if not ports:
            return False
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", ports["azurite"][0])) == 0

    @property
    def body(self) -> dict[str, Any]:
        path = self.state / "state.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def process(self, name: str) -> psutil.Process:
        body = self.body
        return psutil.Process({"supervisor": body["supervisor"], **body["children"]}[name])

    def memory(self, names: Sequence[str]) -> float:
        """Proportional MB of those parts, with what they started."""
        family = [
            one for name in names for one in [self.process(name), *self._children(name)] if one.is_running()
        ]
        return sum(one.memory_full_info().pss for one in family) / 2**20

    def _children(self, name: str) -> list[psutil.Process]:
        return [] if name == "supervisor" else self.process(name).children(recursive=True)

    @property
    def usage(self) -> Usage:
        server = self.process("azure")
        return Usage(server.memory_full_info().pss, server.num_fds(), server.num_threads())

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """Of the workspace, with a token."""
        output = subprocess.run(
            self.command("env", "--format", "json"), cwd=ROOT, check=True, capture_output=True
        )
        variables = json.loads(output.stdout)
        trusting = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
        base = (
            f"{variables['LOCALAZURE_URL']}/subscriptions/{variables['AZURE_SUBSCRIPTION_ID']}/resourceGroups/bench-rg"
            "/providers/Microsoft.MachineLearningServices/workspaces/bench"
        )
        with httpx.Client(base_url=base, verify=trusting, trust_env=False, timeout=60) as http:
            asked = http.get(
                variables["IDENTITY_ENDPOINT"],
                params={"resource": "https://management.azure.com", "api-version": "2019-08-01"},
                headers={"X-IDENTITY-HEADER": variables["IDENTITY_HEADER"]},
            )
            http.headers["Authorization"] = f"Bearer {asked.raise_for_status().json()['access_token']}"
            yield http


def asset_puts(http: httpx.Client) -> float:
    """Assets a second, from several clients at once, each a version of its own."""
    uri = "azureml://datastores/workspaceblobstore/paths/bench/"

    def put(number: int) -> None:
        properties = {"dataType": "uri_folder", "dataUri": uri, "tags": {"number": str(number)}}
        http.put(
            f"/data/bench/versions/{number}?{VERSION}", json={"properties": properties}
        ).raise_for_status()

    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(put, range(1, PUTS + 1)))
    return PUTS / (time.monotonic() - began)


def prepare_environment(http: httpx.Client) -> None:
    http.put(
        f"/environments/bench/versions/1?{VERSION}", json={"properties": {"image": "ubuntu"}}
    ).raise_for_status()
    run_jobs(http, "warm", 1)


def run_jobs(http: httpx.Client, prefix: str, count: int) -> tuple[float, int]:
    """Queue `count` jobs at once; seconds until the last has ended, and the most that were seen running."""
    properties = {
        "jobType": "Command",
        "command": "true",
        "environmentId": "azureml:bench:1",
        "computeId": "cpu",
        "experimentName": prefix,
    }
    began, most = time.monotonic(), 0
    deadline = began + JOBS_SECONDS
    for number in range(count):
        http.put(f"/jobs/{prefix}-{number}?{VERSION}", json={"properties": properties}).raise_for_status()
    while True:
        states = job_states(http, prefix)
        most = max(most, states.count("Running"))
        if len(states) == count and all(state in FINISHED for state in states):
            if failed := count - states.count("Completed"):
                sys.exit(f"{failed} of {count} jobs did not complete")
            return time.monotonic() - began, most
        if time.monotonic() > deadline:
            sys.exit(f"The jobs have not ended after {JOBS_SECONDS} s: {Counter(states)}")
        time.sleep(0.3)


def job_states(http: httpx.Client, prefix: str) -> list[str]:
    found: list[str] = []
    page: str | None = f"/jobs?{VERSION}"
    while page:
        answer = http.get(page).raise_for_status().json()
        found += [
            one["properties"]["status"] for one in answer["value"] if one["name"].startswith(f"{prefix}-")
        ]
        page = answer.get("nextLink")
    return found


def measure(folder: Path) -> list[Figure]:
    local = Local(folder)
    with local.up() as times, local.client() as http:
        figures = [
            Figure("`up`: ready after Azurite answers", times["ready"] - times["azurite"], "s", 6),
            Figure("`up`: Azurite answers after the start", times["azurite"], "s"),
            Figure("memory of all emulators when ready (PSS)", local.memory(EMULATORS), "MB", 300),
            Figure("memory of Azurite then", local.memory(["azurite"]), "MB"),
            Figure("asset versions put", asset_puts(http), "/s", 100, at_least=True),
        ]
        prepare_environment(http)
        seconds, most = run_jobs(http, "first", JOBS)
        first = local.usage
        run_jobs(http, "second", JOBS)
        second = local.usage
        return [
            *figures,
            Figure(f"{JOBS} jobs queued at once, until the last ended", seconds, "s"),
            Figure(f"jobs running at a time on {NODES} nodes", most, "jobs", NODES),
            Figure(
                f"memory that {JOBS} more jobs left (PSS)", (second.memory - first.memory) / 2**20, "MB", 5
            ),
            Figure(f"open files that {JOBS} more jobs left", second.files - first.files, "files", 2),
            Figure(f"threads that {JOBS} more jobs left", second.threads - first.threads, "threads", 2),
            Figure("memory of all emulators after these jobs (PSS)", local.memory(EMULATORS), "MB", 300),
        ]


def as_markdown(figures: Sequence[Figure]) -> str:
    rows = [f"| {one.name} | {one.shown} | {one.target} |" for one in figures]
    load = os.getloadavg()[2]
    memory = psutil.virtual_memory().total / 2**30
    machine = f"Measured on {os.cpu_count()} cores with {memory:.0f} GB, at an average load of {load:.0f}."
    return "\n".join([machine, "", "| Figure | Measured | Target |", "| --- | --- | --- |", *rows])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--readme", action="store_true", help="write the figures into localazure/README.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder))
    table = Table("figure", "measured", "target", "")
    for one in figures:
        table.add_row(one.name, one.shown, one.target, "[red]missed" if one.missed else "")
    Console().print(table)
    if asked.readme:
        README.write_text(with_block(README.read_text(), "speed", f"\n\n{as_markdown(figures)}\n\n"))
    return int(any(one.missed for one in figures))


if __name__ == "__main__":
    sys.exit(main())
