"""Per-channel ridge regression from a standardised look-back to the horizon."""

from dataclasses import dataclass

import numpy as np

PENALTIES = np.logspace(-3, 4, 15)


@dataclass(frozen=True)
class Ridge:
    """weights [sensors, look_back, horizon], bias [sensors, horizon]."""

    weights: np.ndarray
    bias: np.ndarray

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """[windows, look_back, sensors] → [windows, horizon, sensors]."""
        return np.einsum("nls,slh->nhs", inputs, self.weights, optimize=True) + self.bias.T


@dataclass(frozen=True)
class _Decomposed:
    """One sensor's normal equations, decomposed once for every penalty.

    Inputs and targets are taken relative to the look-back's last value, so that the penalty pulls towards
    "stays as it is" rather than towards the training part's mean.
    """

    x_mean: np.ndarray
    y_mean: np.ndarray
    values: np.ndarray
    vectors: np.ndarray
    moment: np.ndarray

    @classmethod
    def of(cls, inputs: np.ndarray, targets: np.ndarray) -> "_Decomposed":
        usable = ~(np.isnan(inputs).any(1) | np.isnan(targets).any(1))
        last = inputs[usable, -1:]
        x, y = inputs[usable] - last, targets[usable] - last
        x_mean, y_mean = x.mean(0), y.mean(0)
        values, vectors = np.linalg.eigh((x - x_mean).T @ (x - x_mean))
        return cls(
            x_mean, y_mean, np.maximum(values, 0.0), vectors, vectors.T @ ((x - x_mean).T @ (y - y_mean))
        )

    def solve(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Weights [look_back, horizon] and bias [horizon] that act on plain inputs."""
        weights = self.vectors @ (self.moment / (self.values + penalty)[:, None])
        bias = self.y_mean - self.x_mean @ weights
        weights[-1] += 1.0 - weights.sum(0)
        return weights, bias


def fit_ridge(
    inputs: np.ndarray, targets: np.ndarray, check_inputs: np.ndarray, check_truth: np.ndarray
) -> Ridge:
    """One ridge per sensor; its penalty is the one with the least error on the check windows."""
    fitted: list[tuple[np.ndarray, np.ndarray]] = []
    for s in range(inputs.shape[2]):
        equations = _Decomposed.of(inputs[..., s], targets[..., s])
        fitted.append(equations.solve(_best_penalty(equations, check_inputs[..., s], check_truth[..., s])))
    weights, bias = zip(*fitted, strict=True)
    return Ridge(np.stack(weights), np.stack(bias))


def _best_penalty(equations: _Decomposed, inputs: np.ndarray, truth: np.ndarray) -> float:
    known = ~np.isnan(inputs).any(1)

    def error(penalty: float) -> float:
        weights, bias = equations.solve(penalty)
        return float(np.nanmean((inputs[known] @ weights + bias - truth[known]) ** 2))

    return float(min(PENALTIES, key=error))
