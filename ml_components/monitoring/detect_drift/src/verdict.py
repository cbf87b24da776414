"""From findings to one verdict a circuit: what lasts counts, and every reason is a sentence."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.findings import Finding


class Kind(StrEnum):
    """Why a circuit is not what its model was trained on."""

    DATA_QUALITY = "data-quality"
    DATA = "data drift"
    RESIDUAL = "residual drift"
    PREDICTION = "prediction drift"
    MODEL = "model drift"


class Severity(StrEnum):
    """none · watch: seen, but not for long enough · drift: it lasts, or needs no time to be sure of."""

    NONE = "none"
    WATCH = "watch"
    DRIFT = "drift"


RANK = {Severity.NONE: 0, Severity.WATCH: 1, Severity.DRIFT: 2}
# A reading that is missing is missing: there is nothing to wait for.
CERTAIN_AT_ONCE = {Kind.DATA_QUALITY}
# What a training on newer data mends; a broken sensor is to be repaired first.
MENDED_BY_TRAINING = {Kind.DATA, Kind.RESIDUAL, Kind.MODEL}


@dataclass(frozen=True)
class Observed:
    """One finding of one day, under its kind."""

    kind: Kind
    finding: Finding

    @property
    def key(self) -> tuple[str, Kind]:
        """What must last: the same kind of drift of the same sensor ("" for the circuit)."""
        return self.finding.sensor or "", self.kind


@dataclass(frozen=True)
class Judged:
    """A finding with its severity and the days on which its like was seen, of those judged."""

    observed: Observed
    severity: Severity
    days: int


@dataclass(frozen=True)
class Verdict:
    """One circuit's verdict; `findings` the most severe first."""

    severity: Severity
    findings: tuple[Judged, ...]
    retrain: bool

    @property
    def kinds(self) -> list[Kind]:
        """The kinds found, the most severe first, each once."""
        return list(dict.fromkeys(one.observed.kind for one in self.findings))

    @property
    def sentence(self) -> str:
        """The verdict as pages, mails and audit print it."""
        if not self.findings:
            return "no drift"
        first = self.findings[0]
        more = f", and {len(self.findings) - 1} more" if len(self.findings) > 1 else ""
        return f"{first.observed.kind}: {first.observed.finding.sentence}{more}"


def judge(
    observed: Iterable[Observed], earlier: Mapping[str, Collection[tuple[str, Kind]]], needed: int
) -> Verdict:
    """Today's findings, given those of the days before (by day): drift where `needed` days have shown it."""
    before = Counter(key for found in earlier.values() for key in set(found))
    judged = [
        Judged(one, _severity(one.kind, before[one.key] + 1, needed), before[one.key] + 1) for one in observed
    ]
    judged.sort(key=lambda one: (-RANK[one.severity], list(Kind).index(one.observed.kind), -_excess(one)))
    severity = max((one.severity for one in judged), key=RANK.__getitem__, default=Severity.NONE)
    broken = {one.observed.finding.sensor for one in judged if one.observed.kind is Kind.DATA_QUALITY}
    retrain = any(
        one.severity is Severity.DRIFT
        and one.observed.kind in MENDED_BY_TRAINING
        and one.observed.finding.sensor not in broken - {None}
        for one in judged
    )
    return Verdict(severity, tuple(judged), retrain)


def _severity(kind: Kind, days: int, needed: int) -> Severity:
    return Severity.DRIFT if kind in CERTAIN_AT_ONCE or days >= needed else Severity.WATCH


def _excess(one: Judged) -> float:
    finding = one.observed.finding
    return 0.0 if finding.measured is None or finding.limit is None else abs(finding.measured - finding.limit)
