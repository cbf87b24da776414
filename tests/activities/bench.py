"""Activities over fakes, with the repository's own `config/` and `ml_components/` at one commit."""

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from busbar.clients.machine_learning import ModelState
from busbar.codec import from_wire, to_wire
from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.events import JobStatus
from busbar.domain.gates import GateResult, Metrics
from busbar.domain.policies import Policies, Stage
from busbar.domain.records import DeploymentRecord
from busbar.domain.release import Pin, ReleaseSet
from busbar.domain.steps import CircuitTraining, Evaluation, JobState, Release, TrainingRun
from busbar.domain.training import Assets, Decision, PinnedData
from busbar.fleet.repository import fleet_at
from busbar.settings import Settings
from busbar.wire import request_type, result_type
from tests.fakes import (
    NOON,
    FakeApprovals,
    FakeAudit,
    FakeBlobs,
    FakeDrifts,
    FakeEnvironments,
    FakeEvents,
    FakeEvidence,
    FakeMachineLearning,
    FakeMail,
    FakeRecords,
    FakeReleases,
    FakeReports,
    FakeRepository,
    Registered,
    Submitted,
)

ROOT = Path(__file__).parent.parent.parent
COMMIT, NEXT = "a" * 40, "b" * 40
RUN = TrainingRun(f"train-{COMMIT}", COMMIT, "develop", "data-scientist")
ENVIRONMENT = "sensor-forecasting-env"
ASSETS = Assets(ENVIRONMENT, "1.1.0", "1.0.0", "1.0.0")
HASH = "0123456789ab"
CIRC1, CIRC2, CIRC3 = (CircuitKey("PLANT1", f"CIRC{number}") for number in (1, 2, 3))
METRICS = Metrics(
    mae=1.0, rmse=2.0, accuracy=0.9, standardised_mse=0.3, seasonal_naive_mse=0.5, skill_seasonal_naive=0.4
)
PASSED = Evaluation(METRICS, (GateResult("max_mae", True, 1.0, 5.0),), True, "max_mae passed: 1 (limit ≤ 5)")


def shipped(folder: str) -> dict[str, bytes]:
    """The repository's own files below `folder`, by path from the root."""
    found = (path for path in sorted((ROOT / folder).rglob("*")) if "__pycache__" not in path.parts)
    return {str(path.relative_to(ROOT)): path.read_bytes() for path in found if path.is_file()}


FILES = shipped("config") | shipped("ml_components")
SETTINGS = Settings.from_environment(
    {
        "BUSBAR_SUBSCRIPTION_ID": "00000000-0000-4000-8000-000000000000",
        "BUSBAR_WORKSPACES": '{"dev": "rg/dev-ws", "test": "rg/test-ws", "prod": "rg/prod-ws"}',
        "BUSBAR_REGISTRY": "central-registry",
        "BUSBAR_LOCATION": "westeurope",
        "BUSBAR_BLOB_URL": "https://account.blob.core.windows.net",
        "BUSBAR_TABLE_URL": "https://account.table.core.windows.net",
        "BUSBAR_EVENT_GRID_ENDPOINT": "https://topic.example.com/api/events",
        "BUSBAR_EMAIL_ENDPOINT": "https://mail.example.com",
        "BUSBAR_EMAIL_SENDER": "busbar@example.com",
        "BUSBAR_REPOSITORY_API": "https://git.example.com/api/v3",
        "BUSBAR_REPOSITORY": "plants/fleet",
        "BUSBAR_PUBLIC_URL": "https://busbar.example.com",
        "BUSBAR_REPOSITORY_TOKEN": "token",
        "BUSBAR_WEBHOOK_SECRET": "secret",
    }
)


def repository() -> FakeRepository:
    """`main` and `develop` at one commit with the files that this repository ships."""
    return FakeRepository({COMMIT: dict(FILES)}, {"main": COMMIT, "develop": COMMIT})


@dataclass
class Bench:
    """The clients by their keywords; `run` does an activity as the host does, with JSON at both ends."""

    ml: FakeMachineLearning = field(default_factory=FakeMachineLearning)
    blobs: FakeBlobs = field(default_factory=FakeBlobs)
    records: FakeRecords = field(default_factory=FakeRecords)
    environments: FakeEnvironments = field(default_factory=FakeEnvironments)
    evidence: FakeEvidence = field(default_factory=FakeEvidence)
    drifts: FakeDrifts = field(default_factory=FakeDrifts)
    events: FakeEvents = field(default_factory=FakeEvents)
    releases: FakeReleases = field(default_factory=FakeReleases)
    approvals: FakeApprovals = field(default_factory=FakeApprovals)
    mail: FakeMail = field(default_factory=FakeMail)
    reports: FakeReports = field(default_factory=FakeReports)
    audit: FakeAudit = field(default_factory=FakeAudit)
    repository: FakeRepository = field(default_factory=repository)
    settings: Settings = SETTINGS

    def run(self, activity: Callable[..., Any], request: Any) -> Any:
        asked = from_wire(request_type(activity), to_wire(request))
        wanted = [
            item.name
            for item in inspect.signature(activity).parameters.values()
            if item.kind is item.KEYWORD_ONLY
        ]
        result = activity(asked, **{name: getattr(self, name) for name in wanted})
        return from_wire(result_type(activity), to_wire(result))

    def bound(self, activity: Callable[..., Any]) -> Callable[[Any], Any]:
        """The activity with this bench's clients, for a world of orchestrators."""

        def run(request: Any) -> Any:
            return self.run(activity, request)

        run.__name__ = activity.__name__
        return run

    def snapshot(self) -> Mapping[str, Any]:
        """Everything that anybody could see of the clients; of a commit's statuses the last."""
        stores = {name: store for name, store in vars(self).items() if name not in ("repository", "settings")}
        events = {event.id: event for event in self.events.published}  # readers drop a repeat by its id
        return copy.deepcopy(stores | {"events": events, "statuses": self.repository.shown()})

    # --- what is there before the activity in question -----------------------------------------------------

    def commit(self, changes: Mapping[str, bytes | None], name: str = NEXT) -> TrainingRun:
        """A commit after the first with other files (`None`: without them), and a run of it."""
        files = {**self.repository.commits[COMMIT], **changes}
        self.repository.commits[name] = {path: data for path, data in files.items() if data is not None}
        self.repository.parents[name] = COMMIT
        return replace(RUN, id=f"train-{name}", commit=name, before=COMMIT)

    def edit(self, path: str, old: str, new: str, name: str = NEXT) -> TrainingRun:
        """A commit after the first in which one file reads otherwise."""
        text = FILES[path].decode()
        assert old in text, f"{path} does not say {old!r}"
        return self.commit({path: text.replace(old, new).encode()}, name)

    def merged(self, version: int = 3) -> None:
        """The sensor table has been written up to `version`."""
        for number in range(version + 1):
            self.blobs.write("sensors", f"readings/_delta_log/{number:020}.json", b"{}")

    def job(
        self, name: str, status: JobStatus = JobStatus.QUEUED, place: Stage = Stage.DEV, **tags: str
    ) -> None:
        """Somebody submitted a job."""
        self.ml.jobs[place, name] = Submitted(JobState(name, status, tags=tags))

    def has_component(self, name: str, build: str) -> None:
        """Dev has a component's build."""
        self.ml.components[Stage.DEV, name, build] = Registered("digest", b"")

    def policies(self, commit: str = COMMIT) -> Policies:
        return fleet_at(self.repository, commit).policies

    def shared(self, *pins: Pin) -> None:
        """The registry has the pins' models."""
        for one in pins:
            name, version = one.model_name, one.model_version
            self.ml.registered_models["registry", name, version] = ModelState(name, version)

    def release(self, *pins: Pin, policies: Policies | None = None) -> Release:
        """A release set on record, by reference."""
        stored = ReleaseSet(RUN.id, COMMIT, RUN.requester, pins, ENVIRONMENT)
        self.records.save_release(stored)
        keys = tuple(sorted(pin.key for pin in pins))
        return Release(stored.id, COMMIT, RUN.requester, keys, policies or self.policies())


def training(
    key: CircuitKey = CIRC1, run: TrainingRun = RUN, policies: Policies | None = None, hashed: str = HASH
) -> CircuitTraining:
    decision = Decision(key, True, f"train {key}: new circuit", hashed)
    data = PinnedData(key, f"{key.plant_id}_{key.circuit_id}", "2025-12-09", 3, "2025-12-09")
    return CircuitTraining(run, decision, data, ASSETS, policies or Policies())


def pin(key: CircuitKey = CIRC1, version: str = "1", metrics: Metrics = METRICS) -> Pin:
    name = f"{key.plant_id}_{key.circuit_id}"
    return Pin(
        key=key,
        model_name=f"{name}_model",
        model_version=version,
        training_hash=HASH,
        cutoff_date="2025-12-09",
        data_asset_version="2025-12-09",
        environment=ASSETS.environment,
        component_version="1.0.0",
        scoring_version="1.0.0",
        job=f"train-{key.plant_id}-{key.circuit_id}-{HASH}-a{version}",
        circuit_config=f"circuit_configs/{name}/{HASH}.yaml",
        metrics=metrics,
    )


def serving(key: CircuitKey = CIRC1, stage: Stage = Stage.DEV, version: str = "1") -> DeploymentRecord:
    """What serves a circuit in a stage."""
    return DeploymentRecord(
        key=key,
        stage=stage,
        endpoint=names.endpoint(key, stage, SETTINGS.workspace_id(stage)),
        deployment=f"{key.circuit_id.lower()}-v{version}",
        model_name=f"{key.plant_id}_{key.circuit_id}_model",
        model_version=version,
        cutoff_date="2025-12-01",
        circuit_config="c.yaml",
        since=NOON,
    )
