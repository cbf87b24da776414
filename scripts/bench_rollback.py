"""How long a rollback takes: of one circuit, of a plant, and of a stage of 200 circuits with registry and git down.

`python -m scripts.bench_rollback [--record]` prints the figures; `--record` writes them into docs/benchmarks.md.
Exit status 1 when the target is missed. A local Azure is stood up in a folder of its own, with the app on it; the
deployments are real ones of a component that does nothing, created through the SDK.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from busbar.api import Api, RollbackState
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import TemporarilyUnavailable
from busbar.domain.policies import Stage
from busbar.domain.records import DeploymentRecord, Served
from busbar.settings import Settings
from demo.server import running
from localazure import resolver
from localazure.config import Ports
from scripts.contracts import with_block

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "docs" / "benchmarks.md"
PLANTS, CIRCUITS = 20, 10
TARGET_SECONDS = 60.0
AT_ONCE = 8
STANDING_SECONDS = 300.0
COMPUTE = "prod-scoring-cluster"
REASON = "benchmark"
COMMAND = """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: nothing
version: "1"
command: "true"
environment: {image: ubuntu}
"""
PIPELINE = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
type: pipeline
name: nothing_pipeline
version: "1"
jobs:
  nothing: {type: command, component: "azureml:nothing:1"}
"""
DOWN = [  # every request to the registry and to the git host fails as long as the fault lasts
    {"kind": "error", "where": {"path": "*registr*"}, "for_seconds": 600},
    {"kind": "error", "where": {"service": "git-host"}, "for_seconds": 600},
]


@dataclass(frozen=True)
class Figure:
    """What was rolled back and the seconds it took, from the request to the last circuit."""

    name: str
    circuits: int
    seconds: float
    slowest: float
    limit: float | None = None

    @property
    def missed(self) -> bool:
        return self.limit is not None and self.seconds > self.limit


def keys() -> list[CircuitKey]:
    return [
        CircuitKey(f"PLANT{plant:03d}", f"CIRC{circuit:02d}")
        for plant in range(1, PLANTS + 1)
        for circuit in range(1, CIRCUITS + 1)
    ]


@contextmanager
def local_azure(folder: Path) -> Iterator[Any]:
    """A local Azure on free ports with the app on it; this process's SDKs find it in the environment."""
    config: dict[str, Any] = YAML(typ="safe").load((ROOT / "infra" / "local.yaml").read_text())
    config["ports"] = dict.fromkeys(Ports.model_fields, 0)
    config["functions"] = {"app": str(ROOT)}
    file = folder / "local.yaml"
    file.write_text(json.dumps(config))  # JSON is YAML
    resolver.install()
    with running(file, folder / "state") as server:
        os.environ.update(server.environment)
        yield server


def deploy_fleet(settings: Settings, ml: MachineLearning, records: Records, folder: Path) -> None:
    """Versions 1 and 2 of every circuit stand in prod; version 2, of a bad release, serves."""
    for name, text in (("nothing", COMMAND), ("nothing_pipeline", PIPELINE)):
        path = folder / name
        path.mkdir()
        (path / "component.yaml").write_text(text)
        ml.create_component(Stage.PROD, path, "digest")
    workspace = settings.workspace_id(Stage.PROD)
    for plant in {key.plant_id: key for key in keys()}.values():
        ml.ensure_endpoint(
            Stage.PROD, names.endpoint(plant, Stage.PROD, workspace), {"plant_id": plant.plant_id}
        )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(
            pool.map(lambda key: deploy(key, names.endpoint(key, Stage.PROD, workspace), ml, records), keys())
        )
    wait_until_all_stand(ml, workspace)


def deploy(key: CircuitKey, endpoint: str, ml: MachineLearning, records: Records) -> None:
    first, second = served(key, "1"), served(key, "2")
    for one in (first, second):
        tags = {"plant_id": key.plant_id, "circuit_id": key.circuit_id, "model_version": one.model_version}
        ml.create_deployment(
            Stage.PROD, endpoint, one.deployment, "azureml:nothing_pipeline:1", COMPUTE, tags
        )
    before = DeploymentRecord.first(key, Stage.PROD, endpoint, first)
    records.change_deployment(Stage.PROD, key, lambda _: before.serving(second, now()))


def served(key: CircuitKey, version: str) -> Served:
    deployment, model = names.deployment(key, version), names.model(key)
    release = "r-0000000000bad" if version == "2" else "r-000000000900d"
    return Served(deployment, model, version, "2025-12-09", "circuit.yaml", now(), release, "1", "", COMPUTE)


def wait_until_all_stand(ml: MachineLearning, workspace: str) -> None:
    deadline = time.monotonic() + STANDING_SECONDS

    def stands(key: CircuitKey) -> bool:
        endpoint = names.endpoint(key, Stage.PROD, workspace)
        found = [ml.deployment(Stage.PROD, endpoint, names.deployment(key, version)) for version in "12"]
        return all(state and state.ready for state in found)

    waiting = keys()
    while waiting:
        if time.monotonic() > deadline:
            sys.exit(f"{len(waiting)} circuits' deployments do not stand after {STANDING_SECONDS:g} s")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            waiting = [key for key, up in zip(waiting, pool.map(stands, waiting), strict=True) if not up]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def rolled_back(api: Api, scope: str, wanted: int, name: str, limit: float | None = None) -> Figure:
    """Roll a scope back and watch it; the figure is the report's own."""
    id = api.rollback(Stage.PROD, scope, REASON, "bench", everything=not scope)
    state = watched(api, id)
    if not state.done or state.back != wanted:
        sys.exit(state.sentence)
    report = httpx.get(
        f"{api.url}/api/rollbacks/{id}", headers={"x-functions-key": os.environ["LOCALAZURE_FUNCTIONS_KEY"]}
    ).json()
    return Figure(name, wanted, report["seconds"], max(one["seconds"] for one in report["moved"]), limit)


def watched(api: Api, id: str) -> RollbackState:
    while True:
        state = api.rollback_state(id)
        if state and state.ended:
            return state
        time.sleep(0.5)


def lifted(api: Api, records: Records) -> None:
    """Everything forward again, for the next measurement."""
    api.lift(Stage.PROD, "", REASON, "bench", everything=True)
    for record in records.deployments(Stage.PROD):
        if record.model_version == "1" and record.previous:
            again = record.serving(record.previous, now())
            records.change_deployment(Stage.PROD, record.key, lambda _, again=again: again)


def take_down(pages: str, ml: MachineLearning, repository: Repository) -> None:
    """Let registry and git host answer nothing but errors, and see that they do."""
    for fault in DOWN:
        httpx.post(f"{pages}/admin/faults", json=fault, trust_env=False).raise_for_status()
    for ask in (lambda: ml.model_in_registry("any", "1"), repository.heads):
        try:
            ask()
        except TemporarilyUnavailable:
            continue
        sys.exit("registry or git host still answer: the figure would say nothing")


def measure(folder: Path) -> list[Figure]:
    with local_azure(folder) as server:
        settings = Settings.from_environment(os.environ)
        ml, records, api = MachineLearning(settings), Records(settings), server.api
        deploy_fleet(settings, ml, records, folder)
        one, plant = keys()[0], keys()[0].plant_id
        figures = [
            rolled_back(api, str(one), 1, "a circuit, right after the host's start"),
            rolled_back(api, str(keys()[1]), 1, "a circuit"),
            rolled_back(api, plant, CIRCUITS - 2, "the rest of a plant"),
        ]
        lifted(api, records)
        fleet = len(keys())
        figures.append(rolled_back(api, "", fleet, "a stage", TARGET_SECONDS))
        lifted(api, records)
        take_down(server.pages, ml, Repository(settings))
        figures.append(rolled_back(api, "", fleet, "a stage, registry and git host down", TARGET_SECONDS))
        return figures


def as_markdown(figures: list[Figure]) -> str:
    rows = [
        f"| {one.name} | {one.circuits} | {one.seconds:.1f} s | {one.slowest:.1f} s | "
        f"{f'≤ {one.limit:g} s' if one.limit else ''} |"
        for one in figures
    ]
    load, day = os.getloadavg()[2], datetime.now(UTC).date()
    machine = f"On {os.cpu_count()} cores at an average load of {load:.0f} ({day})."
    head = "| rolled back | circuits | from the request to the last circuit | slowest circuit | target |"
    return "\n".join([machine, "", head, "| --- | --- | --- | --- | --- |", *rows])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true", help="write the figures into docs/benchmarks.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-rollback-") as folder:
        figures = measure(Path(folder))
    table = Table("rolled back", "circuits", "seconds", "slowest circuit", "target", "")
    for one in figures:
        target = f"≤ {one.limit:g}" if one.limit else ""
        missed = "[red]missed" if one.missed else ""
        table.add_row(one.name, str(one.circuits), f"{one.seconds:.1f}", f"{one.slowest:.1f}", target, missed)
    Console().print(table)
    if asked.record:
        text = with_block(BENCHMARKS.read_text(), "rollback", f"\n\n{as_markdown(figures)}\n\n")
        BENCHMARKS.write_text(text)
    return int(any(one.missed for one in figures))


if __name__ == "__main__":
    sys.exit(main())
