"""What still refers to models, data assets and jobs: the roots of retention, worked out from all that is on record."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage
from busbar.domain.records import CircuitRecord, DeploymentRecord, RunRecord, ScoringRecord
from busbar.domain.release import Pin, ReleaseSet
from busbar.domain.release_record import Place, ReleaseRecord
from busbar.domain.retention import (
    REGISTRY,
    Holding,
    Item,
    Kind,
    Root,
    data_asset,
    job,
    model,
    newest,
    pinned,
    released,
)

STAGE_SETS = 2
"""So many release sets of a stage are kept whole: the last that reached it, and the one to go back to."""


@dataclass(frozen=True)
class Training:
    """A training run under way: what it trains on may have been pinned long ago. Circuits by their cutoff date."""

    run: RunRecord
    cutoffs: Mapping[CircuitKey, str] = field(default_factory=dict[CircuitKey, str])


@dataclass(frozen=True)
class References:
    """Everything on record that refers to something.

    `releases` are the release sets that are kept whole, each with the reason; `pins` say of every model what made it.
    """

    deployments: tuple[DeploymentRecord, ...] = ()
    circuits: tuple[CircuitRecord, ...] = ()
    scorings: tuple[ScoringRecord, ...] = ()
    pins: tuple[Pin, ...] = ()
    releases: tuple[tuple[ReleaseSet, str], ...] = ()
    trainings: tuple[Training, ...] = ()
    last_merge: str = ""


def roots(references: References, holdings: Iterable[Holding]) -> list[Root]:
    """What stays whatever its age, the strongest reason first."""
    held = _Held(holdings)
    made = {(pin.model_name, pin.model_version): pin for pin in references.pins}
    return [
        *(root for record in references.deployments for root in _deployed(record, made, held)),
        *(root for release, reason in references.releases for root in _in_release(release, reason, held)),
        *(root for record in references.circuits for root in _latest(record, made, held)),
        *(root for training in references.trainings for root in _under_way(training, held)),
        *(
            Root(
                job(Stage.DEV if names.catches_up(one.job) else one.stage, one.job),
                f"is the latest scoring of {one.key}",
            )
            for one in references.scorings
        ),
        *(
            [Root(job(Stage.DEV, references.last_merge), "is the latest merge")]
            if references.last_merge
            else []
        ),
    ]


def stage_sets(records: Iterable[ReleaseRecord]) -> dict[str, str]:
    """Of each stage the last release sets that reached it, by id, each with why it is kept; `records` newest first."""
    found: dict[str, str] = {}
    known = list(records)
    for place in (place for place in Place if place.stage):
        arrived = [record for record in known if (leg := record.leg(place)) is not None and leg.reached]
        for record in arrived[:STAGE_SETS]:
            found.setdefault(record.id, f"is in release set {record.id}, one of the last two in {place}")
    return found


class _Held:
    """What is there, to be found by what is known of it."""

    def __init__(self, holdings: Iterable[Holding]):
        self._holdings = tuple(holdings)
        self._data: dict[str, list[Item]] = {}
        for one in self._holdings:
            if one.item.kind is Kind.DATA_ASSET:
                self._data.setdefault(one.item.name, []).append(one.item)

    def data_of(self, key: CircuitKey, cutoff: str) -> list[Item]:
        """A circuit's data assets for a cutoff date: `2025-12-09` and its revisions, `2025-12-09.2`."""
        found = self._data.get(names.data_asset(key), [])
        return [item for item in found if item.version.partition(".")[0] == cutoff]

    def owned(self, prefix: str) -> list[Item]:
        """What orchestrations made whose ids begin so."""
        return [one.item for one in self._holdings if one.owner.startswith(prefix)]


def _deployed(record: DeploymentRecord, made: Mapping[tuple[str, str], Pin], held: _Held) -> Iterator[Root]:
    """Whatever a circuit is, was or may again be served by in a stage, with what made it."""
    where, name = f"{record.key} in {record.stage}", names.model(record.key)
    served = [(record.active, f"serves {where}")]
    if record.candidate:
        served.append((record.candidate, f"ramps up for {where}"))
    if record.previous:
        served.append((record.previous, f"is what {where} goes back to"))
    for one, reason in served:
        yield from _model(one.model_name, one.model_version, reason, made)
        yield from (Root(item, reason) for item in held.data_of(record.key, one.cutoff_date))
    for mark in record.rolled_back:
        reason = f"was rolled back for {where}, which somebody may lift"
        yield from _model(name, mark.model_version, reason, made)


def _model(name: str, version: str, reason: str, made: Mapping[tuple[str, str], Pin]) -> Iterator[Root]:
    """A model wherever it is, its job and its data."""
    pin = made.get((name, version))
    items = pinned(pin) if pin else (model(REGISTRY, name, version), model(Stage.DEV, name, version))
    yield from (Root(item, reason) for item in items)


def _in_release(release: ReleaseSet, reason: str, held: _Held) -> Iterator[Root]:
    yield from released(release, reason)
    runs = (names.evidence(release.id), *(names.deployment_run(stage, release.id) for stage in Stage))
    for run in runs:
        yield from (Root(item, reason) for item in held.owned(run))


def _latest(record: CircuitRecord, made: Mapping[tuple[str, str], Pin], held: _Held) -> Iterator[Root]:
    found = newest(record)
    yield from found
    reason = found[0].reason
    if record.model_version:  # the registry may have it though the record does not say so yet
        yield from _model(names.model(record.key), record.model_version, reason, made)
    yield from (Root(item, reason) for item in held.data_of(record.key, record.cutoff_date))


def _under_way(training: Training, held: _Held) -> Iterator[Root]:
    run = training.run
    reason = f"is of {run.id}, which is {run.status}"
    yield from (Root(item, reason) for item in held.owned(names.training_run(run.commit)))
    for key, cutoff in training.cutoffs.items():
        yield Root(data_asset(names.data_asset(key), cutoff), reason)
        yield from (Root(item, reason) for item in held.data_of(key, cutoff))
