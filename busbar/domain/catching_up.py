"""Catching up on missed days: which circuits one job scores together, and which are asked for one by one."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import batched, groupby

from busbar.domain.circuits import CircuitKey, Serving
from busbar.domain.records import DeploymentRecord


@dataclass(frozen=True)
class Batch:
    """Circuits for one job; `build` is that of the scoring components which they are deployed with."""

    build: str
    circuits: tuple[CircuitKey, ...]


@dataclass(frozen=True)
class Division:
    """All circuits of a stage: `alone` are those that must go through their own endpoints."""

    batches: tuple[Batch, ...] = ()
    alone: tuple[CircuitKey, ...] = ()


def divide(records: Iterable[DeploymentRecord], size: int) -> Division:
    """Batches of at most `size` circuits of one build, by name."""
    known = list(records)
    together = sorted((one.scoring_version, one.key) for one in known if scores_in_batches(one))
    batches = tuple(
        Batch(build, chunk)
        for build, found in groupby(together, key=lambda one: one[0])
        for chunk in batched((key for _, key in found), size)
    )
    return Division(batches, tuple(sorted(one.key for one in known if not scores_in_batches(one))))


def scores_in_batches(record: DeploymentRecord) -> bool:
    """Whether one batch deployment has all the windows: an online one answers requests, a candidate has a share."""
    shares = record.candidate is not None and record.candidate.share > 0
    return record.kind is Serving.BATCH and bool(record.scoring_version) and not shares
