"""An online endpoint's traffic follows the record of its circuit: who changes the record has it followed."""

from busbar.clients.machine_learning import MachineLearning
from busbar.domain.records import DeploymentRecord
from busbar.domain.traffic import traffic


def follow(record: DeploymentRecord | None, ml: MachineLearning) -> None:
    """Split the endpoint's requests as the record says; nothing to do where a batch deployment serves, or nothing.

    Raises `TemporarilyUnavailable` until Azure ML has done it, so that an activity ends when it is so.
    """
    if record is not None and (wanted := traffic(record)) is not None:
        ml.set_traffic(record.stage, wanted.endpoint, wanted.live, wanted.mirrored)
