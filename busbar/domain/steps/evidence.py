"""The evidence notebook of a release set."""

from dataclasses import dataclass

from busbar.domain.steps.releases import Release
from busbar.domain.steps.training import JobState


@dataclass(frozen=True)
class EvidenceRequest:
    """Have the notebook of a release made; `orchestration_id` is to be woken by its job."""

    release: Release
    orchestration_id: str


@dataclass(frozen=True)
class EvidenceResult:
    """The job that made a release's notebook has ended."""

    release_id: str
    state: JobState
