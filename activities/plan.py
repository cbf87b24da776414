"""What the commit says and what to train."""

from collections.abc import Iterable, Mapping

from activities.room import Wanted, lacking
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain import names
from busbar.domain.changes import Change, ChangeType, compare
from busbar.domain.circuits import CircuitKey, Fleet
from busbar.domain.errors import BadRequest, ConfigurationError, NotFound
from busbar.domain.events import ZERO_COMMIT
from busbar.domain.policies import Policies, Stage
from busbar.domain.steps import FleetRead, PlanRequest, TrainingPlan, TrainingRun
from busbar.domain.training import Decision, PinnedData, Trained, decide, training_hash
from busbar.domain.wording import counted
from busbar.fleet.repository import fleet_at
from busbar.settings import Settings


def read_fleet(request: TrainingRun, *, repository: Repository) -> FleetRead:
    """Read and validate the configuration at the commit; what is wrong comes back as text, nothing is raised."""
    try:
        fleet = fleet_at(repository, request.commit)
    except ConfigurationError as error:
        return FleetRead(Policies(), problems=str(error))
    unknown = [str(key) for key in request.named if fleet.circuit(key) is None]
    if unknown:
        return FleetRead(fleet.policies, problems=f"not in config/circuits.yaml: {', '.join(unknown)}")
    wanted = request.named or (circuit.key for circuit in fleet.circuits)
    return FleetRead(fleet.policies, tuple(dict.fromkeys(wanted)))  # named twice is still one training


def decide_training(
    request: PlanRequest,
    *,
    repository: Repository,
    records: Records,
    ml: MachineLearning,
    settings: Settings,
) -> TrainingPlan:
    """Decide per circuit, from its training hash and what is on record; removed circuits are told, not trained.

    Where dev has no room for their deployments, hours of training would come to nothing: all of it is refused.
    """
    fleet = fleet_at(repository, request.run.commit)
    changes = {change.key: change for change in _changes(request.run, fleet, repository)}
    decisions = tuple(
        _decide(item, fleet, request, changes.get(item.key), records) for item in request.data.pinned
    )
    removed = tuple(key for key, change in changes.items() if change.type is ChangeType.REMOVED)
    told = (_sentence(decisions, removed, len(request.data.problems)), *_served_otherwise(decisions, changes))
    missing = lacking(
        fleet.policies.quotas, Stage.DEV, _deployed(decisions, fleet, records, settings), ml, records
    )
    refusal = f"nothing was trained, since it could not be deployed to dev: {missing}" if missing else ""
    return TrainingPlan(decisions, "; ".join(told), refusal)


def _deployed(decisions: Iterable[Decision], fleet: Fleet, records: Records, settings: Settings) -> Wanted:
    """What dev is to have of the circuits that train, by names of their own; what a retried run deployed is there."""
    there = {record.key: record.training_hash for record in records.deployments(Stage.DEV)}
    serving = {circuit.key: circuit.serving for circuit in fleet.circuits}
    new = [one for one in decisions if one.train and there.get(one.key) != one.training_hash]
    workspace = settings.workspace_id(Stage.DEV)
    return {
        one.key: (
            names.endpoint_for(serving[one.key], one.key, Stage.DEV, workspace),
            f"{one.key}-{one.training_hash}",
        )
        for one in new
    }


def _decide(
    pinned: PinnedData, fleet: Fleet, request: PlanRequest, change: Change | None, records: Records
) -> Decision:
    circuit = fleet.circuit(pinned.key)
    if circuit is None:
        raise NotFound(f"{pinned.key} is not in the fleet at {fleet.commit}")
    record = records.circuit(pinned.key)
    return decide(
        circuit,
        training_hash(circuit, pinned.delta_version, request.assets),
        Trained(record.training_hash, record.verdict) if record else None,
        named_by_hand=pinned.key in request.run.named,
        retried=record is not None and record.run == request.run.id and request.run.attempt > 1,
        change=change.type if change else None,
        detail=change.detail if change else "",
    )


def _changes(run: TrainingRun, fleet: Fleet, repository: Repository) -> tuple[Change, ...]:
    """Compare with the branch's last commit, or for a new branch with where it left the default branch."""
    before = run.before
    if before == ZERO_COMMIT:
        before = repository.merge_base(repository.default_branch(), run.commit) or ZERO_COMMIT
    if before in (ZERO_COMMIT, run.commit):
        return compare(None, fleet)
    try:
        return compare(fleet_at(repository, before), fleet)
    except (ConfigurationError, NotFound, BadRequest):
        return compare(
            None, fleet
        )  # the old commit was unreadable or is gone: the hashes decide all the same


def _served_otherwise(decisions: Iterable[Decision], changes: Mapping[CircuitKey, Change]) -> tuple[str, ...]:
    """What to do where a circuit is to be served otherwise and its model stays: no training brings a release set."""
    kept = [changes[one.key] for one in decisions if not one.train and one.key in changes]
    return tuple(
        f"{change.key} is to be served {change.serving}: `busbar releases compose {change.key}=<version>` does it"
        for change in kept
        if change.serving
    )


def _sentence(decisions: tuple[Decision, ...], removed: tuple[CircuitKey, ...], without_data: int) -> str:
    training = [decision for decision in decisions if decision.train]
    parts = [f"{len(training)} of {counted(len(decisions), 'circuit')} to train"]
    if 0 < len(training) <= 3:
        parts += [decision.reason for decision in training]
    if removed:
        parts.append(f"removed, and no longer trained: {', '.join(map(str, removed))}")
    if without_data:
        parts.append(f"{without_data} without data")
    return "; ".join(parts)
