"""What is on record that refers to models, data and jobs, as it stands now."""

from busbar.clients.approvals import Approvals
from busbar.clients.records import Records
from busbar.clients.releases import Releases
from busbar.clients.repositories import Repository
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import ConfigurationError, NotFound
from busbar.domain.policies import Stage
from busbar.domain.records import RunRecord
from busbar.domain.references import References, Training, stage_sets
from busbar.domain.release import ReleaseSet
from busbar.fleet.repository import fleet_at

_RECENT = 200  # release sets, newest first, among which a stage's last two are looked for


def references(
    records: Records, releases: Releases, approvals: Approvals, repository: Repository
) -> References:
    """Read anew each time: what was free a moment ago may be needed now."""
    merges = records.merges()
    return References(
        deployments=tuple(records.deployments()),
        circuits=tuple(records.circuits()),
        scorings=tuple(records.scorings()),
        pins=tuple(releases.pins()),
        releases=_whole(records, releases, approvals),
        trainings=tuple(_training(run, repository) for run in records.runs() if not run.status.ended),
        last_merge=merges[0].id if merges else "",
    )


def _whole(records: Records, releases: Releases, approvals: Approvals) -> tuple[tuple[ReleaseSet, str], ...]:
    """The release sets of which everything is kept, and why."""
    reasons = {record.id: f"is in release set {record.id}, which is open" for record in releases.open()}
    for dossier in approvals.open():
        if id := dossier.request.release_id:
            reasons.setdefault(id, f"is in release set {id}, about which {dossier.request.gate} is asked")
    for stage in Stage:
        if offer := records.latest_offer(stage):
            id = offer.release_id
            reasons.setdefault(id, f"is in release set {id}, which is offered to {stage}")
    for id, reason in stage_sets(releases.newest(_RECENT)).items():
        reasons.setdefault(id, reason)
    found = ((records.release(id), reason) for id, reason in reasons.items())
    return tuple((release, reason) for release, reason in found if release is not None)


def _training(run: RunRecord, repository: Repository) -> Training:
    return Training(run, _cutoffs(run, repository))


def _cutoffs(run: RunRecord, repository: Repository) -> dict[CircuitKey, str]:
    """The data that the run's circuits train on; none where its commit cannot be read: then it cannot train."""
    try:
        circuits = fleet_at(repository, run.commit).circuits
    except (ConfigurationError, NotFound):
        return {}
    return {circuit.key: circuit.cutoff_date.isoformat() for circuit in circuits}
