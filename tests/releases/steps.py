"""A light fleet on its way through releases: pushed, approved, ramped, taken back."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from busbar.api import Snapshot
from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.drift_plan import Incident
from busbar.domain.policies import GateName, Stage
from busbar.domain.records import RunRecord, RunStatus
from demo.fleet import REPLACED
from demo.forms import approve_form
from demo.git import Clone
from tests.journeys import people
from tests.journeys.people import Link
from tests.journeys.stack import ROOT, STEP_SECONDS, Stack
from tests.journeys.steps import run_at
from tests.releases import light

CIRCUITS = 6
GOOD, LATE, SLOW, ONLINE, DRIFTING, LEFT_OUT = light.keys(CIRCUITS)
RELEASE = ": r-"  # in the subject of every question about a release set
VOTES = {
    GateName.REGISTRY_PROMOTION: 1,
    GateName.TEST_DEPLOYMENT: 1,
    GateName.PROD_DEPLOYMENT: 2,
    GateName.ENVIRONMENT_UPDATE: 1,
}
ENVIRONMENT = "1.2.0"  # after the one in ml_components
UNANSWERED = {"groups": ["prod-approvers"], "quorum": 2, "expires_hours": 0.003}


@dataclass(frozen=True)
class LightFleet:
    """The repository of a light fleet of so many circuits, and the stack it is released on."""

    stack: Stack
    clone: Clone
    circuits: int
    online: tuple[CircuitKey, ...] = ()

    @classmethod
    def found(
        cls, stack: Stack, folder: Path, circuits: int, online: tuple[CircuitKey, ...] = ()
    ) -> "LightFleet":
        """An empty repository, and a table of readings with nothing but a version."""
        clone = Clone.open(folder, stack.remote)
        clone.switch("main")
        clone.commit(light.light_files(0), "Start the fleet's repository", replace=REPLACED)
        clone.push("main")
        clone.switch("develop", "main")
        _empty_table(stack)
        return cls(stack, clone, circuits, online)

    @property
    def keys(self) -> tuple[CircuitKey, ...]:
        return light.keys(self.circuits)

    def push(self, **changes: Any) -> str:
        """Push the fleet as `light_files` makes it of `changes`; the commit."""
        files = light.light_files(self.circuits, online=self.online, **changes)
        commit = self.clone.commit(files, "Forecast a light fleet", replace=REPLACED)
        self.clone.push("develop")
        return commit


def trained(stack: Stack, commit: str, seconds: float = STEP_SECONDS) -> None:
    """Until the commit's models wait for approval; a new environment is approved on the way."""
    run_at(stack, commit, RunStatus.WAITING, seconds)
    for asked in seen(stack).pending:
        if asked.gate == GateName.REGISTRY_PROMOTION and RELEASE not in asked.subject:
            press(stack, people.links(stack, asked)[0])


def approve(
    stack: Stack, gate: GateName, exclude: Sequence[CircuitKey] = (), about: str = RELEASE
) -> list[Link]:
    """As many people as the gate needs press approve, the first leaving circuits out."""
    links = people.asked(stack, gate, about)
    for number, link in enumerate(links[: VOTES[gate]]):
        press(stack, link, () if number else exclude)
    return links


def press(stack: Stack, link: Link, exclude: Sequence[CircuitKey] = ()) -> None:
    """Press approve, again where the host died meanwhile: a page without the button says that the vote counted."""
    tried = False

    def pressed() -> bool:
        nonlocal tried
        found = approve_form(link.url, link.look().text)
        if found is None:
            return tried
        tried, form = True, dict[str, Any](found[1])
        return link.post(form | ({"exclude": [str(key) for key in exclude]} if exclude else {})) == 200

    stack.until(f"{link.person}'s vote on {link.subject!r}", pressed, 60)


def seen(stack: Stack) -> Snapshot:
    """What the board shows, once the host answers."""
    return stack.until("the board", stack.snapshot)


def ended(stack: Stack, commit: str, seconds: float) -> RunRecord:
    """The commit's run once it has ended, however."""
    run_id = names.training_run(commit)

    def there() -> RunRecord | None:
        run = stack.snapshot().run(run_id)
        return run if run and run.status.ended else None

    return stack.until(f"{run_id} to end", there, seconds)


def release(stack: Stack, commit: str, seconds: float = 240, **exclude: Sequence[CircuitKey]) -> RunRecord:
    """The commit's models through every gate, approved by all; `registry=[…]` leaves circuits out there."""
    trained(stack, commit)
    approve(stack, GateName.REGISTRY_PROMOTION, exclude.get("registry", ()))
    approve(stack, GateName.TEST_DEPLOYMENT)
    approve(stack, GateName.PROD_DEPLOYMENT)
    return ended(stack, commit, seconds)


def serving(snapshot: Snapshot, stage: Stage) -> dict[CircuitKey, str]:
    """Circuit → the version of the model that serves it."""
    return {
        key: state.deployments[stage].model_version
        for key, state in snapshot.circuits.items()
        if stage in state.deployments
    }


def operator(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What an operator types: `python -m busbar …`."""
    environment = os.environ | {
        "BUSBAR_URL": stack.environment["BUSBAR_PUBLIC_URL"],
        "BUSBAR_KEY": stack.environment["LOCALAZURE_FUNCTIONS_KEY"],
        "COLUMNS": "200",
    }
    command = [sys.executable, "-m", "busbar", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@dataclass(frozen=True)
class Retrained:
    """A look at prod: what people were asked, what stands on record, and the cutoff dates of what trained again."""

    subject: str
    command: subprocess.CompletedProcess[str]
    incident: Incident
    trained: Mapping[CircuitKey, str]


def retrain(stack: Stack) -> Retrained:
    """A day is looked at, one circuit has drifted, people agree to train it again, and the commit trains it alone."""
    _put_raw_file(stack)
    stack.finished(stack.api.merge("develop"))
    stack.finished(stack.api.look(Stage.PROD, "2025-12-12"))
    command = operator(stack, "drift")
    (link, *_) = people.asked(stack, GateName.DRIFT_RETRAIN)
    assert link.approve() == 200

    def ended() -> Incident | None:
        (incident,) = stack.api.drift(Stage.PROD).incidents
        return incident if incident.status.ended else None

    incident = stack.until("the incident to end", ended)
    assert incident.commit, incident.said
    run = run_at(stack, incident.commit, RunStatus.WAITING)
    circuits = stack.snapshot().circuits
    records = (state.record for state in circuits.values())
    trained = {one.key: one.cutoff_date for one in records if one.run == run.id}
    return Retrained(link.subject, command, incident, trained)


def fault(stack: Stack, kind: str, **rest: Any) -> None:
    """Let something go wrong from now on, as `localazure faults add` does."""
    stack.pages.post("/admin/faults", json={"kind": kind, **rest}).raise_for_status()


def policies(**prod: Any) -> dict[str, dict[str, Any]]:
    """Ramps with instant bakes, for `light_files`; `prod` replaces keys of prod's file."""
    return {
        "environments/test": {"ramp": {"steps": [50, 100], "windows": 8}},
        "environments/prod": {
            "ramp": {"steps": [10, 25, 50, 100], "windows": 8, "mirror_percent": 50},
            **prod,
        },
        "pipeline": {"training": {"max_parallel": 5, "poll": {"initial_seconds": 2, "maximum_seconds": 10}}},
    }


def _empty_table(stack: Stack) -> None:
    from azure.storage.blob import ContainerClient

    account = stack.environment["LOCALAZURE_STORAGE_IP"]
    with ContainerClient.from_container_url(f"{account}/sensors", stack.credential) as sensors:
        sensors.upload_blob("readings/_delta_log/00000000000000000000.json", b"{}")


def _put_raw_file(stack: Stack) -> None:
    from azure.storage.blob import ContainerClient

    account = stack.environment["LOCALAZURE_STORAGE_IP"]
    with ContainerClient.from_container_url(f"{account}/raw", stack.credential) as raw:
        raw.upload_blob("PLANT1/a.csv", b"time\n", overwrite=True)
