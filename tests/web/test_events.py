"""Events from Event Grid: each starts or wakes what it should, once, however often it comes."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from busbar.domain.errors import TemporarilyUnavailable
from busbar.domain.events import ZERO_COMMIT, DriftDetected, EventType, RepositoryPushed
from busbar.domain.policies import Stage
from busbar.domain.records import Offer
from busbar.domain.release import ReleaseSet
from busbar.domain.steps import Release, StageDeployment, TrainingRun
from busbar.inbound.busbar_events import event_id, to_event_data
from busbar.web.alerts import azure_monitor
from busbar.web.days import yesterday
from busbar.web.events import receive
from tests.activities.bench import CIRC1, CIRC2, COMMIT, ENVIRONMENT, NEXT, RUN, Bench, pin
from tests.fakes import FakeLedger, Outage, StatusSet

PUSH = RepositoryPushed("plants/fleet", "develop", NEXT, COMMIT, "data-scientist")
PIPELINE = "config/pipeline.yaml"


@dataclass
class Hub:
    """The durable client: what was started, under which id, and who was woken. `died` before the next start."""

    started: dict[str, tuple[str, Any]] = field(default_factory=dict[str, tuple[str, Any]])
    woken: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    died: bool = False

    def start(self, orchestrator: str, instance_id: str, request: Any) -> bool:
        if self.died:
            raise Outage("the task hub does not answer")
        new = instance_id not in self.started
        self.started.setdefault(instance_id, (orchestrator, request))
        return new

    def raise_event(self, instance_id: str, event: str, data: str = "") -> None:
        self.woken.append((instance_id, event, data))


@dataclass
class Desk:
    """Where events arrive; `now` is the ledger's clock, in seconds."""

    bench: Bench = field(default_factory=Bench)
    hub: Hub = field(default_factory=Hub)
    now: float = 0.0
    ledger: FakeLedger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(clock=lambda: self.now)

    def receive(self, event: dict[str, Any]) -> str:
        return receive(
            event,
            self.hub,
            ledger=self.ledger,
            repository=self.bench.repository,  # type: ignore[arg-type] - a fake of its shape
            records=self.bench.records,  # type: ignore[arg-type] - a fake of its shape
        )

    def push(self, push: RepositoryPushed = PUSH) -> str:
        return self.receive(
            {"eventType": EventType.REPOSITORY_PUSHED, "id": event_id(push), "data": to_event_data(push)}
        )

    def offered(self, stage: Stage, *pins: Any) -> ReleaseSet:
        release = ReleaseSet(RUN.id, COMMIT, RUN.requester, pins or (pin(CIRC2), pin(CIRC1)), ENVIRONMENT)
        self.bench.records.save_release(release)
        self.bench.records.save_offer(stage, Offer(release.id))
        return release


@pytest.fixture
def desk() -> Desk:
    return Desk()


# --- pushes -----------------------------------------------------------------------------------------------


def test_a_push_starts_a_training_run_of_its_commit(desk: Desk):
    assert desk.push() == f"started train-{COMMIT}"
    run = TrainingRun(f"train-{COMMIT}", COMMIT, "develop", "data-scientist", before=NEXT)
    assert desk.hub.started == {run.id: ("training_pipeline", run)}
    assert desk.ledger.head("develop") == COMMIT


def test_a_push_that_comes_twice_is_handled_once(desk: Desk):
    desk.push()
    assert "was handled before" in desk.push()
    assert len(desk.hub.started) == 1


def test_the_same_commit_noticed_otherwise_starts_nothing(desk: Desk):
    desk.push()
    lost = replace(PUSH, before=ZERO_COMMIT, requester="reconciler")
    assert desk.push(lost) == f"already started train-{COMMIT}"
    assert desk.hub.started[f"train-{COMMIT}"][1].requester == "data-scientist"


def test_while_somebody_handles_it_the_delivery_is_refused_so_that_it_comes_again(desk: Desk):
    desk.ledger.claim(event_id(PUSH))
    with pytest.raises(TemporarilyUnavailable):
        desk.push()
    assert desk.hub.started == {}


def test_a_crash_between_claim_and_done_is_taken_up_when_the_claim_expires(desk: Desk):
    desk.ledger.claim(event_id(PUSH), seconds=120)
    desk.hub.start("training_pipeline", f"train-{COMMIT}", "by the process that died")
    desk.now = 121
    assert desk.push() == f"already started train-{COMMIT}"
    assert "was handled before" in desk.push()


def test_a_failure_gives_the_claim_up_so_that_the_next_delivery_need_not_wait(desk: Desk):
    desk.hub.died = True
    with pytest.raises(Outage):
        desk.push()
    assert desk.ledger.head("develop") is None
    desk.hub.died = False
    assert desk.push() == f"started train-{COMMIT}"


@pytest.mark.parametrize("branch", ["feature/x", "release", "mainly"])
def test_a_branch_that_is_not_listed_starts_nothing_and_is_not_lost(desk: Desk, branch: str):
    assert "is not in the branch table" in desk.push(replace(PUSH, branch=branch))
    assert desk.hub.started == {}
    assert desk.ledger.head(branch) == COMMIT


def test_a_deleted_branch_does_nothing(desk: Desk):
    desk.bench.repository.outage = True
    assert desk.push(replace(PUSH, after=ZERO_COMMIT)) == "branch develop was deleted"
    assert desk.hub.started == {}


def test_the_branch_table_is_the_pushed_commits(desk: Desk):
    desk.bench.edit(PIPELINE, "  develop: train", "  experiments/*: train")
    elsewhere = replace(PUSH, before=COMMIT, after=NEXT)
    assert "is not in the branch table" in desk.push(elsewhere)
    assert desk.push(replace(elsewhere, branch="experiments/7")) == f"started train-{NEXT}"


@pytest.mark.parametrize("content", [b"branches: [", b"branches: 7", None])
def test_with_an_unreadable_branch_table_the_usual_one_counts_so_that_the_author_is_told(
    desk: Desk, content: bytes | None
):
    desk.bench.commit({PIPELINE: content})
    assert desk.push(replace(PUSH, before=COMMIT, after=NEXT)) == f"started train-{NEXT}"


def test_other_mistakes_in_the_configuration_are_the_runs_to_tell(desk: Desk):
    desk.bench.commit({"config/circuits.yaml": b"circuits: 7"})
    assert desk.push(replace(PUSH, before=COMMIT, after=NEXT)) == f"started train-{NEXT}"


def test_a_commit_that_is_gone_by_now_is_let_go(desk: Desk):
    assert "is not in the branch table" in desk.push(replace(PUSH, after="f" * 40))


def test_an_outage_of_the_git_host_lets_the_event_come_again(desk: Desk):
    desk.bench.repository.outage = True
    with pytest.raises(Outage):
        desk.push()
    desk.bench.repository.outage = False
    assert desk.push().startswith("started")


# --- deployments ------------------------------------------------------------------------------------------

STAGES = [("release/1.4", Stage.TEST), ("main", Stage.PROD)]


@pytest.mark.parametrize(("branch", "stage"), STAGES)
def test_a_push_deploys_the_release_that_waits_for_the_stage(desk: Desk, branch: str, stage: Stage):
    release = desk.offered(stage)
    assert desk.push(replace(PUSH, branch=branch)) == f"started deploy-{stage}-{release.id}"
    named = Release(release.id, COMMIT, RUN.requester, (CIRC1, CIRC2), desk.bench.policies())
    assert desk.hub.started == {
        f"deploy-{stage}-{release.id}": ("deploy_release", StageDeployment(stage, named))
    }


def test_a_release_that_its_run_took_on_is_not_deployed_again(desk: Desk):
    release = desk.offered(Stage.PROD)
    desk.hub.start("deploy_release", f"deploy-prod-{release.id}", "by the training run")
    assert desk.push(replace(PUSH, branch="main")) == f"already started deploy-prod-{release.id}"


def test_what_an_earlier_gate_left_out_stays_out(desk: Desk):
    release = ReleaseSet(RUN.id, COMMIT, RUN.requester, (pin(CIRC2), pin(CIRC1)), ENVIRONMENT)
    desk.bench.records.save_release(release)
    desk.bench.records.save_offer(Stage.PROD, Offer(release.id, (CIRC1,)))
    desk.push(replace(PUSH, branch="main"))
    [(_, request)] = desk.hub.started.values()
    assert request.release.kept == (CIRC2,)


def test_of_several_releases_the_one_offered_last(desk: Desk):
    first = desk.offered(Stage.PROD)
    second = desk.offered(Stage.PROD, pin(CIRC1, "2"))
    desk.bench.records.save_offer(Stage.PROD, Offer(first.id))
    assert desk.push(replace(PUSH, branch="main")) == f"started deploy-prod-{second.id}"


@pytest.mark.parametrize(("branch", "stage"), STAGES)
def test_nothing_to_deploy_is_said_at_the_commit(desk: Desk, branch: str, stage: Stage):
    text = f"nothing to deploy to {stage}: no release set is ready for it"
    assert desk.push(replace(PUSH, branch=branch)) == text
    assert desk.bench.repository.statuses == [
        StatusSet(COMMIT, "success", text, f"busbar/deploy-{stage}", None)
    ]
    assert desk.hub.started == {}


# --- jobs -------------------------------------------------------------------------------------------------

CHANGED = "Microsoft.MachineLearningServices.RunStatusChanged"
WAITS = "train-abc-PLANT1-CIRC1"
OURS = {"orchestration_id": WAITS}
SCORING = "score-prod-2025-12-09-PLANT1-CIRC1"


def job(name: str, status: str, tags: dict[str, str] | None = None, kind: str = CHANGED) -> dict[str, Any]:
    return {"eventType": kind, "id": "1", "data": {"runId": name, "runStatus": status, "runTags": tags or {}}}


JOBS = [
    ("ours completed", job("job", "Completed", OURS), [(WAITS, "job-finished:job", "completed")]),
    ("ours failed", job("job", "Failed", OURS), [(WAITS, "job-finished:job", "failed")]),
    ("ours cancelled", job("job", "Canceled", OURS), [(WAITS, "job-finished:job", "canceled")]),
    ("ours running", job("job", "Running", OURS), []),
    ("somebody else's", job("job", "Completed"), []),
    ("a scoring job", job(SCORING, "Completed"), [(SCORING, f"job-finished:{SCORING}", "completed")]),
    ("a scoring job under way", job(SCORING, "Running"), []),
]


@pytest.mark.parametrize(("event", "woken"), [case[1:] for case in JOBS], ids=[case[0] for case in JOBS])
def test_a_job_wakes_who_waits_for_it(desk: Desk, event: dict[str, Any], woken: list[tuple[str, str, str]]):
    desk.receive(event)
    assert desk.hub.woken == woken
    assert desk.hub.started == {}


# --- drift --------------------------------------------------------------------------------------------------

DRIFT = DriftDetected("drift-prod-2025-12-09-1a2b3c4d", Stage.PROD, "PLANT1/CIRC1: data drift")
DRIFT_EVENT = {"eventType": EventType.DRIFT_DETECTED, "id": DRIFT.incident, "data": to_event_data(DRIFT)}


def test_drift_starts_one_response_however_often_it_is_told(desk: Desk):
    response = f"respond-{DRIFT.incident}"
    assert desk.receive(DRIFT_EVENT) == f"started {response}"
    assert desk.receive(DRIFT_EVENT) == f"{DRIFT.incident} was handled before"
    assert desk.hub.started == {response: ("drift_response", DRIFT)}


def test_drift_told_after_a_crash_does_not_start_twice(desk: Desk):
    desk.hub.start("drift_response", f"respond-{DRIFT.incident}", DRIFT)
    assert desk.receive(DRIFT_EVENT) == f"already started respond-{DRIFT.incident}"


def test_a_wrong_drift_event_is_refused_and_not_asked_for_again(desk: Desk):
    assert "data.stage" in desk.receive(DRIFT_EVENT | {"data": {"incident": "drift-1", "stage": "moon"}})
    assert desk.hub.started == {}


def test_a_monitors_breach_is_a_reason_to_look_once_a_day(desk: Desk):
    tags = {"azureml_modelmonitor_threshold_breached": "x", "plant_id": "PLANT1", "circuit_id": "CIRC1"}
    data = {"runId": "monitor_run_1", "runStatus": "Completed", "runTags": tags}
    breach = {"eventType": "Microsoft.MachineLearningServices.RunStatusChanged", "id": "1", "data": data}
    look = f"monitor-prod-{yesterday()}-alert-PLANT1-CIRC1"
    assert desk.receive(breach) == f"started {look}"
    assert desk.receive(breach) == f"already started {look}"
    [(orchestrator, run)] = desk.hub.started.values()
    assert (orchestrator, run.named, run.respond) == ("monitor_stage", (CIRC1,), True)
    assert run.cause == "Azure ML's monitor: monitor_run_1 breached"


def test_an_alert_of_azure_monitor_is_a_reason_to_look(desk: Desk):
    essentials = {"alertRule": "rule", "monitorCondition": "Fired", "firedDateTime": "2025-12-09T13:58:24Z"}
    data = {"essentials": essentials, "customProperties": {"circuit": "PLANT1/CIRC1"}}
    document = {"schemaId": "azureMonitorCommonAlertSchema", "data": data}
    reply = azure_monitor(json.dumps(document).encode(), desk.hub)
    assert (reply.status, len(desk.hub.started)) == (202, 1)
    essentials["monitorCondition"] = "Resolved"
    assert azure_monitor(json.dumps(document).encode(), desk.hub).status == 200
    assert len(desk.hub.started) == 1


@pytest.mark.parametrize(
    "kind", ["Microsoft.MachineLearningServices.ModelRegistered", "Busbar.Unknown", "Anything"]
)
def test_events_of_other_types_are_ignored(desk: Desk, kind: str):
    assert desk.receive({"eventType": kind, "id": "1", "data": {}}) == f"ignored {kind}"


MALFORMED = [
    ("no data", {"eventType": CHANGED, "id": "1"}, "data"),
    ("no job", {"eventType": CHANGED, "id": "1", "data": {"runStatus": "Completed"}}, "data.runId"),
    ("no type", {"id": "1", "data": {}}, "eventType"),
    (
        "half a push",
        {"eventType": EventType.REPOSITORY_PUSHED, "id": "1", "data": {"branch": "develop"}},
        "data.repository",
    ),
]


@pytest.mark.parametrize(
    ("event", "named"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED]
)
def test_a_malformed_event_is_refused_for_good_naming_the_field(
    desk: Desk, event: dict[str, Any], named: str
):
    said = desk.receive(event)
    assert said.startswith("refused")
    assert f"{named}: " in said
    assert (desk.hub.started, desk.hub.woken) == ({}, [])
