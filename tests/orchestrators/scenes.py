"""Every orchestration as a small scene over its real activities: what is there, and what begins."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from activities.questions import release_question
from activities.ramping import raise_share
from activities.serving import activate_deployment, create_deployment
from busbar.clients.machine_learning import ModelState
from busbar.domain import names
from busbar.domain.approval import ApprovalRequest
from busbar.domain.circuits import CircuitKey
from busbar.domain.events import JobStatus
from busbar.domain.merges import MergeRecord
from busbar.domain.policies import Bake, GateName, Policies, RampPolicy, Stage, TrainingPolicy
from busbar.domain.records import CircuitRecord, RunRecord, RunStatus
from busbar.domain.release import Pin
from busbar.domain.release_record import Origin
from busbar.domain.rollback import Scope
from busbar.domain.steps import (
    Cancellation,
    CircuitDeployment,
    DailyRun,
    EnvironmentPromotion,
    EnvironmentRegistration,
    EnvironmentRun,
    Halted,
    JobRef,
    Journey,
    MergeRun,
    RefreshRun,
    Release,
    ReleaseQuestion,
    RollbackRun,
    ScoringRun,
    Share,
    StageDeployment,
    TrainingRun,
)
from busbar.domain.training import Verdict
from orchestrators.approval import approval
from orchestrators.deploy_release import deploy_release
from orchestrators.drift_response import drift_response
from orchestrators.environment_release import environment_release
from orchestrators.evidence import gather_evidence
from orchestrators.merge_readings import merge_readings
from orchestrators.monitoring import score_days
from orchestrators.promote_models import promote_environment, promote_models
from orchestrators.recovery import clean_up
from orchestrators.release_journey import release_journey
from orchestrators.retention import retention
from orchestrators.rollback import rollback
from orchestrators.scheduled_refresh import scheduled_refresh
from orchestrators.scoring import score_stage
from orchestrators.training_pipeline import training_pipeline
from tests.activities.bench import CIRC1, CIRC2, CIRC3, COMMIT, ENVIRONMENT, HASH, RUN, Bench, pin, serving
from tests.activities.test_responses import detected
from tests.activities.test_retention import FIRST as OLD
from tests.activities.test_retention import LOOK
from tests.activities.test_retention import SECOND as SERVED
from tests.activities.test_retention import trained as trained_long_ago
from tests.fakes import NOON
from tests.orchestrators.crashing import Played, Scene, Start, play
from tests.orchestrators.outside import scored

THOROUGH = os.environ.get("CRASHES") == "all"
DAY = date(2025, 12, 9)
CONFIG = b"sensors: [feed_flow]"

# --- what is there ------------------------------------------------------------------------------------------


def trained(bench: Bench, *pins: Pin, policies: Policies | None = None) -> Release:
    """A release set of models that dev has registered."""
    for one in pins:
        model = ModelState(one.model_name, one.model_version)
        bench.ml.registered_models[Stage.DEV, one.model_name, one.model_version] = model
        bench.ml.write_file(Stage.DEV, one.circuit_config, CONFIG)
        bench.records.save_circuit(
            CircuitRecord(one.key, HASH, Verdict.TRAINED, "new circuit", RUN.id, COMMIT, "2025-12-09", NOON, one.job)
        )  # fmt: skip
    return bench.release(*pins, policies=policies)


def shared(bench: Bench, *pins: Pin, policies: Policies | None = None) -> Release:
    """A release set of models that the registry has."""
    bench.shared(*pins)
    return trained(bench, *pins, policies=policies)


def serves(bench: Bench, stage: Stage, key: CircuitKey, *versions: str, release: str | None = None) -> None:
    """The versions have served a stage, one after the other."""
    for version in versions:
        bench.ml.write_file(Stage.DEV, pin(key).circuit_config, CONFIG)
        request = CircuitDeployment(stage, pin(key, version), Policies(), release)
        bench.run(create_deployment, request)
        bench.run(activate_deployment, request)


def ramps(bench: Bench, stage: Stage, key: CircuitKey, version: str, percent: int = 25) -> None:
    """A version ramps up beside what serves."""
    request = CircuitDeployment(stage, pin(key, version), bench.policies())
    bench.run(create_deployment, request)
    bench.run(raise_share, Share(request, percent, f"{percent} %"))


def asked(bench: Bench, gate: GateName) -> ApprovalRequest:
    return bench.run(release_question, ReleaseQuestion(trained(bench, pin()), gate))


# --- approvals ----------------------------------------------------------------------------------------------


def question(gate: GateName) -> Scene:
    def prepare(bench: Bench) -> Sequence[Start]:
        request = asked(bench, gate)
        return [Start(approval, request.id, request)]

    return Scene(prepare)


def unanswered(gate: GateName) -> Scene:
    return replace(question(gate), votes=False)


# --- promotion ----------------------------------------------------------------------------------------------


def promotion(bench: Bench) -> Sequence[Start]:
    bench.ml.propagation = 2
    release = trained(bench, pin(CIRC1), pin(CIRC2))
    return [Start(promote_models, names.promotion_run(release.id), release)]


def evidence(bench: Bench) -> Sequence[Start]:
    release = trained(bench, pin())
    return [Start(gather_evidence, names.evidence(release.id), release)]


def environment(bench: Bench) -> Sequence[Start]:
    request = EnvironmentPromotion(RUN, EnvironmentRegistration(ENVIRONMENT, "1.1.0"), bench.policies())
    return [Start(promote_environment, f"{RUN.id}-environment", request)]


# --- deployment ---------------------------------------------------------------------------------------------


def deployment(
    bench: Bench, stage: Stage, circuits: Sequence[CircuitKey], policies: Policies | None = None
) -> Sequence[Start]:
    """Version 2 of some circuits to a stage that version 1 serves."""
    for key in circuits:
        serves(bench, stage, key, "1")
    release = shared(bench, *(pin(key, "2") for key in circuits), policies=policies)
    return [Start(deploy_release, names.deployment_run(stage, release.id), StageDeployment(stage, release))]


def first_deployment(bench: Bench) -> Sequence[Start]:
    release = shared(bench, pin(CIRC1))
    return [
        Start(
            deploy_release, names.deployment_run(Stage.TEST, release.id), StageDeployment(Stage.TEST, release)
        )
    ]


def canary(bench: Bench) -> Sequence[Start]:
    return deployment(bench, Stage.TEST, (CIRC1, CIRC2))


def blue_green(bench: Bench) -> Sequence[Start]:
    return deployment(bench, Stage.PROD, (CIRC1,))


def bad_fleet(bench: Bench) -> Sequence[Start]:
    return deployment(bench, Stage.TEST, (CIRC1, CIRC2, CIRC3))


def live(bench: Bench) -> Sequence[Start]:
    """Watched over days in which nothing is scored: the hold ends it."""
    policies, ramp = bench.policies(), RampPolicy((50, 100), Bake.LIVE)
    test = replace(policies.stage(Stage.TEST), ramp=ramp)
    return deployment(
        bench, Stage.TEST, (CIRC1,), replace(policies, stages={**policies.stages, Stage.TEST: test})
    )


def one_bad(job: str) -> Mapping[str, object]:
    return scored(failed_rows=12) if "CIRC2" in job and job.endswith("candidate") else scored()


def two_bad(job: str) -> Mapping[str, object]:
    bad = any(name in job for name in ("CIRC2", "CIRC3")) and job.endswith("candidate")
    return scored(failed_rows=12) if bad else scored()


def few_at_first(job: str) -> Mapping[str, object]:
    return scored(windows=3) if "-a1-" in job else scored()


def move(bench: Bench) -> Sequence[Start]:
    """Test and prod serve models in environment 1.0.0; the commit has 1.1.0, which keeps them the same."""
    old = tuple(replace(pin(key), environment=f"{ENVIRONMENT}:1.0.0") for key in (CIRC1, CIRC2))
    release = shared(bench, *old)
    for stage in (Stage.TEST, Stage.PROD):
        for one in old:
            request = CircuitDeployment(stage, one, Policies(), release.id)
            bench.run(create_deployment, request)
            bench.run(activate_deployment, request)
    run = EnvironmentRun(names.environment_run("1.1.0", COMMIT), COMMIT, "data-scientist")
    return [Start(environment_release, run.id, run)]


# --- the whole way ------------------------------------------------------------------------------------------


def journey(bench: Bench) -> Sequence[Start]:
    """Version 2 to a registry, a test and a prod that have version 1; all of it is new to the registry."""
    for stage in (Stage.TEST, Stage.PROD):
        serves(bench, stage, CIRC1, "1")
    bench.ml.propagation = 1
    release = trained(bench, pin(CIRC1, "2"))
    return [
        Start(
            release_journey,
            names.release_run(release.id),
            Journey(release, Origin.TRAINING, RUN, "1 circuit"),
        )
    ]


def overtaken(bench: Bench) -> Sequence[Start]:
    """A release set of two circuits, and a newer one that pins the first of them."""
    older = trained(bench, pin(CIRC1, "2"), pin(CIRC2, "2"))
    newer = trained(bench, pin(CIRC1, "3"))
    return [
        Start(release_journey, names.release_run(one.id), Journey(one, Origin.HAND)) for one in (older, newer)
    ]


def training(bench: Bench) -> Sequence[Start]:
    """A commit of one circuit, from its data to prod."""
    bench.merged()
    run = one_circuit(bench)
    return [Start(training_pipeline, run.id, run)]


def one_circuit(bench: Bench) -> TrainingRun:
    """A commit whose fleet is PLANT1/CIRC1 alone."""
    ends = {"circuits": "  - plant_id: PLANT1\n    circuit_id: CIRC2", "sources": "  - plant_id: PLANT2"}
    files = bench.repository.commits[COMMIT]
    alone = {f"config/{name}.yaml": files[f"config/{name}.yaml"].decode().partition(end)[0].encode()
             for name, end in ends.items()}  # fmt: skip
    return bench.commit(alone)


# --- back, and aside ----------------------------------------------------------------------------------------


def going_back(target: str, *, drill: bool = False) -> RollbackRun:
    return RollbackRun("rollback-1", Scope.parse(Stage.PROD, target), "operator", "it drifts", NOON, drill)


def stage_back(bench: Bench) -> Sequence[Start]:
    """Two circuits, one of whose former deployments is gone."""
    release = shared(bench, pin(CIRC1, "2"), pin(CIRC2, "2"))
    for key in (CIRC1, CIRC2):
        serves(bench, Stage.PROD, key, "1", "2", release=release.id)
    record = bench.records.deployment(Stage.PROD, CIRC2)
    assert record
    bench.ml.delete_deployment(Stage.PROD, record.endpoint, "circ2-v1")
    return [Start(rollback, "rollback-1", going_back(""))]


def ramp_back(bench: Bench) -> Sequence[Start]:
    serves(bench, Stage.PROD, CIRC1, "1", "2")
    ramps(bench, Stage.PROD, CIRC1, "3")
    return [Start(rollback, "rollback-1", going_back("PLANT1"))]


def drill(bench: Bench) -> Sequence[Start]:
    for key in (CIRC1, CIRC2):
        serves(bench, Stage.PROD, key, "1", "2")
    return [Start(rollback, "rollback-1", going_back("", drill=True))]


def cancelled(bench: Bench) -> Sequence[Start]:
    """A run that trained a circuit, asked about its release set and ramped another circuit up, and was ended."""
    question, job = asked(bench, GateName.PROD_DEPLOYMENT), JobRef(Stage.DEV, pin().job)
    bench.approvals.create(question, {})
    bench.job(job.name)
    bench.records.update_circuit(CIRC1, verdict=Verdict.TRAINING)
    bench.records.save_run(RunRecord(RUN.id, COMMIT, "develop", "x", RunStatus.WAITING, "it waits", NOON))
    serves(bench, Stage.PROD, CIRC2, "1")
    release = question.release_id or ""
    request = CircuitDeployment(Stage.PROD, pin(CIRC2, "2"), bench.policies(), release)
    bench.run(create_deployment, request)
    halted = (
        Halted(names.release_run(release), "release_journey"),
        Halted(RUN.id, "training_pipeline"),
        Halted(names.training_circuit(RUN.id, CIRC1), "train_circuit", (job,)),
        Halted(question.id, "approval"),
        Halted(f"{names.deployment_run(Stage.PROD, release)}-wave-1-PLANT1-CIRC2", "deploy_circuit"),
    )
    request = Cancellation(RUN.id, "operator", "wrong data", NOON, halted)
    return [Start(clean_up, names.clean_up(RUN.id, NOON), request)]


# --- day by day ---------------------------------------------------------------------------------------------


def scoring(bench: Bench) -> Sequence[Start]:
    """Two circuits, one of them with a candidate beside what serves."""
    for key in (CIRC1, CIRC2):
        serves(bench, Stage.PROD, key, "1")
    ramps(bench, Stage.PROD, CIRC1, "2")
    return [
        Start(score_stage, names.scoring_run(Stage.PROD, DAY), ScoringRun(Stage.PROD, DAY, TrainingPolicy()))
    ]


def merge(bench: Bench) -> Sequence[Start]:
    bench.blobs.write("raw", "PLANT1/a.csv", b"time\n")
    bench.repository.branches["develop"] = bench.edit(
        "config/circuits.yaml", "2025-12-09", "2025-09-01"
    ).commit
    return [Start(merge_readings, "merge-1", MergeRun("merge-1", COMMIT))]


def purge(bench: Bench) -> Sequence[Start]:
    """Two batches of what is old, and a model that serves."""
    trained_long_ago(bench, OLD, shared=True)
    trained_long_ago(bench, SERVED, shared=True)
    for number in range(30):
        bench.job(f"score-test-2025-01-01-{number:06}-PLANT1-CIRC1", JobStatus.COMPLETED, Stage.TEST)
    bench.records.save_deployment(serving(CIRC1, Stage.PROD, "2"))
    report = b'{"rows": 7, "before": "2028-08-05"}'
    bench.ml.write_file(Stage.DEV, f"jobs/{LOOK.id}-forecasts/report.json", report)
    return [Start(retention, LOOK.id, replace(LOOK, apply=True))]


def newer_readings(bench: Bench) -> None:
    """Two circuits of develop have newer readings than their cutoff dates."""
    bench.repository.branches["develop"] = bench.edit(
        "config/circuits.yaml", "2025-12-09", "2025-12-01"
    ).commit
    newest = {f"PLANT1/CIRC{number}": "2025-12-09T11:00:00+00:00" for number in (1, 2)}
    bench.records.save_merge(MergeRecord("merge-0-a1", "merge-0", COMMIT, NOON, latest=newest))


def schedule(bench: Bench) -> Sequence[Start]:
    newer_readings(bench)
    due = RefreshRun(Stage.DEV, "2025-12-09T02:00:00+00:00")
    return [Start(scheduled_refresh, "refresh-dev-2025-12-09T0200", due)]


def daily(bench: Bench) -> Sequence[Start]:
    """A day that was missed and the one after it, in a run from before jobs caught up; one circuit has drifted."""
    return missed_days(bench, 0)


def caught_up(bench: Bench) -> Sequence[Start]:
    """Two missed days and the one after them: a job for what it finds, the other circuit by itself."""
    return missed_days(bench, 25)


def missed_days(bench: Bench, circuits_per_job: int) -> Sequence[Start]:
    """Two circuits; the files of the second's training are gone."""
    for key in (CIRC1, CIRC2):
        serves(bench, Stage.PROD, key, "1")
        bench.releases.keep_pin(pin(key))
        bench.ml.write_file(Stage.PROD, pin(key).circuit_config, CONFIG)
    bench.ml.write_file(Stage.DEV, f"jobs/{pin(CIRC1).job}/metrics.json", b"{}")
    bench.has_component(names.CATCH_UP_COMPONENT, pin().scoring_build)
    days = tuple(DAY - timedelta(days=number) for number in range(3 if circuits_per_job else 2))
    run = DailyRun(Stage.PROD, days, TrainingPolicy(), circuits_per_job)
    return [Start(score_days, names.scoring_days(Stage.PROD, DAY), run)]


def drift(bench: Bench) -> Sequence[Start]:
    """An incident that is approved, and readings to move the cutoff date to."""
    newer_readings(bench)
    found = detected(bench, CIRC1)
    return [Start(drift_response, names.drift_response(found.incident), found)]


SCENES: Mapping[str, Scene] = {
    "approval": question(GateName.PROD_DEPLOYMENT),
    "unanswered approval": unanswered(GateName.PROD_DEPLOYMENT),
    "promote environment": Scene(environment),
    "evidence": Scene(evidence),
    "promotion": Scene(promotion),
    "first deployment": Scene(first_deployment),
    "canary": Scene(canary),
    "blue-green": Scene(blue_green),
    "one circuit goes back": Scene(canary, summary=one_bad),
    "the fleet goes back": Scene(bad_fleet, summary=two_bad),
    "held": Scene(canary, summary=few_at_first),
    "live": Scene(live),
    "environment": Scene(move),
    "release journey": Scene(journey),
    "overtaken": Scene(overtaken),
    "training": Scene(training),
    "rollback of a stage": Scene(stage_back),
    "purge": Scene(purge),
    "rollback of a ramp": Scene(ramp_back),
    "drill": Scene(drill),
    "cancel": Scene(cancelled, votes=False, ends=False),
    "scoring": Scene(scoring),
    "merge": Scene(merge, retold=True),
    "schedule": Scene(schedule, retold=True),
    "daily": Scene(daily),
    "catch up": Scene(caught_up),
    "drift": Scene(drift),
    "unanswered drift": Scene(drift, votes=False),
}


@cache
def undisturbed(name: str) -> Played:
    """A scene in which nothing goes wrong."""
    with tempfile.TemporaryDirectory() as folder:
        return play(Path(folder) / "hub.db", SCENES[name])


def points(most: int) -> range:
    """Steps from 1 to `most`: all of them with CRASHES=all, else so few that a test takes a second."""
    return range(1, most + 1, 1 if THOROUGH else max(3, most // (4 if most < 100 else 2)))


def some(*names: str) -> tuple[str, ...]:
    """All scenes with CRASHES=all, else these."""
    return tuple(SCENES) if THOROUGH else names


def all_but(*names: str) -> tuple[str, ...]:
    """All scenes with CRASHES=all, else those that are not named: they take long, and what they show others show."""
    return tuple(name for name in SCENES if THOROUGH or name not in names)
