"""Before a release touches a stage: which of its circuits go, and whether Azure ML has room for them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from activities.records import stored_release
from activities.serving import names_of
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.domain.circuits import CircuitKey
from busbar.domain.gates import passed, summary
from busbar.domain.policies import Stage
from busbar.domain.quota import Occupancy, exceeded
from busbar.domain.records import DeploymentRecord
from busbar.domain.release import Pin
from busbar.domain.steps import CircuitDeployment, DeploymentPlan, StageDeployment
from busbar.settings import Settings

_AT_ONCE = 8  # looks at Azure ML: 200 circuits within seconds

Serving = Mapping[CircuitKey, DeploymentRecord]


def plan_deployment(
    request: StageDeployment, *, ml: MachineLearning, records: Records, settings: Settings
) -> DeploymentPlan:
    """The pins that go, and why the others stay back: a gate, an older version, a model the registry does not have.

    Where what goes would break a quota nothing may be begun: a refusal names the endpoint and the numbers.
    """
    release = stored_release(request.release.id, records)
    pins = [pin for pin in release.pins if pin.key in request.release.kept]
    serving = {record.key: record for record in records.deployments(request.stage)}

    def hold(pin: Pin) -> str:
        return _hold(pin, request, serving.get(pin.key), ml)

    with ThreadPoolExecutor(_AT_ONCE) as looking:
        reasons = list(looking.map(hold, pins))
    held = tuple(
        (pin.key, f"{pin.key} held back: {reason}")
        for pin, reason in zip(pins, reasons, strict=True)
        if reason
    )
    going = tuple(pin for pin, reason in zip(pins, reasons, strict=True) if not reason)
    return DeploymentPlan(going, held, _quota(request, going, serving, ml, records, settings))


def _hold(pin: Pin, request: StageDeployment, serving: DeploymentRecord | None, ml: MachineLearning) -> str:
    if serving is not None and (mark := serving.mark(pin.deployment)):
        return f"{mark.sentence}; a person has to lift that first"
    if serving is not None and int(serving.model_version) > int(pin.model_version):
        return f"{request.stage} already serves version {serving.model_version}, this is {pin.model_version}"
    results = pin.judged(request.release.policies.demands(request.stage))
    if not passed(results):
        return summary(results)
    if not ml.model_in_registry(pin.model_name, pin.model_version):
        return f"model {pin.model_name}:{pin.model_version} is not in the registry: promote it first"
    return ""


def _quota(
    request: StageDeployment,
    pins: tuple[Pin, ...],
    serving: Serving,
    ml: MachineLearning,
    records: Records,
    settings: Settings,
) -> str:
    created, freed = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for pin in pins:
        endpoint, deployment = names_of(
            CircuitDeployment(request.stage, pin, request.release.policies), settings
        )
        record = serving.get(pin.key)
        if record is not None and record.deployment == deployment:
            continue
        created[endpoint].add(deployment)
        for place, name in _making_room(record):
            freed[place].add(name)
    quota = request.release.policies.quotas
    return exceeded(quota, _occupancy(request.stage, created, ml, records), created, freed)


def _making_room(record: DeploymentRecord | None) -> list[tuple[str, str]]:
    """What a circuit's deployments are rid of before its candidate comes, endpoint and name each."""
    if record is None:
        return []
    kept = (record.previous, record.candidate)
    return [(record.endpoint_of(one), one.deployment) for one in kept if one]


def _occupancy(stage: Stage, touched: Iterable[str], ml: MachineLearning, records: Records) -> Occupancy:
    """What stands: the touched endpoints are asked for their deployments, the region's are counted on record."""
    endpoints = {place: ml.endpoint_names(place) for place in Stage}
    asked = [name for name in touched if name in endpoints[stage]]

    def deployments(endpoint: str) -> frozenset[str]:
        return frozenset(ml.deployment_names(stage, endpoint))

    with ThreadPoolExecutor(_AT_ONCE) as looking:
        found = list(looking.map(deployments, asked))
    everywhere = sum(_standing(record) for record in records.deployments())
    there = dict.fromkeys(endpoints[stage], frozenset[str]()) | dict(zip(asked, found, strict=True))
    return Occupancy(there, sum(map(len, endpoints.values())), everywhere)


def _standing(record: DeploymentRecord) -> int:
    previous = record.previous is not None and record.previous_stands
    return 1 + (record.candidate is not None) + previous
