"""Every activity may be run twice: Durable Functions promises at least once. The second time nothing changes."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from activities import ACTIVITIES
from activities.approvals import (
    ask_approvers,
    close_approval,
    count_votes,
    escalate_approval,
    remind_approvers,
)
from activities.assets import (
    pin_data,
    promote_components,
    register_components,
    register_environment,
    register_merge,
    share_environment,
)
from activities.baking import judge_fleet, judge_step, measure_step, submit_replay
from activities.catching_up import divide_circuits, record_caught_up, submit_catch_up
from activities.environments import (
    compose_update,
    look_at_environment,
    note_environment,
    plan_environment_update,
    read_comparison,
    submit_comparison,
    update_question,
)
from activities.evidence import note_evidence, store_evidence, submit_evidence
from activities.jobs import cancel_job, look_at_job, submit_training
from activities.merges import record_merge, submit_merge
from activities.models import (
    evaluate_gates,
    look_in_registry,
    plan_promotion,
    record_promoted,
    register_model,
    settle_circuit,
    share_model,
)
from activities.monitoring import plan_monitoring, record_judged, submit_monitoring
from activities.monitors import ensure_monitor
from activities.notifications import notify_long_running, notify_release_ended, notify_run_ended
from activities.plan import decide_training, read_fleet
from activities.questions import environment_question, open_question, release_question
from activities.ramping import raise_share, take_back, withdraw_candidate
from activities.records import note_commit, note_run, offer_release
from activities.recovery import close_questions, drop_candidates, settle_cancelled, stop_jobs
from activities.refresh import refresh_cutoffs
from activities.releases import (
    compose_release,
    end_release,
    lacks,
    less_superseded,
    note_visit,
    open_release,
    supersede_older,
)
from activities.responses import (
    announce_drift,
    close_incident,
    drift_question,
    plan_responses,
    tell_owners,
)
from activities.retention import (
    close_retention,
    note_prediction_purge,
    plan_retention,
    purge_batch,
    submit_prediction_purge,
    survey_holdings,
)
from activities.rollback import (
    close_rollback,
    note_releases,
    plan_rollback,
    put_back,
    put_forward,
    remove_withdrawn,
    stand_up,
)
from activities.rollout import plan_deployment
from activities.scoring import list_deployed, record_scored, share_scoring, submit_scoring
from activities.serving import activate_deployment, create_deployment, look_at_deployment
from busbar.domain import names
from busbar.domain.agenda import Action, agenda
from busbar.domain.approval import ApprovalRequest
from busbar.domain.catching_up import Batch
from busbar.domain.environments import EnvironmentStatus
from busbar.domain.events import DriftDetected, JobStatus
from busbar.domain.evidence import EvidenceNote, EvidenceStatus
from busbar.domain.merges import MergeRecord
from busbar.domain.policies import GateName, Policies, Stage, TrainingPolicy
from busbar.domain.ramp import Measured, Step
from busbar.domain.records import Candidate, DeploymentRecord, RunStatus
from busbar.domain.release_record import Origin, Place, ReleaseStatus
from busbar.domain.retention import PLACES, Kind
from busbar.domain.rollback import Scope, plan
from busbar.domain.steps import (
    Bake,
    Cancellation,
    CatchUp,
    CircuitDeployment,
    CircuitMove,
    CircuitOutcome,
    CircuitScoring,
    CommitNote,
    ComponentsRequest,
    DataPinned,
    DataRequest,
    DeploymentState,
    DriftResponding,
    EnvironmentLook,
    EnvironmentNote,
    EnvironmentPromotion,
    EnvironmentRegistration,
    EnvironmentRun,
    EnvironmentUpdate,
    EvaluationRequest,
    EvidenceRequest,
    EvidenceResult,
    FleetCheck,
    Halted,
    IncidentEnd,
    JobRef,
    JobState,
    Journey,
    JourneyEnd,
    Judging,
    LongRunning,
    MergeResult,
    MergeRun,
    ModelPromotion,
    ModelRequest,
    MonitoringChunk,
    MonitoringPlan,
    MonitoringResult,
    MonitoringRun,
    PartScoring,
    PlanRequest,
    PredictionPurge,
    Promotion,
    PurgeBatch,
    Question,
    RefreshRun,
    Release,
    ReleaseEnd,
    ReleaseQuestion,
    ReleaseRequest,
    Reminder,
    Replay,
    RetentionRun,
    RollbackReport,
    RollbackRun,
    RunNote,
    ScoredChunk,
    ScoredPart,
    ScoringChunk,
    ScoringResult,
    Settlement,
    Share,
    StageDeployment,
    StageQuestion,
    StageUpdate,
    Survey,
    TakeBack,
    TrainingRequest,
    Trial,
    TrialBatch,
    TriedBatch,
    Visit,
    Visited,
)
from busbar.domain.training import Verdict
from tests.activities.bench import (
    ASSETS,
    CIRC1,
    CIRC2,
    COMMIT,
    ENVIRONMENT,
    PASSED,
    RUN,
    Bench,
    pin,
    serving,
    training,
)
from tests.activities.killing import killed_at_every_call
from tests.domain.drifts import finding, report
from tests.fakes import NOON

JOB = JobRef(Stage.DEV, pin().job)
REGISTERED = EnvironmentRegistration(ENVIRONMENT, "1.1.0")
DEPLOYMENT = CircuitDeployment(Stage.DEV, pin(), Policies())
KEEPING = RetentionRun("retention-1", "operator", "2030-01-01T00:00:00+00:00", commit=COMMIT)
PURGE = replace(KEEPING, id="purge-retention-1", apply=True, shown=KEEPING.id)
ROLLBACK = RollbackRun("rollback-1", Scope.parse(Stage.DEV, "PLANT1"), "operator", "it drifts", NOON)
SCORING = CircuitScoring(Stage.DEV, CIRC1, date(2025, 12, 9), TrainingPolicy(), "score-1")
REPLAYED = "deploy-1--bake50-a1-candidate"
SUMMARY = {
    "rows": 24,
    "failed_rows": 0,
    "windows": {"available": 24, "scored": 24},
    "latency_ms": {"p95": 1.0},
    "error": {"mse": 0.3, "seasonal_naive_mse": 0.5, "windows": 24},
}
METRICS = {
    "metrics": {"mae": 1.0, "rmse": 2.0, "accuracy": 0.9},
    "standardised": {"mse": 0.3},
    "baselines": {"seasonal_naive": {"mse": 0.5}},
    "skill": {"seasonal_naive": 0.4},
}


def prepared(bench: Bench) -> Bench:
    """A circuit on its way: data merged, its job done, its model registered."""
    bench.merged()
    bench.blobs.write("raw", "PLANT1/a.csv", b"time\n")
    newest = {str(CIRC1): "2025-12-09T11:00:00+00:00"}
    bench.records.save_merge(MergeRecord("merge-0-a1", "merge-0", COMMIT, NOON, latest=newest))
    bench.run(submit_training, TrainingRequest(training(), 1, "o"))
    bench.ml.ended(Stage.DEV, JOB.name)
    bench.ml.write_file(Stage.DEV, f"jobs/{JOB.name}/metrics.json", json.dumps(METRICS).encode())
    bench.ml.write_file(Stage.DEV, "jobs/evidence-r-1/evidence.html", b"<html>")
    for job in ("score-1", REPLAYED):
        bench.ml.write_file(Stage.DEV, f"jobs/{job}/summary.json", json.dumps(SUMMARY).encode())
    bench.run(register_model, ModelRequest(training(), JOB, PASSED))
    return bench


LOOK = MonitoringRun("look", Stage.DEV, date(2025, 12, 9))


CATCHING_UP = CatchUp("late", Stage.DEV, (date(2025, 12, 8),), TrainingPolicy(), 25)


def catching_up(bench: Bench) -> ScoringChunk:
    """A circuit that can be scored together with others."""
    deployed(bench)
    bench.releases.keep_pin(pin())
    bench.has_component("score_circuits", pin().scoring_build)
    return ScoringChunk(CATCHING_UP, "late-1", Batch(pin().scoring_build, (CIRC1,)))


def caught_up(bench: Bench) -> ScoringChunk:
    place = {"plant_id": "PLANT1", "circuit_id": "CIRC1", "score_date": "2025-12-08"}
    summaries = json.dumps([place | {"problem": None, "rows": 24}]).encode()
    bench.ml.write_file(Stage.DEV, "jobs/late-1/summaries.json", summaries)
    return catching_up(bench)


def looked(bench: Bench) -> MonitoringChunk:
    """A circuit that has drifted by the report of the job that looked at it."""
    reports = [report(finding("data drift"))]
    bench.ml.write_file(Stage.DEV, "jobs/look-1/reports.json", json.dumps(reports).encode())
    bench.ml.write_file(Stage.DEV, "jobs/look-1/plots/PLANT1-CIRC1.svg", b"<svg/>")
    return MonitoringChunk(LOOK, "look-1", COMMIT, bench.policies(), (CIRC1,))


def drifting(bench: Bench) -> DriftResponding:
    bench.run(record_judged, MonitoringResult(looked(bench), JobState("look-1", JobStatus.COMPLETED)))
    return DriftResponding(LOOK, MonitoringPlan(COMMIT, bench.policies(), ((CIRC1,),)))


def planned(bench: Bench) -> DriftResponding:
    responding = drifting(bench)
    bench.run(plan_responses, responding)
    return responding


def detected(bench: Bench) -> DriftDetected:
    planned(bench)
    (incident,) = bench.drifts.incidents()
    return DriftDetected(incident.id, incident.stage, incident.sentence)


def deployed(bench: Bench) -> Bench:
    bench.run(create_deployment, DEPLOYMENT)
    bench.run(activate_deployment, DEPLOYMENT)
    return bench


def ramping(bench: Bench) -> CircuitDeployment:
    """A candidate beside what serves."""
    deployed(bench)
    request = CircuitDeployment(Stage.DEV, pin(version="2"), Policies())
    bench.run(create_deployment, request)
    return request


def replayed(bench: Bench) -> Replay:
    return Replay(ramping(bench), deployed_by(bench).active, Step(50), 1, date(2025, 12, 9), "deploy-1")


def deployed_by(bench: Bench) -> DeploymentRecord:
    record = bench.records.deployment(Stage.DEV, CIRC1)
    assert record
    return record


def baked(bench: Bench) -> Bake:
    return Bake(replayed(bench), (JobState(REPLAYED, JobStatus.COMPLETED),), Measured(), 0.0)


def judging(bench: Bench) -> Judging:
    request = baked(bench)
    return Judging(request, bench.run(measure_step, request))


def part(bench: Bench) -> PartScoring:
    (only,) = bench.run(share_scoring, deployed(bench) and SCORING)
    return PartScoring(SCORING, only)


def scored(bench: Bench) -> ScoringResult:
    """A candidate's part, too, so that all that is written is."""
    ramping(bench)
    bench.run(raise_share, Share(ramping(bench), 50, ""))
    parts = bench.run(share_scoring, SCORING)
    return ScoringResult(
        SCORING, tuple(ScoredPart(one, JobState("score-1", JobStatus.COMPLETED)) for one in parts)
    )


def active(bench: Bench) -> CircuitDeployment:
    request = ramping(bench)
    bench.run(activate_deployment, request)
    return request


def third(bench: Bench) -> CircuitDeployment:
    """A deployment that takes over from a second."""
    requests = [CircuitDeployment(Stage.DEV, pin(version=version), Policies()) for version in ("1", "2", "3")]
    for request in requests[:2]:
        bench.run(create_deployment, request)
        bench.run(activate_deployment, request)
    bench.run(create_deployment, requests[2])
    return requests[2]


def making_room(bench: Bench) -> CircuitDeployment:
    """A deployment whose creation deletes the first, and another release's candidate."""
    ramped = [CircuitDeployment(Stage.DEV, pin(version=version), Policies()) for version in "1234"]
    for request in ramped[:2]:
        bench.run(create_deployment, request)
        bench.run(activate_deployment, request)
    bench.run(create_deployment, ramped[2])
    return ramped[3]


def promotion(bench: Bench) -> ModelPromotion:
    return bench.run(plan_promotion, bench.release(pin()))[0]


def question(bench: Bench) -> ApprovalRequest:
    return bench.run(release_question, ReleaseQuestion(bench.release(pin()), GateName.TEST_DEPLOYMENT))


def asked(bench: Bench) -> ApprovalRequest:
    request = question(bench)
    bench.run(ask_approvers, request)
    return request


def due(bench: Bench, action: Action) -> Reminder:
    """The first of an action that a request for prod will need."""
    release = ReleaseQuestion(bench.release(pin()), GateName.PROD_DEPLOYMENT)
    request: ApprovalRequest = bench.run(release_question, release)
    bench.run(ask_approvers, request)
    return Reminder(request, next(one for one in agenda(request) if one.action is action))


def ended(bench: Bench) -> RunNote:
    note = RunNote(RUN, RunStatus.FAILED, "the run broke off")
    bench.run(note_run, note)
    return note


def aged(bench: Bench) -> RefreshRun:
    """Develop's first cutoff date is much older than the newest readings."""
    run = bench.edit("config/circuits.yaml", "2025-12-09 ", "2025-09-01 ")
    bench.repository.branches["develop"] = run.commit
    return RefreshRun()


def pinned(bench: Bench) -> DataPinned:
    return bench.run(pin_data, DataRequest(RUN, (CIRC1,)))


def outcomes(bench: Bench) -> ReleaseRequest:
    return ReleaseRequest(RUN, ASSETS, (CircuitOutcome(CIRC1, Verdict.TRAINED, "", pin()),))


def rolled(bench: Bench, *, gone: bool = False) -> CircuitMove:
    """The third version serves dev, the second did; perhaps its deployment is gone."""
    bench.run(activate_deployment, third(bench))
    step = plan(ROLLBACK.scope, bench.records.deployments()).returns[0]
    if gone:
        record = bench.records.deployment(Stage.DEV, CIRC1)
        assert record
        bench.ml.delete_deployment(Stage.DEV, record.endpoint, step.serves)
    return CircuitMove(ROLLBACK, step)


def back(bench: Bench) -> CircuitMove:
    move = rolled(bench)
    bench.run(put_back, move)
    return move


def indexed(bench: Bench) -> Release:
    """A release set that is on its way."""
    release = bench.release(pin())
    bench.run(open_release, Journey(release, Origin.TRAINING))
    return release


def overtaken(bench: Bench) -> Release:
    """A newer release set than one that waits at a gate with the same circuit."""
    older = indexed(bench)
    question = ReleaseQuestion(older, GateName.PROD_DEPLOYMENT)
    bench.run(ask_approvers, bench.run(release_question, question))
    newer = bench.release(pin(version="2"))
    bench.run(open_release, Journey(newer, Origin.HAND))
    return newer


def released(bench: Bench) -> RollbackReport:
    """A circuit of an approved release set went back in prod."""
    question = asked(bench)
    release = question.release_id or ""
    bench.run(open_release, Journey(bench.release(pin()), Origin.TRAINING))
    scope = Scope.parse(Stage.PROD, release)
    run = replace(ROLLBACK, scope=scope)
    before = serving(stage=Stage.PROD)
    after = before.serving(replace(before.active, deployment="circ1-v2", release_id=release), NOON)
    bench.records.save_deployment(after)
    [step] = plan(scope, [after]).returns
    bench.run(put_back, CircuitMove(run, step))
    return RollbackReport(run, 1, ended=True)


def cancelled(bench: Bench) -> Cancellation:
    """A run that trains a circuit, asks about its release and ramps another circuit up, until somebody ends it."""
    running = bench.run(submit_training, TrainingRequest(training(), 2, "o"))
    bench.run(note_run, RunNote(RUN, RunStatus.RUNNING, "training"))
    question = asked(bench)
    ramping_in_prod(bench)
    halted = (
        Halted(names.release_run(question.release_id or ""), "release_journey"),
        Halted(RUN.id, "training_pipeline"),
        Halted(names.training_circuit(RUN.id, CIRC1), "train_circuit", (running,)),
        Halted(question.id, "approval"),
        Halted(f"deploy-prod-{question.release_id}-PLANT1-CIRC2", "deploy_circuit"),
    )
    return Cancellation(RUN.id, "operator", "wrong data", NOON, halted)


def ramping_in_prod(bench: Bench) -> None:
    """Version 2 ramps up in prod beside version 1."""
    before = serving(CIRC2, Stage.PROD)
    candidate = Candidate(
        **vars(replace(before.active, deployment="circ2-v2", release_id=bench.release(pin()).id))
    )
    bench.records.save_deployment(replace(before, candidate=candidate))
    bench.ml.deployments[Stage.PROD, before.endpoint, "circ2-v2"] = DeploymentState(ready=True)


MOVED = EnvironmentRun("environment-1", COMMIT, "somebody")
MOVING = EnvironmentUpdate(MOVED, EnvironmentRegistration(ENVIRONMENT, "1.1.0"), Bench().policies())
TRIALS = TrialBatch(MOVING, "1.0.0", (Trial(CIRC1, "1", "1.0.0", "job", "c.yaml"),), 1, "trial-1")


def served_in_test(bench: Bench) -> StageUpdate:
    """A circuit that test serves in an older environment."""
    old = replace(pin(), environment=f"{ENVIRONMENT}:1.0.0")
    record = replace(serving(CIRC1, Stage.TEST), release_id=bench.release(old).id)
    bench.records.save_deployment(replace(record, scoring_version=old.scoring_build))
    return StageUpdate(MOVING, Stage.TEST)


# activity → its request, in a world that is prepared for it
def surveyed(bench: Bench, run: RetentionRun) -> RetentionRun:
    for kind, place in PLACES:
        bench.run(survey_holdings, Survey(run, kind, place))
    return run


def shown(bench: Bench) -> RetentionRun:
    """What was shown is to be purged: all that is there, for nothing refers to it."""
    for key in (CIRC1, CIRC2):
        bench.ml.create_model(f"PLANT9_{key.circuit_id}_model", "1", "train", {})
        bench.releases.keep_pin(replace(pin(), model_name=f"PLANT9_{key.circuit_id}_model"))
    bench.job("score-test-2025-01-01-PLANT1-CIRC1", JobStatus.COMPLETED, Stage.TEST)
    bench.run(plan_retention, surveyed(bench, KEEPING))
    bench.run(plan_retention, surveyed(bench, PURGE))
    return PURGE


def purged(bench: Bench) -> RetentionRun:
    bench.run(purge_batch, PurgeBatch(shown(bench), 0))
    bench.run(note_prediction_purge, PredictionPurge(PURGE, problem="the cluster is gone"))
    return PURGE


CASES: dict[Callable[..., Any], Callable[[Bench], Any]] = {
    read_fleet: lambda bench: RUN,
    register_environment: lambda bench: RUN,
    share_environment: lambda bench: EnvironmentPromotion(RUN, REGISTERED, Policies()),
    register_components: lambda bench: ComponentsRequest(RUN, REGISTERED),
    promote_components: lambda bench: bench.release(pin()),
    register_merge: lambda bench: RUN,
    pin_data: lambda bench: DataRequest(RUN, (CIRC1,)),
    decide_training: lambda bench: PlanRequest(RUN, ASSETS, pinned(bench)),
    submit_merge: lambda bench: MergeRun("merge-1", COMMIT),
    record_merge: lambda bench: MergeResult(
        MergeRun("merge-1", COMMIT), JobState("merge-1-a1", JobStatus.FAILED, "no")
    ),
    refresh_cutoffs: lambda bench: aged(bench),
    submit_training: lambda bench: TrainingRequest(training(), 2, "o"),
    look_at_job: lambda bench: JOB,
    cancel_job: lambda bench: bench.run(submit_training, TrainingRequest(training(), 2, "o")),
    notify_long_running: lambda bench: LongRunning(JOB, COMMIT, CIRC1, 4.0),
    evaluate_gates: lambda bench: EvaluationRequest(training(), JOB),
    register_model: lambda bench: ModelRequest(training(), JobRef(Stage.DEV, "another-job"), PASSED),
    settle_circuit: lambda bench: Settlement(training(), Verdict.TRAINED, "passed", JOB.name, PASSED, "1"),
    share_model: promotion,
    plan_promotion: lambda bench: bench.release(pin()),
    look_in_registry: promotion,
    record_promoted: promotion,
    plan_deployment: lambda bench: StageDeployment(Stage.TEST, bench.release(pin())),
    create_deployment: making_room,
    look_at_deployment: lambda bench: DEPLOYMENT,
    activate_deployment: third,
    ensure_monitor: lambda bench: deployed(bench) and DEPLOYMENT,
    plan_rollback: lambda bench: rolled(bench).run,
    stand_up: lambda bench: rolled(bench, gone=True),
    put_back: rolled,
    put_forward: lambda bench: replace(back(bench), forward=True),
    remove_withdrawn: back,
    note_releases: released,
    close_rollback: lambda bench: RollbackReport(rolled(bench).run, 1, ended=True),
    survey_holdings: lambda bench: Survey(KEEPING, Kind.MODEL, Stage.DEV),
    plan_retention: lambda bench: surveyed(bench, KEEPING),
    purge_batch: lambda bench: shown(bench) and PurgeBatch(PURGE, 0),
    submit_prediction_purge: lambda bench: PURGE,
    note_prediction_purge: lambda bench: PredictionPurge(PURGE, problem="the cluster is gone"),
    close_retention: lambda bench: purged(bench),
    settle_cancelled: cancelled,
    close_questions: cancelled,
    stop_jobs: cancelled,
    drop_candidates: cancelled,
    list_deployed: lambda bench: deployed(bench) and Stage.DEV,
    raise_share: lambda bench: Share(ramping(bench), 50, "50 %"),
    submit_replay: replayed,
    measure_step: baked,
    judge_step: judging,
    withdraw_candidate: ramping,
    take_back: lambda bench: TakeBack(active(bench), "3 of 4 went back"),
    judge_fleet: lambda bench: FleetCheck(Stage.DEV, "r-1", Policies(), 1, 10, 4),
    share_scoring: lambda bench: deployed(bench) and SCORING,
    submit_scoring: part,
    record_scored: scored,
    divide_circuits: lambda bench: deployed(bench) and CATCHING_UP,
    submit_catch_up: catching_up,
    record_caught_up: lambda bench: ScoredChunk(caught_up(bench), JobState("late-1", JobStatus.COMPLETED)),
    plan_monitoring: lambda bench: deployed(bench) and LOOK,
    submit_monitoring: lambda bench: deployed(bench) and looked(bench),
    record_judged: lambda bench: MonitoringResult(looked(bench), JobState("look-1", JobStatus.COMPLETED)),
    plan_responses: drifting,
    tell_owners: lambda bench: planned(bench),
    announce_drift: lambda bench: planned(bench).run.stage,
    drift_question: lambda bench: detected(bench),
    close_incident: lambda bench: IncidentEnd(detected(bench).incident, "approved by ml-lead", commit=COMMIT),
    environment_question: lambda bench: EnvironmentPromotion(RUN, REGISTERED, bench.policies()),
    release_question: lambda bench: ReleaseQuestion(bench.release(pin()), GateName.PROD_DEPLOYMENT),
    open_question: lambda bench: Question(
        GateName.DRIFT_RETRAIN, "PLANT1", "s", "t", "digest", "timer", COMMIT, bench.policies()
    ),
    ask_approvers: question,
    count_votes: asked,
    remind_approvers: lambda bench: due(bench, Action.REMIND),
    escalate_approval: lambda bench: due(bench, Action.ESCALATE),
    close_approval: asked,
    compose_release: outcomes,
    open_release: lambda bench: Journey(bench.release(pin()), Origin.TRAINING),
    supersede_older: overtaken,
    less_superseded: overtaken,
    lacks: lambda bench: Visit(Place.TEST, bench.release(pin())),
    note_visit: lambda bench: Visited(Visit(Place.TEST, indexed(bench)), Promotion(False, "held back")),
    end_release: lambda bench: ReleaseEnd(indexed(bench), JourneyEnd(ReleaseStatus.REJECTED, "no")),
    offer_release: lambda bench: StageDeployment(Stage.TEST, bench.release(pin())),
    submit_evidence: lambda bench: EvidenceRequest(bench.release(pin()), "evidence-r"),
    store_evidence: lambda bench: EvidenceResult("r-1", JobState("evidence-r-1", JobStatus.COMPLETED)),
    note_evidence: lambda bench: EvidenceNote("r-1", EvidenceStatus.MISSING, "no reason"),
    look_at_environment: lambda bench: EnvironmentLook(RUN, REGISTERED),
    plan_environment_update: lambda bench: MOVING,
    submit_comparison: lambda bench: TRIALS,
    read_comparison: lambda bench: TriedBatch(TRIALS, JobState("trial", JobStatus.FAILED, "no memory")),
    compose_update: served_in_test,
    update_question: lambda bench: StageQuestion(MOVING, Stage.TEST, bench.release(pin()), "all compatible"),
    note_environment: lambda bench: EnvironmentNote(MOVING, EnvironmentStatus.FAILED, "no"),
    note_run: lambda bench: RunNote(RUN, RunStatus.RUNNING, "reading"),
    notify_run_ended: ended,
    notify_release_ended: indexed,
    note_commit: lambda bench: CommitNote(COMMIT, "success", "done", RUN.id),
}
# What this answers the second time is that it is done already.
ANSWERS_OTHERWISE = {register_environment, refresh_cutoffs}


def test_no_activity_is_left_out():
    assert set(CASES) == set(ACTIVITIES)


@pytest.mark.parametrize("activity", ACTIVITIES, ids=lambda activity: activity.__name__)
def test_a_second_run_changes_nothing_and_answers_the_same(bench: Bench, activity: Callable[..., Any]):
    request = CASES[activity](prepared(bench))
    first = bench.run(activity, request)
    before = bench.snapshot()
    second = bench.run(activity, request)
    assert bench.snapshot() == before
    assert second == first or activity in ANSWERS_OTHERWISE


EFFECTS = [activity for activity in ACTIVITIES if activity not in (
    look_at_environment, plan_environment_update, read_comparison, update_question,
    read_fleet, decide_training, look_at_job, evaluate_gates, look_in_registry, plan_promotion, plan_deployment,
    look_at_deployment, list_deployed, environment_question, release_question, open_question, count_votes,
    less_superseded, lacks, plan_monitoring, divide_circuits,
    look_at_deployment, list_deployed, share_scoring, measure_step, environment_question, release_question, count_votes,
)]  # fmt: skip


@pytest.mark.parametrize("activity", ACTIVITIES, ids=lambda activity: activity.__name__)
def test_an_activity_has_an_effect_or_none_as_its_name_says(bench: Bench, activity: Callable[..., Any]):
    """So that the test above cannot pass for want of anything done."""
    request = CASES[activity](prepared(bench))
    before = bench.snapshot()
    bench.run(activity, request)
    assert (bench.snapshot() != before) == (activity in EFFECTS)


@pytest.mark.parametrize("activity", EFFECTS, ids=lambda activity: activity.__name__)
def test_killed_anywhere_and_run_again_ends_as_if_never_killed(bench: Bench, activity: Callable[..., Any]):
    smooth = prepared(Bench())
    request = CASES[activity](smooth)
    smooth.run(activity, request)
    assert CASES[activity](prepared(bench)) == request
    assert list(killed_at_every_call(bench, activity, request))
    assert bench.snapshot() == smooth.snapshot()
