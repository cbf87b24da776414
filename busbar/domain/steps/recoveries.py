"""What an operator's cancellation leaves to clean up."""

from dataclasses import dataclass

from busbar.domain.steps.training import JobRef


@dataclass(frozen=True)
class Halted:
    """An orchestration that was terminated, and the jobs that its history says it submitted."""

    id: str
    orchestrator: str
    jobs: tuple[JobRef, ...] = ()


@dataclass(frozen=True)
class Cancellation:
    """A run that somebody cancelled: what was `halted` with it, itself first. `at` is ISO 8601, UTC."""

    id: str
    actor: str
    reason: str
    at: str
    halted: tuple[Halted, ...]

    @property
    def sentence(self) -> str:
        """The one line that page, record and audit share."""
        return f"cancelled by {self.actor}: {self.reason}"

    def halted_by(self, orchestrator: str) -> tuple[Halted, ...]:
        return tuple(one for one in self.halted if one.orchestrator == orchestrator)
