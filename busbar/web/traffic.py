"""A look behind every change of an online endpoint's traffic: one that got lost, or was made by hand, is mended."""

from contextlib import suppress

from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.domain.errors import BusbarError, TemporarilyUnavailable
from busbar.domain.records import DeploymentRecord
from busbar.domain.traffic import Traffic, traffic


def mend_traffic(*, records: Records, ml: MachineLearning) -> list[str]:
    """Have each online endpoint do with its requests what the record of its circuit says; a sentence for each that
    did something else. One that cannot be mended stops no other."""
    said: list[str] = []
    for record in records.deployments():
        if (wanted := traffic(record)) is None:
            continue
        try:
            said += _mend(record, wanted, records, ml)
        except TemporarilyUnavailable:
            continue  # it is being changed right now
        except BusbarError as problem:
            said.append(f"the traffic of {wanted.endpoint} is not as on record: {problem}")
    return said


def _mend(record: DeploymentRecord, wanted: Traffic, records: Records, ml: MachineLearning) -> list[str]:
    stage, found = record.stage, ml.traffic(record.stage, wanted.endpoint)
    if found == (wanted.live, wanted.mirrored) or records.deployment(stage, record.key) != record:
        return []  # a record that moves has somebody who follows it
    with suppress(TemporarilyUnavailable):  # begun
        ml.set_traffic(stage, wanted.endpoint, wanted.live, wanted.mirrored)
    return [f"{record.key} in {stage}: requests went {found[0]}, and go {dict(wanted.live)} as on record"]
