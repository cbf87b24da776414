"""What a release set changes in the configuration of its circuits, against what serves them."""

from collections.abc import Iterable, Mapping

from activities.records import stored_release
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain.approval import ApprovalRequest
from busbar.domain.changes import Change, ConfigChange, compare
from busbar.domain.circuits import CircuitKey, Fleet
from busbar.domain.errors import ConfigurationError, NotFound
from busbar.domain.policies import GateName, Stage, gate_stage
from busbar.domain.records import DeploymentRecord
from busbar.fleet.repository import fleet_at


def config_changes(
    request: ApprovalRequest, release_id: str, records: Records, repository: Repository
) -> tuple[ConfigChange, ...]:
    """For each circuit in question what its configuration says at the release's commit and not at the champion's.

    The champion is what the gate's stage serves; before the registry what prod serves, or else test.
    """
    release = stored_release(release_id, records).without(request.excluded)
    serving = _serving(request.gate, records.deployments())
    commits = _commits(serving.values(), records)
    candidate = fleet_at(repository, release.commit)
    compared = {commit: _compared(commit, candidate, repository) for commit in set(commits.values())}
    return tuple(_change(pin.key, serving.get(pin.key), commits, compared) for pin in release.pins)


def _serving(gate: GateName, records: Iterable[DeploymentRecord]) -> dict[CircuitKey, DeploymentRecord]:
    stage = gate_stage(gate)
    wanted = (stage,) if stage else (Stage.TEST, Stage.PROD)
    held = tuple(records)
    return {record.key: record for looked in wanted for record in held if record.stage is looked}


def _commits(serving: Iterable[DeploymentRecord], records: Records) -> dict[str, str]:
    """The commit of each release set that something serves."""
    found = {one.release_id: records.release(one.release_id) for one in serving if one.release_id}
    return {release_id: release.commit for release_id, release in found.items() if release}


def _compared(commit: str, candidate: Fleet, repository: Repository) -> Mapping[CircuitKey, Change] | str:
    """What differs by circuit, or why the configuration at the commit cannot be read."""
    try:
        return {change.key: change for change in compare(fleet_at(repository, commit), candidate)}
    except (ConfigurationError, NotFound) as problem:
        return str(problem).splitlines()[0]


def _change(
    key: CircuitKey,
    serving: DeploymentRecord | None,
    commits: Mapping[str, str],
    compared: Mapping[str, Mapping[CircuitKey, Change] | str],
) -> ConfigChange:
    if serving is None:
        return ConfigChange(key, "", "nothing serves this circuit yet")
    serves = f"v{serving.model_version} in {serving.stage}"
    commit = commits.get(serving.release_id or "")
    if commit is None:
        return ConfigChange(key, serves, "its commit is not on record")
    serves, found = f"{serves}, of commit {commit[:8]}", compared[commit]
    if isinstance(found, str):
        return ConfigChange(key, serves, f"config/ at that commit cannot be read: {found}")
    change = found.get(key)
    return ConfigChange(key, serves, change.detail if change else "unchanged", change is not None)
