"""A training run: the eight stages from a commit to models in the registry, and on to test and prod."""

from itertools import batched

from activities.assets import pin_data, register_components, register_environment
from activities.environments import look_at_environment
from activities.notifications import notify_run_ended
from activities.plan import decide_training, read_fleet
from activities.records import note_commit, note_run
from activities.releases import compose_release, end_release
from busbar.domain import names
from busbar.domain.environments import Change, EnvironmentStatus
from busbar.domain.policies import Policies
from busbar.domain.records import RunStatus
from busbar.domain.release_record import Origin, ReleaseStatus
from busbar.domain.steps import (
    CircuitBatch,
    CircuitOutcome,
    CircuitTraining,
    CommitNote,
    CommitState,
    ComponentsRequest,
    DataPinned,
    DataRequest,
    EnvironmentLook,
    EnvironmentPromotion,
    EnvironmentRun,
    Journey,
    JourneyEnd,
    PlanRequest,
    Release,
    ReleaseEnd,
    ReleaseRequest,
    RunNote,
    TrainingPlan,
    TrainingRun,
)
from busbar.domain.training import Assets, Verdict
from busbar.domain.wording import counted
from busbar.wire import Context, StepFailed, Steps, call, child, children, join, start
from orchestrators.environment_release import environment_release
from orchestrators.promote_models import promote_environment
from orchestrators.release_journey import release_journey
from orchestrators.train_circuit import train_circuit

ENDS = {
    ReleaseStatus.RELEASED: RunStatus.COMPLETED,
    ReleaseStatus.REJECTED: RunStatus.REJECTED,
    ReleaseStatus.SUPERSEDED: RunStatus.SUPERSEDED,
    ReleaseStatus.FAILED: RunStatus.FAILED,
}
"""How a run ends by how its release set's journey did."""
MOVED = {EnvironmentStatus.REJECTED: RunStatus.REJECTED, EnvironmentStatus.FAILED: RunStatus.FAILED}
"""How a run ends that only moved the environment; otherwise it is completed."""
CHUNK = 25  # children per parent: keeps every history short, so that a replay stays cheap


def training_pipeline(ctx: Context, request: TrainingRun) -> Steps[str]:
    """Train what the commit changed; then offer the release set to the registry, to test and to prod."""
    try:
        return (yield from _stages(ctx, request))
    except StepFailed as failure:
        return (yield from _refuse(ctx, request, f"the run broke off: {failure}"))


def _stages(ctx: Context, run: TrainingRun) -> Steps[str]:
    """The eight stages; the numbers are the specification's."""
    yield from _note(ctx, run, RunStatus.RUNNING, "reading the fleet")
    fleet = yield from call(ctx, read_fleet, run)
    if fleet.problems:
        return (yield from _refuse(ctx, run, fleet.problems))

    environment = yield from call(ctx, register_environment, run)  # 1
    if environment.problem:
        return (yield from _refuse(ctx, run, environment.problem))
    moved = yield from call(ctx, look_at_environment, EnvironmentLook(run, environment))

    registered = yield from call(ctx, register_components, ComponentsRequest(run, environment))  # 3
    if registered.assets is None:
        return (yield from _refuse(ctx, run, registered.problem))

    data = yield from call(ctx, pin_data, DataRequest(run, fleet.circuits))  # 4
    plan = yield from call(ctx, decide_training, PlanRequest(run, registered.assets, data))
    if plan.refusal:
        return (yield from _refuse(ctx, run, plan.refusal))
    said = "; ".join(filter(None, [plan.sentence, moved.sentence]))
    yield from _note(ctx, run, RunStatus.RUNNING, said)
    yield from _status(ctx, run, "pending", said)
    if not plan.training and moved.change is Change.NON_BREAKING:
        return (yield from _move(ctx, run, environment.version, said))

    promotion = EnvironmentPromotion(run, environment, fleet.policies)
    promoting = start(ctx, promote_environment, promotion, f"{run.id}-environment")  # 2, beside the training
    outcomes = yield from _train(ctx, run, plan, data, registered.assets, fleet.policies)  # 5, 6, 7
    trained = _sentence(plan, outcomes)
    if not any(outcome.pin for outcome in outcomes):
        return (yield from _finish(ctx, run, trained, failed=bool(outcomes)))
    release = yield from call(ctx, compose_release, ReleaseRequest(run, registered.assets, tuple(outcomes)))
    yield from _status(ctx, run, "success", trained)
    yield from _note(ctx, run, RunStatus.WAITING, f"{trained}; {release.id} waits for approval", release.id)

    promoted = yield from join(promote_environment, promoting)
    if not promoted.done:
        end = ReleaseEnd(release, JourneyEnd(ReleaseStatus.FAILED, promoted.sentence))
        yield from call(ctx, end_release, end)
        return (yield from _finish(ctx, run, promoted.sentence, failed=True))
    return (yield from _offer(ctx, run, release, trained))  # 8


def train_circuits(ctx: Context, request: CircuitBatch) -> Steps[list[CircuitOutcome]]:
    """Train a chunk of circuits, a child each; one that breaks is quarantined and the rest go on."""
    tasks = [(names.training_circuit(task.run.id, task.key), task) for task in request.circuits]
    results = yield from children(ctx, train_circuit, tasks, request.at_once)
    return [
        CircuitOutcome(task.key, Verdict.QUARANTINED, str(result))
        if isinstance(result, StepFailed)
        else result
        for (_, task), result in zip(tasks, results, strict=True)
    ]


def _train(
    ctx: Context,
    run: TrainingRun,
    plan: TrainingPlan,
    data: DataPinned,
    assets: Assets,
    policies: Policies,
) -> Steps[list[CircuitOutcome]]:
    pinned = {item.key: item for item in data.pinned}
    tasks = [CircuitTraining(run, item, pinned[item.key], assets, policies) for item in plan.training]
    outcomes = [CircuitOutcome(key, Verdict.QUARANTINED, problem) for key, problem in data.problems]
    for number, chunk in enumerate(batched(tasks, CHUNK)):
        batch = CircuitBatch(chunk, policies.training.max_parallel)
        outcomes += yield from child(ctx, train_circuits, batch, f"{run.id}-batch-{number}")
    return outcomes


def _offer(ctx: Context, run: TrainingRun, release: Release, trained: str) -> Steps[str]:
    """Stage 8, then test, then prod."""
    journey = Journey(release, Origin.TRAINING, run, trained)
    end = yield from child(ctx, release_journey, journey, names.release_run(release.id))
    if end.status is ReleaseStatus.FAILED:
        yield from _status(ctx, run, "failure", end.sentence)
    yield from _note(ctx, run, ENDS[end.status], end.sentence, release.id)
    return end.sentence


def _move(ctx: Context, run: TrainingRun, version: str, said: str) -> Steps[str]:
    """Nothing trains and the environment is a non-breaking one: offer it to what is deployed."""
    request = EnvironmentRun(
        names.environment_run(version, run.commit), run.commit, run.requester, run.branch
    )
    waits = "deployed models are tried in it, then people are asked"
    yield from _note(ctx, run, RunStatus.WAITING, f"{said}; {waits}: /environments/{version}")
    end = yield from child(ctx, environment_release, request, request.id)
    status, said = MOVED.get(end.status, RunStatus.COMPLETED), f"{said}; {end.sentence}"
    yield from _status(ctx, run, "failure" if status is RunStatus.FAILED else "success", said)
    yield from _note(ctx, run, status, said)
    return said


def _sentence(plan: TrainingPlan, outcomes: list[CircuitOutcome]) -> str:
    if not outcomes:
        return plan.sentence
    counts = {verdict: sum(outcome.verdict is verdict for outcome in outcomes) for verdict in Verdict}
    parts = [f"{count} {verdict}" for verdict, count in counts.items() if count]
    return f"{counted(len(outcomes), 'circuit')}: {', '.join(parts)}"


def _refuse(ctx: Context, run: TrainingRun, problem: str) -> Steps[str]:
    yield from _note(ctx, run, RunStatus.FAILED, problem)
    yield from _status(ctx, run, "failure", problem)
    return problem


def _finish(ctx: Context, run: TrainingRun, sentence: str, *, failed: bool) -> Steps[str]:
    yield from _status(ctx, run, "failure" if failed else "success", sentence)
    yield from _note(ctx, run, RunStatus.FAILED if failed else RunStatus.COMPLETED, sentence)
    return sentence


def _status(ctx: Context, run: TrainingRun, state: CommitState, text: str) -> Steps[None]:
    """Tell the git host; a host that refuses stops no training: the instance's own status then says so."""
    try:
        yield from call(ctx, note_commit, CommitNote(run.commit, state, text, run.id))
    except StepFailed as failure:
        ctx.set_custom_status(f"{text} (the git host took no status: {failure})")


def _note(
    ctx: Context, run: TrainingRun, status: RunStatus, sentence: str, release_id: str | None = None
) -> Steps[None]:
    ctx.set_custom_status(sentence)
    note = RunNote(run, status, sentence, release_id)
    yield from call(ctx, note_run, note)
    if status.ended:
        yield from _tell_requester(ctx, note)


def _tell_requester(ctx: Context, note: RunNote) -> Steps[None]:
    """One mail at the end; what was done stays done though no mail can be sent."""
    try:
        yield from call(ctx, notify_run_ended, note)
    except StepFailed as failure:
        ctx.set_custom_status(f"{note.sentence} (the requester was not told: {failure})")
