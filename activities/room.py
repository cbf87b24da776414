"""Whether Azure ML has room for what is to be deployed, asked before anything is begun."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import QuotaPolicy, Stage
from busbar.domain.quota import Occupancy, exceeded
from busbar.domain.records import DeploymentRecord

AT_ONCE = 8  # looks at Azure ML: 200 circuits within seconds

type Wanted = Mapping[CircuitKey, tuple[str, str]]
"""The endpoint and the deployment that a circuit is to get."""


def lacking(quotas: QuotaPolicy, stage: Stage, wanted: Wanted, ml: MachineLearning, records: Records) -> str:
    """Which quota the deployments would break, with the numbers and what to do; "" for none."""
    standing = records.deployments()
    serving = {record.key: record for record in standing if record.stage is stage}
    created, freed = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for key, (endpoint, deployment) in wanted.items():
        record = serving.get(key)
        if record is not None and record.deployment == deployment:
            continue
        created[endpoint].add(deployment)
        for place, name in _making_room(record):
            freed[place].add(name)
    return exceeded(quotas, _occupancy(stage, created, ml, standing), created, freed) if created else ""


def _making_room(record: DeploymentRecord | None) -> list[tuple[str, str]]:
    """What a circuit's deployments are rid of before its candidate comes, endpoint and name each."""
    if record is None:
        return []
    kept = (record.previous, record.candidate)
    return [(record.endpoint_of(one), one.deployment) for one in kept if one]


def _occupancy(
    stage: Stage, touched: Iterable[str], ml: MachineLearning, standing: Iterable[DeploymentRecord]
) -> Occupancy:
    """What stands: the touched endpoints are asked for their deployments, the region's are counted on record."""
    endpoints = {place: ml.endpoint_names(place) for place in Stage}
    asked = [name for name in touched if name in endpoints[stage]]

    def deployments(endpoint: str) -> frozenset[str]:
        return frozenset(ml.deployment_names(stage, endpoint))

    with ThreadPoolExecutor(AT_ONCE) as looking:
        found = list(looking.map(deployments, asked))
    everywhere = sum(map(_count, standing))
    there = dict.fromkeys(endpoints[stage], frozenset[str]()) | dict(zip(asked, found, strict=True))
    return Occupancy(there, sum(map(len, endpoints.values())), everywhere)


def _count(record: DeploymentRecord) -> int:
    previous = record.previous is not None and record.previous_stands
    return 1 + (record.candidate is not None) + previous
