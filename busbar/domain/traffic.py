"""What an online endpoint's traffic has to be: it follows from what is on record of its circuit."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from busbar.domain.circuits import Serving
from busbar.domain.records import DeploymentRecord


@dataclass(frozen=True)
class Traffic:
    """An endpoint's traffic in percent by deployment: `live` is answered, of `mirrored` the answers are thrown away."""

    endpoint: str
    live: Mapping[str, int]
    mirrored: Mapping[str, int] = field(default_factory=dict[str, int])


def traffic(record: DeploymentRecord) -> Traffic | None:
    """What the circuit's endpoint does with its requests; None where a batch deployment serves.

    What served before stands without traffic. A candidate behind another endpoint shares nothing; one with a share is
    sent no copies, which Azure ML refuses.
    """
    if record.kind is not Serving.ONLINE:
        return None
    active, candidate = record.deployment, record.candidate
    if candidate is None or record.endpoint_of(candidate) != record.endpoint:
        return Traffic(record.endpoint, {active: 100})
    if not candidate.share:
        mirrored = {candidate.deployment: candidate.mirrored} if candidate.mirrored else {}
        return Traffic(record.endpoint, {active: 100}, mirrored)
    live = {active: 100 - candidate.share, candidate.deployment: candidate.share}
    return Traffic(record.endpoint, {name: share for name, share in live.items() if share})
