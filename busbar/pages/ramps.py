"""Releases that ramp up in a stage, for the board: how far each is, by what is on record of its circuits."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from busbar.domain.policies import Stage
from busbar.domain.records import DeploymentRecord
from busbar.domain.wording import counted


@dataclass(frozen=True)
class Rollout:
    """A release on its way through a stage: the circuits it serves, and how many candidates have which share."""

    stage: Stage
    release_id: str
    serving: int
    shares: tuple[tuple[int, int], ...]

    @property
    def ramping(self) -> int:
        return sum(count for _, count in self.shares)

    @property
    def sentence(self) -> str:
        """`2 circuits ramp up (1 at 10 %, 1 at 25 %), it serves 3 already`."""
        shares = ", ".join(f"{count} at {share} %" for share, count in self.shares)
        already = f", it serves {self.serving} already" if self.serving else ""
        verb = "ramps" if self.ramping == 1 else "ramp"
        return f"{counted(self.ramping, 'circuit')} {verb} up ({shares}){already}"


def rollouts(deployments: Iterable[DeploymentRecord]) -> tuple[Rollout, ...]:
    """Every release that has a candidate somewhere, by stage."""
    records = list(deployments)
    shares: dict[tuple[Stage, str], Counter[int]] = {}
    for record in records:
        if record.candidate:
            place = (record.stage, record.candidate.release_id or "")
            shares.setdefault(place, Counter())[record.candidate.share] += 1
    serving = Counter((record.stage, record.release_id) for record in records)
    order = list(Stage)
    return tuple(
        Rollout(stage, release, serving[stage, release], tuple(sorted(counts.items())))
        for (stage, release), counts in sorted(
            shares.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
        )
    )
