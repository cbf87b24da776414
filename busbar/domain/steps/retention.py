"""A look at what a fleet keeps, and the purge of what it showed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from busbar.domain.policies import RetentionPolicy, Stage, TrainingPolicy
from busbar.domain.retention import (
    Item,
    Kind,
    RetentionPlan,
    drift_reports_before,
    of_each_kind,
    predictions_before,
)
from busbar.domain.steps.training import JobState


@dataclass(frozen=True)
class RetentionRun:
    """Look at all places, with a `place` rule on that one alone; with `apply` purge what the plan says.

    `shown` is the report that somebody saw before: then only what it says as well is purged. `at` (ISO 8601, UTC) is
    the moment from which ages count, `terms` for how many days each stage keeps what. Old forecasts are deleted by a
    job of the `commit`'s component, by the limits of `training`.
    """

    id: str
    actor: str
    at: str
    terms: Mapping[Stage, RetentionPolicy] = field(default_factory=dict[Stage, RetentionPolicy])
    place: str = ""
    apply: bool = False
    shown: str = ""
    commit: str = ""
    training: TrainingPolicy = field(default_factory=TrainingPolicy)

    @property
    def predictions_before(self) -> date | None:
        """Forecasts issued before this day go; None where a place is looked at by itself: they lie in none."""
        return None if self.place else predictions_before(self.terms, self.now)

    @property
    def drift_reports_before(self) -> dict[Stage, date]:
        """By stage, the day before which its drift reports go."""
        return drift_reports_before(self.terms, self.place, self.now)

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self.at)


@dataclass(frozen=True)
class Survey:
    """Find out what of a kind there is in a place, and since when."""

    run: RetentionRun
    kind: Kind
    place: str


@dataclass(frozen=True)
class PurgeBatches:
    """A chunk of a purge: the batches from `first` up to, but not including, `last`."""

    run: RetentionRun
    first: int
    last: int


@dataclass(frozen=True)
class PurgeBatch:
    """Some of what a run purges: part `number` of its list."""

    run: RetentionRun
    number: int


@dataclass(frozen=True)
class RetentionSummary:
    """What a plan comes to: how many batches there are to purge, none in a dry run."""

    sentence: str
    batches: int = 0


@dataclass(frozen=True)
class PredictionPurge:
    """What became of the old forecasts: how their job ended, or why there was none."""

    run: RetentionRun
    state: JobState | None = None
    problem: str = ""


@dataclass(frozen=True)
class Fate:
    """What became of an item that was to be purged, in a sentence."""

    item: Item
    purged: bool
    sentence: str


@dataclass(frozen=True)
class RetentionReport:
    """What goes, what stays and why; of a purge, once it has ended, each item's fate.

    `predictions` says in a sentence which forecasts and drift reports go, or went.
    """

    run: RetentionRun
    plan: RetentionPlan
    fates: tuple[Fate, ...] = ()
    ended: bool = False
    predictions: str = ""

    @property
    def sentence(self) -> str:
        """The one line that page, command line and audit share."""
        if not self.run.apply:
            return self.plan.sentence
        if not self.ended:
            return f"the purge is under way: {self.plan.sentence}"
        gone = [fate.item for fate in self.fates if fate.purged]
        stayed = len(self.fates) - len(gone)
        return f"{of_each_kind(gone)} purged" + (f", {stayed} stayed" if stayed else "")
