"""Releases that ramp up in a stage, for the board: how far each is, by what is on record of its circuits."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from busbar.domain.policies import Stage
from busbar.domain.records import DeploymentRecord
from busbar.domain.wording import counted


@dataclass(frozen=True)
class Rollout:
    """A release on its way through a stage: the circuits it serves, and how many candidates have which part."""

    stage: Stage
    release_id: str
    serving: int
    parts: tuple[tuple[str, int], ...]

    @property
    def ramping(self) -> int:
        return sum(count for _, count in self.parts)

    @property
    def sentence(self) -> str:
        """`2 circuits ramp up (1 at 10 % mirrored, 1 at 25 %), it serves 3 already`."""
        parts = ", ".join(f"{count} at {part}" for part, count in self.parts)
        already = f", it serves {self.serving} already" if self.serving else ""
        verb = "ramps" if self.ramping == 1 else "ramp"
        return f"{counted(self.ramping, 'circuit')} {verb} up ({parts}){already}"


def rollouts(deployments: Iterable[DeploymentRecord]) -> tuple[Rollout, ...]:
    """Every release that has a candidate somewhere, by stage."""
    records = list(deployments)
    parts: dict[tuple[Stage, str], Counter[str]] = {}
    ramping = [(record.stage, record.candidate) for record in records if record.candidate]
    for stage, candidate in sorted(ramping, key=lambda one: one[1].share):
        parts.setdefault((stage, candidate.release_id or ""), Counter())[candidate.part] += 1
    serving = Counter((record.stage, record.release_id) for record in records)
    order = list(Stage)
    return tuple(
        Rollout(stage, release, serving[stage, release], tuple(counts.items()))
        for (stage, release), counts in sorted(
            parts.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
        )
    )
