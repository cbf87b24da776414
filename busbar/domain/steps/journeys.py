"""A release set's journey: to the registry, to test, to prod."""

from dataclasses import dataclass

from busbar.domain.release_record import Origin, Place, ReleaseStatus
from busbar.domain.steps.releases import Promotion, Release
from busbar.domain.steps.runs import TrainingRun


@dataclass(frozen=True)
class Journey:
    """A release set to take through all places. `run` is the training run that waits for it, `said` what is known
    of that so far."""

    release: Release
    origin: Origin
    run: TrainingRun | None = None
    said: str = ""


@dataclass(frozen=True)
class JourneyEnd:
    """How a journey ended, with the sentence of the whole."""

    status: ReleaseStatus
    sentence: str


@dataclass(frozen=True)
class Visit:
    """A release set that comes to a place."""

    place: Place
    release: Release


@dataclass(frozen=True)
class Visited:
    """How the visit went."""

    visit: Visit
    promotion: Promotion


@dataclass(frozen=True)
class ReleaseEnd:
    """The end of a journey, to put on record."""

    release: Release
    end: JourneyEnd
