"""The gates and their evaluation."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from busbar.domain.errors import BadRequest
from busbar.domain.policies import ScaleFreePolicy, Thresholds

SKILL_GATE = "min_skill_seasonal_naive"


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)


@dataclass(frozen=True)
class Metrics:
    """What evaluate_model measured on held-out data: errors in sensor units, the rest without unit."""

    mae: float
    rmse: float
    accuracy: float
    r2: float | None = None
    precision: float | None = None
    recall: float | None = None
    standardised_mse: float = 0.0
    seasonal_naive_mse: float = 0.0
    skill_seasonal_naive: float = 0.0
    champion_mse: float | None = None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Metrics":
        """From the component's metrics.json; raises `BadRequest` naming what is missing."""
        try:
            measured, baselines = document["metrics"], document["baselines"]
            champion = baselines.get("champion")
            return cls(
                mae=float(measured["mae"]),
                rmse=float(measured["rmse"]),
                accuracy=float(measured["accuracy"]),
                r2=_optional(measured.get("r2")),
                precision=_optional(measured.get("precision")),
                recall=_optional(measured.get("recall")),
                standardised_mse=float(document["standardised"]["mse"]),
                seasonal_naive_mse=float(baselines["seasonal_naive"]["mse"]),
                skill_seasonal_naive=float(document["skill"]["seasonal_naive"]),
                champion_mse=None if champion is None else float(champion["mse"]),
            )
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise BadRequest("metrics.json", f"the evaluation did not report {error}") from error


@dataclass(frozen=True)
class GateResult:
    """One gate's verdict with its numbers."""

    gate: str
    passed: bool
    measured: float
    limit: float

    @property
    def sign(self) -> str:
        """How a measured value must stand to the limit."""
        return ">" if self.gate == SKILL_GATE else "≥" if self.gate.startswith("min_") else "≤"

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "failed"
        return f"{self.gate} {verdict}: {self.measured:.4g} (limit {self.sign} {self.limit:.4g})"


@dataclass(frozen=True)
class GateInput:
    metrics: Metrics
    thresholds: Thresholds
    scale_free: ScaleFreePolicy


Gate = Callable[[GateInput], Iterator[GateResult]]


def _at_most(gate: str, measured: float, limit: float) -> GateResult:
    return GateResult(gate, measured <= limit, measured, limit)


def _at_least(gate: str, measured: float | None, limit: float) -> GateResult:
    value = float("nan") if measured is None else measured
    return GateResult(
        gate, value >= limit, value, limit
    )  # a comparison with nan is false: not measured, not passed


def absolute_errors(given: GateInput) -> Iterator[GateResult]:
    """MAE and RMSE below the limits that the circuit or the stage sets."""
    for gate, measured, limit in (
        ("max_mae", given.metrics.mae, given.thresholds.max_mae),
        ("max_rmse", given.metrics.rmse, given.thresholds.max_rmse),
    ):
        if limit is not None:
            yield _at_most(gate, measured, limit)


def shares(given: GateInput) -> Iterator[GateResult]:
    """Accuracy (1 - WAPE), and precision and recall of alarm-limit exceedances, where limits are set."""
    for gate, measured, limit in (
        ("min_accuracy", given.metrics.accuracy, given.thresholds.min_accuracy),
        ("min_precision", given.metrics.precision, given.thresholds.min_precision),
        ("min_recall", given.metrics.recall, given.thresholds.min_recall),
    ):
        if limit is not None:
            yield _at_least(gate, measured, limit)


def beats_seasonal_naive(given: GateInput) -> Iterator[GateResult]:
    """Skill over repeating the last season, 1 - MSE / MSE(naive), strictly above the limit."""
    skill, limit = given.metrics.skill_seasonal_naive, given.scale_free.min_skill_seasonal_naive
    yield GateResult(SKILL_GATE, skill > limit, skill, limit)


def not_worse_than_champion(given: GateInput) -> Iterator[GateResult]:
    """MSE over the champion's on the same held-out windows at most 1 + margin; nothing to say without a champion."""
    mse, champion = given.metrics.standardised_mse, given.metrics.champion_mse
    if champion is None:
        return
    ratio = (
        mse / champion if champion else 1.0 if mse == 0 else inf
    )  # a stuck sensor's champion makes no error
    yield _at_most("max_mse_over_champion", ratio, 1 + given.scale_free.champion_margin)


GATES: tuple[Gate, ...] = (absolute_errors, shares, beats_seasonal_naive, not_worse_than_champion)


def evaluate(given: GateInput) -> tuple[GateResult, ...]:
    """Every gate that applies, in the order of `GATES`."""
    return tuple(result for gate in GATES for result in gate(given))


def passed(results: tuple[GateResult, ...]) -> bool:
    return all(result.passed for result in results)


def summary(results: tuple[GateResult, ...]) -> str:
    """The sentence for pages, mails and audit: what failed, or that all passed."""
    failed = [str(result) for result in results if not result.passed]
    return "; ".join(failed) if failed else "; ".join(str(result) for result in results)
