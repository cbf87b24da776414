"""Environment-only releases: what a new version means for what is deployed, and whether models stay the same in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import BadRequest
from busbar.domain.policies import EnvironmentPolicy, Stage
from busbar.domain.records import DeploymentRecord
from busbar.domain.versions import Version
from busbar.domain.wording import counted


class Change(StrEnum):
    """What a version is to another: the major number is raised when models have to be trained again."""

    SAME = "same"
    NON_BREAKING = "non-breaking"
    BREAKING = "breaking"
    DOWNGRADE = "downgrade"


def change(before: str, after: str) -> Change:
    """What going from one version to another is; raises `BadRequest` for what is no version."""
    old, new = Version.parse(before), Version.parse(after)
    if new == old:
        return Change.SAME
    if new < old:
        return Change.DOWNGRADE
    return Change.BREAKING if new.major > old.major else Change.NON_BREAKING


@dataclass(frozen=True, order=True)
class Deployed:
    """A model that serves a circuit in a stage, and the version of the environment it runs in."""

    key: CircuitKey
    stage: Stage
    model_version: str
    environment: str

    @classmethod
    def of(cls, record: DeploymentRecord) -> "Deployed":
        environment = names.environment_of(record.scoring_version)
        return cls(record.key, record.stage, record.model_version, environment)


STAGES = (Stage.TEST, Stage.PROD)
"""What an environment-only release updates, in this order; dev gets it with the next training."""


@dataclass(frozen=True)
class Update:
    """What a version changes: the deployments that get it, or why there is nothing to be done.

    A breaking one is no update: `sentence` says that the fleet trains again.
    """

    change: Change
    sentence: str
    deployed: tuple[Deployed, ...] = ()

    @property
    def possible(self) -> bool:
        return bool(self.deployed)


def plan_update(version: str, deployed: Iterable[Deployed]) -> Update:
    """What going to `version` means for what test and prod serve; raises `BadRequest` for what is no version."""
    serving = sorted(deployed)
    if not serving:
        return Update(
            Change.SAME,
            f"nothing is deployed in test or prod: environment {version} comes with the first release",
        )
    changes = {one: change(one.environment, version) for one in serving}
    if newer := _with(changes, Change.DOWNGRADE):
        return Update(
            Change.DOWNGRADE,
            f"{_named(newer)} in {newer[0].environment} already: {version} would be a downgrade; "
            "`busbar rollback` goes back",
        )
    if old := _with(changes, Change.BREAKING):
        return Update(
            Change.BREAKING,
            f"environment {version} breaks with {old[0].environment}, in which {_named(old)}: every circuit has to "
            "be trained again, and the new models are released as always",
        )
    behind = tuple(_with(changes, Change.NON_BREAKING))
    if not behind:
        return Update(Change.SAME, f"everything that is deployed runs in environment {version} already")
    circuits = len({one.key for one in behind})
    olds = ", ".join(sorted({one.environment for one in behind}, key=Version.parse))
    return Update(
        Change.NON_BREAKING,
        f"environment {olds} → {version} changes nothing that is trained: {counted(circuits, 'circuit')} to try in it",
        behind,
    )


def _with(changes: Mapping[Deployed, Change], wanted: Change) -> list[Deployed]:
    return [one for one, found in changes.items() if found is wanted]


def _named(deployed: list[Deployed]) -> str:
    """`PLANT1/CIRC1 (prod) runs`, `PLANT1/CIRC1 (prod) and 3 others run`"""
    first, others = deployed[0], len(deployed) - 1
    name = f"{first.key} ({first.stage})"
    return f"{name} runs" if not others else f"{name} and {counted(others, 'other')} run"


@dataclass(frozen=True)
class Scored:
    """What a model did in one environment: milliseconds a window, cells without a finite forecast."""

    latency_p95_ms: float | None = None
    failed_rows: int = 0


@dataclass(frozen=True)
class Comparison:
    """A model in two environments. `problem` says why nothing was measured; `max_difference` is in σ of a sensor."""

    key: CircuitKey
    model_version: str
    before: str
    after: str
    problem: str = ""
    compared: int = 0
    differently_read: int = 0
    one_sided: int = 0
    max_difference: float | None = None
    old: Scored = Scored()
    new: Scored = Scored()

    @classmethod
    def read(
        cls,
        key: CircuitKey,
        model_version: str,
        before: str,
        after: str,
        reports: tuple[Mapping[str, Any], ...],
    ) -> "Comparison":
        """From the component's two reports, in either environment; raises `BadRequest` naming what is missing."""
        old, new = (_item(report, key, model_version) for report in reports)
        problem = new.get("problem") or ""
        if old.get("problem"):
            problem = f"could not be scored in {before}: {old['problem']}"
        if problem:
            return cls(key, model_version, before, after, problem)
        try:
            return cls(
                key,
                model_version,
                before,
                after,
                compared=int(new["compared"]),
                differently_read=int(new["differently_read"]),
                one_sided=int(new["one_sided"]),
                max_difference=None if new["max_difference"] is None else float(new["max_difference"]),
                old=_scored(old),
                new=_scored(new),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadRequest("report.json", f"the comparison did not report {error}") from error


def _item(report: Mapping[str, Any], key: CircuitKey, model_version: str) -> Mapping[str, Any]:
    wanted = (key.plant_id, key.circuit_id, model_version)
    for one in report.get("models", ()):
        if (one.get("plant_id"), one.get("circuit_id"), one.get("model_version")) == wanted:
            return one
    raise BadRequest("report.json", f"it says nothing of {key} v{model_version}")


def _scored(item: Mapping[str, Any]) -> Scored:
    p95 = item["latency_ms"]["p95"]
    return Scored(None if p95 is None else float(p95), int(item["failed_rows"]))


@dataclass(frozen=True)
class Compatibility:
    """The verdict on a model in the new environment, with its numbers."""

    comparison: Comparison
    compatible: bool
    sentence: str

    @property
    def key(self) -> CircuitKey:
        return self.comparison.key


def judge(comparison: Comparison, policy: EnvironmentPolicy) -> Compatibility:
    """Whether a model gives the same forecasts in both environments. The first of the reasons counts."""
    problem = _problem(comparison, policy)
    named = f"{comparison.key} v{comparison.model_version} in {comparison.after}"
    if problem:
        return Compatibility(comparison, False, f"{named}: {problem}")
    return Compatibility(
        comparison,
        True,
        f"{named}: the same forecasts in {counted(comparison.compared, 'window')}, largest difference "
        f"{comparison.max_difference:.2g} σ (limit ≤ {policy.tolerance:g})",
    )


def _problem(found: Comparison, policy: EnvironmentPolicy) -> str:
    if found.problem:
        return found.problem
    if found.differently_read:
        total = found.compared + found.differently_read
        return f"{found.differently_read} of {counted(total, 'window')} were read differently"
    if found.compared < policy.min_windows:
        return f"{counted(found.compared, 'window')} could be compared, needs ≥ {policy.min_windows}"
    if found.one_sided:
        return f"{counted(found.one_sided, 'value')} came in one of the two environments only"
    if found.new.failed_rows > found.old.failed_rows:
        return f"{found.new.failed_rows} forecasts failed, {found.old.failed_rows} in {found.before}"
    if found.max_difference is None:
        return "neither environment gave a forecast that could be compared"
    if not found.max_difference <= policy.tolerance:
        return f"forecasts differ by up to {found.max_difference:.3g} σ (limit ≤ {policy.tolerance:g})"
    return ""


def summary(matrix: Iterable[Compatibility]) -> str:
    """`5 of 6 models compatible; PLANT1/CIRC2 v3 in 1.2.0: forecasts differ by …`"""
    found = tuple(matrix)
    bad = [one.sentence for one in found if not one.compatible]
    said = f"{len(found) - len(bad)} of {counted(len(found), 'model')} compatible"
    return "; ".join([said, *bad[:3], *([f"and {len(bad) - 3} more"] if len(bad) > 3 else [])])


class EnvironmentStatus(StrEnum):
    """Where the release of an environment stands; `refused`: there was nothing to do, or it may not be done."""

    TRYING = "trying"
    WAITING = "waiting"
    RELEASED = "released"
    REJECTED = "rejected"
    REFUSED = "refused"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self not in (EnvironmentStatus.TRYING, EnvironmentStatus.WAITING)


@dataclass(frozen=True)
class EnvironmentRelease:
    """What is on record of an environment's release: the latest attempt, with its matrix. Times are ISO 8601, UTC."""

    name: str
    version: str
    run: str
    commit: str
    requester: str
    status: EnvironmentStatus
    sentence: str
    updated_at: str
    matrix: tuple[Compatibility, ...] = ()


def objection(
    stage: Stage, kept: Iterable[CircuitKey], update: Update, matrix: Iterable[Compatibility]
) -> str:
    """Why a stage may not be updated although it was approved; empty where it may.

    What is incompatible goes only if somebody says so by leaving it out: nobody is moved by oversight.
    """
    going = set(kept)
    if not going:
        return "every circuit was left out"
    serves = {
        (one.key, one.model_version) for one in update.deployed if one.stage is stage and one.key in going
    }
    found = (one.comparison for one in matrix if not one.compatible)
    bad = sorted({str(one.key) for one in found if (one.key, one.model_version) in serves})
    if not bad:
        return ""
    return f"{', '.join(bad)} would not stay the same, and nobody left them out (approve all but these)"
