"""How long a release of a whole fleet takes: trained, promoted, deployed to test, ramped to prod.

`python -m scripts.bench_release [--circuits 200] [--record]` prints the figures; `--record` writes them into
docs/benchmarks.md. Exit status 1 when a target is missed. A local Azure is stood up in a folder of its own, with the
app on it and a light fleet, whose jobs do next to nothing; it is released twice, so that the second release finds a
champion everywhere. Bakes are replays, approvers answer at once. `--releases 20 --circuits 6` shows what a long life
does to the app's memory.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from busbar.api import ApiError, Snapshot
from busbar.domain import names
from busbar.domain.policies import GateName, Stage
from busbar.domain.records import RunRecord, RunStatus
from scripts.contracts import with_block
from tests.journeys import people
from tests.journeys import stack as stacks
from tests.journeys.stack import Stack, running
from tests.releases import steps

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "docs" / "benchmarks.md"
LIMIT_SECONDS = 300.0
LIMIT_EVENTS = 1000
LIMIT_GROWTH = 1.1
FIRST_DAY = date(2025, 12, 8)
WAVES = {"size": 25, "max_unavailable": 25}
PATIENCE = 3600.0
APP, AZURE = "localazure.functions_host", "localazure.server"


@dataclass(frozen=True)
class Phase:
    """A part of a release: seconds by the clock, processor seconds of the app and of the emulated Azure."""

    release: int
    name: str
    seconds: float
    app: float
    azure: float
    memory_mb: float


@dataclass(frozen=True)
class Figures:
    """What was measured, and the longest history of an orchestration with its id."""

    circuits: int
    phases: tuple[Phase, ...]
    history: tuple[int, str]

    @property
    def releases(self) -> int:
        return self.phases[-1].release

    def memory(self, release: int) -> float:
        """MiB of the app when a release had ended."""
        return next(one.memory_mb for one in reversed(self.phases) if one.release == release)

    def control_plane(self, release: int) -> float:
        """Processor seconds of the app from the first approval to the last circuit in prod."""
        return sum(one.app for one in self.phases if one.release == release and one.name != "training")


class Meter:
    """What the app's and Azure's processes used since the last look, those they waited for included."""

    def __init__(self, stack: Stack):
        self._stack = stack
        self._began, self._used = time.monotonic(), self._look()

    def phase(self, release: int, name: str) -> Phase:
        now, used = time.monotonic(), self._look()
        spent = {part: used[part] - self._used[part] for part in (APP, AZURE)}
        phase = Phase(release, name, now - self._began, spent[APP], spent[AZURE], used["memory"])
        self._began, self._used = now, used
        return phase

    def _look(self) -> dict[str, float]:
        supervisor = psutil.Process(json.loads((self._stack.state / "state.json").read_text())["supervisor"])
        used = {APP: 0.0, AZURE: 0.0, "memory": 0.0}
        for process in supervisor.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                part = next((part for part in (APP, AZURE) if part in process.cmdline()), None)
                if part is None:
                    continue
                times = process.cpu_times()
                used[part] += times.user + times.system + times.children_user + times.children_system
                if part == APP:
                    used["memory"] += process.memory_info().rss / 2**20
        return used


def measure(folder: Path, circuits: int, releases: int) -> Figures:
    stacks.LOOK_SECONDS = 2.0  # a look at the whole board would be measured, too
    with running(folder, quotas={"deployments": _deployments(circuits)}) as stack, progress(stack):
        fleet = steps.LightFleet.found(stack, folder / "clone", circuits)
        phases: list[Phase] = []
        for release in range(1, releases + 1):
            for phase in released(stack, fleet, release, str(FIRST_DAY + timedelta(days=release))):
                phases.append(phase)
                Console(stderr=True).print(" ".join(row(phase)))
        check(stack, fleet, str(releases))
        return Figures(circuits, tuple(phases), longest_history(stack))


def released(stack: Stack, fleet: steps.LightFleet, release: int, cutoff_date: str) -> Iterator[Phase]:
    """One release through all gates; a phase ends with the question of the next."""
    meter = Meter(stack)
    commit = fleet.push(policies=policies(fleet.circuits), cutoff_date=cutoff_date)
    steps.trained(stack, commit, PATIENCE)
    asked = people.question(stack, GateName.REGISTRY_PROMOTION, steps.RELEASE, PATIENCE)
    yield meter.phase(release, "training")
    for name, gate, following in (
        ("registry", GateName.REGISTRY_PROMOTION, GateName.TEST_DEPLOYMENT),
        ("test", GateName.TEST_DEPLOYMENT, GateName.PROD_DEPLOYMENT),
        ("prod", GateName.PROD_DEPLOYMENT, None),
    ):
        for link in people.links(stack, asked)[: steps.VOTES[gate]]:
            if link.approve() != 200:
                sys.exit(f"{gate} of release {release} could not be approved")
        if following:
            asked = people.question(stack, following, steps.RELEASE, PATIENCE)
        else:
            completed(ended(stack, commit))
        yield meter.phase(release, name)


def ended(stack: Stack, commit: str) -> RunRecord:
    """The commit's run, read once its orchestration is over."""
    id = names.training_run(commit)
    stack.until(id, lambda: stack.api.instance(id).finished, PATIENCE)
    return steps.ended(stack, commit, PATIENCE)


def completed(run: RunRecord) -> None:
    if run.status is not RunStatus.COMPLETED:
        sys.exit(f"{run.id} {run.status}: {run.sentence}")


def policies(circuits: int) -> Mapping[str, Mapping[str, Any]]:
    """The prod ramp in full with instant bakes, and room in the quotas for the fleet in three stages."""
    chosen = {name: dict(keys) for name, keys in steps.policies().items()}
    chosen["pipeline"]["training"] = {"max_parallel": 5}  # polls are the default's: events wake who waits
    for stage in ("test", "prod"):
        chosen[f"environments/{stage}"]["waves"] = WAVES
    chosen["pipeline"]["quotas"] = {
        "deployments_per_endpoint": 20,
        "endpoints": 100,
        "deployments": _deployments(circuits),
    }
    return chosen


def _deployments(circuits: int) -> int:
    """Two for each circuit in three stages: for more than 83 circuits the region's quota has to be raised."""
    return max(500, 6 * circuits)


def check(stack: Stack, fleet: steps.LightFleet, version: str) -> None:
    """Everything serves the last release's models; a figure of anything less would say nothing."""
    snapshot = stack.snapshot()
    for stage in Stage:
        if steps.serving(snapshot, stage) != dict.fromkeys(fleet.keys, version):
            sys.exit(f"{stage} does not serve version {version} everywhere: {steps.serving(snapshot, stage)}")


def longest_history(stack: Stack) -> tuple[int, str]:
    """(events, id) of the orchestration with the longest history; those of single circuits are left out."""
    parents = [id for id in stack.instances() if not any(part in id for part in ("-PLANT", "approve-"))]

    def events(id: str) -> int:
        path = f"/runtime/webhooks/durabletask/instances/{id}"
        answer = stack.functions.get(path, params={"showHistory": "true", "showHistoryOutput": "false"})
        return len(answer.raise_for_status().json().get("historyEvents") or ())

    return max((events(id), id) for id in parents)


@contextmanager
def progress(stack: Stack) -> Iterator[None]:
    """What the board shows while this takes, on stderr."""
    done, console = threading.Event(), Console(stderr=True, highlight=False)

    def tell() -> None:
        while not done.wait(60):
            with suppress(ApiError):  # a busy host is asked again
                console.print(f"{datetime.now(UTC):%H:%M:%S} {standing(stack.snapshot())}")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def standing(snapshot: Snapshot) -> str:
    """The newest run, and how many circuits each stage serves with which version."""
    newest = max(snapshot.runs, key=lambda run: run.updated_at, default=None)
    served = [
        f"{stage} {dict(sorted(Counter(steps.serving(snapshot, stage).values()).items()))}" for stage in Stage
    ]
    return f"{newest.status if newest else 'no run'}; served by version: {', '.join(served)}"


def targets(figures: Figures) -> list[tuple[str, str, str, bool]]:
    """(target, measured, limit, met) each."""
    used, (events, id) = figures.control_plane(2), figures.history
    kind = id.partition("-")[0]
    found = [
        (
            "processor time of the control plane, second release, without training",
            f"{used:.0f} s",
            f"≤ {LIMIT_SECONDS:g} s",
            used <= LIMIT_SECONDS,
        ),
        (f"longest history ({kind})", f"{events} events", f"< {LIMIT_EVENTS}", events < LIMIT_EVENTS),
    ]
    if figures.releases > 2:
        last, growth = figures.releases, figures.memory(figures.releases) / figures.memory(2)
        name = f"memory after release {last} over that after release 2"
        found.append((name, f"{growth:.2f}", f"≤ {LIMIT_GROWTH:g}", growth <= LIMIT_GROWTH))
    return found


def row(one: Phase) -> tuple[str, ...]:
    figures = (one.seconds, one.app, one.azure)
    return (
        str(one.release),
        one.name,
        *(f"{seconds:.0f} s" for seconds in figures),
        f"{one.memory_mb:.0f} MB",
    )


HEAD = ("release", "phase", "by the clock", "app's processor", "emulated Azure's, with jobs", "app's memory")


def as_markdown(figures: Figures) -> str:
    load, day = os.getloadavg()[2], datetime.now(UTC).date()
    lines = [
        f"{figures.circuits} circuits on {os.cpu_count()} cores at an average load of {load:.0f} ({day}).",
        "",
        f"| {' | '.join(HEAD)} |",
        "|" + " --- |" * len(HEAD),
        *(f"| {' | '.join(row(one))} |" for one in figures.phases),
        "",
        "| target | measured | limit | met |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {found} | {limit} | {'✓' if met else '✗'} |"
            for name, found, limit, met in targets(figures)
        ),
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--circuits", type=int, default=200)
    parser.add_argument("--releases", type=int, default=2, help="how often the fleet is released (≥ 2)")
    parser.add_argument("--record", action="store_true", help="write the figures into docs/benchmarks.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-release-") as folder:
        figures = measure(Path(folder), asked.circuits, max(2, asked.releases))
    table = Table(*HEAD)
    for one in figures.phases:
        table.add_row(*row(one))
    Console().print(table)
    for name, found, limit, met in targets(figures):
        Console().print(f"{'[green]met' if met else '[red]missed'}[/] {name}: {found} ({limit})")
    if asked.record:
        BENCHMARKS.write_text(
            with_block(BENCHMARKS.read_text(), "release", f"\n\n{as_markdown(figures)}\n\n")
        )
    return int(not all(met for *_, met in targets(figures)))


if __name__ == "__main__":
    sys.exit(main())
