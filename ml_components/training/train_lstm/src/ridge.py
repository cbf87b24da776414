"""Ridge regression per channel from a standardised look-back to the horizon, mixed with one that all channels share.

A channel's own weights fit it best where the data suffice; weights fitted to all channels vary less. Both are linear,
and so is their mix.
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np

PENALTIES = np.logspace(-3, 5, 17)


@dataclass(frozen=True)
class Ridge:
    """weights [sensors, look_back, horizon], bias [sensors, horizon]."""

    weights: np.ndarray
    bias: np.ndarray

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """[windows, look_back, sensors] → [windows, horizon, sensors]."""
        return np.einsum("nls,slh->nhs", inputs, self.weights, optimize=True) + self.bias.T

    def mixed(self, other: "Ridge", share: np.ndarray) -> "Ridge":
        """The forecasts' mix, the other's with `share` [sensors], as one ridge."""
        weights = self.weights + share[:, None, None] * (other.weights - self.weights)
        return Ridge(weights, self.bias + share[:, None] * (other.bias - self.bias))


@dataclass(frozen=True)
class _Moments:
    """Sums over windows, which add up over sensors: count, x [look_back], y [horizon], x xᵀ, x yᵀ.

    Inputs and targets are taken relative to the look-back's last value, so that the penalty pulls towards
    "stays as it is" rather than towards the training part's mean.
    """

    count: int
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray

    @classmethod
    def of(cls, inputs: np.ndarray, targets: np.ndarray) -> "_Moments":
        usable = ~(np.isnan(inputs).any(1) | np.isnan(targets).any(1))
        last = inputs[usable, -1:]
        x, y = inputs[usable] - last, targets[usable] - last
        return cls(len(x), x.sum(0), y.sum(0), x.T @ x, x.T @ y)

    def __add__(self, other: "_Moments") -> "_Moments":
        return _Moments(
            self.count + other.count,
            self.x + other.x,
            self.y + other.y,
            self.xx + other.xx,
            self.xy + other.xy,
        )


@dataclass(frozen=True)
class _Decomposed:
    """Normal equations, decomposed once for every penalty."""

    x_mean: np.ndarray
    y_mean: np.ndarray
    values: np.ndarray
    vectors: np.ndarray
    moment: np.ndarray

    @classmethod
    def of(cls, moments: _Moments) -> "_Decomposed":
        x_mean, y_mean = moments.x / moments.count, moments.y / moments.count
        values, vectors = np.linalg.eigh(moments.xx - np.outer(moments.x, x_mean))
        moment = vectors.T @ (moments.xy - np.outer(moments.x, y_mean))
        return cls(x_mean, y_mean, np.maximum(values, 0.0), vectors, moment)

    def solve(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Weights [look_back, horizon] and bias [horizon] that act on plain inputs."""
        weights = self.vectors @ (self.moment / (self.values + penalty)[:, None])
        bias = self.y_mean - self.x_mean @ weights
        weights[-1] += 1.0 - weights.sum(0)
        return weights, bias


def fit_ridges(
    inputs: np.ndarray, targets: np.ndarray, check_inputs: np.ndarray, check_truth: np.ndarray
) -> tuple[Ridge, Ridge]:
    """One ridge per sensor, and one that all sensors share; penalties are those with the least error on the checks."""
    moments = [_Moments.of(inputs[..., s], targets[..., s]) for s in range(inputs.shape[2])]
    own = _own(moments, check_inputs, check_truth)
    equations = _Decomposed.of(reduce(_Moments.__add__, moments))
    weights, bias = equations.solve(_best_penalty(equations, check_inputs, check_truth))
    copies = (len(moments), 1, 1)
    return own, Ridge(np.tile(weights, copies), np.tile(bias, copies[:2]))


def _own(moments: list[_Moments], check_inputs: np.ndarray, check_truth: np.ndarray) -> Ridge:
    fitted: list[tuple[np.ndarray, np.ndarray]] = []
    for s, sums in enumerate(moments):
        equations, one = _Decomposed.of(sums), slice(s, s + 1)
        best = _best_penalty(equations, check_inputs[..., one], check_truth[..., one])
        fitted.append(equations.solve(best))
    weights, bias = zip(*fitted, strict=True)
    return Ridge(np.stack(weights), np.stack(bias))


def _best_penalty(equations: _Decomposed, inputs: np.ndarray, truth: np.ndarray) -> float:
    """The penalty with the least error on [windows, look_back, sensors] against [windows, horizon, sensors]."""
    x, y = _by_sensor(inputs), _by_sensor(truth)
    known = ~np.isnan(x).any(1)
    x, y = x[known], y[known]

    def error(penalty: float) -> float:
        weights, bias = equations.solve(penalty)
        return float(np.nanmean((x @ weights + bias - y) ** 2))

    return float(min(PENALTIES, key=error))


def _by_sensor(windows: np.ndarray) -> np.ndarray:
    """[windows, steps, sensors] → [windows · sensors, steps]."""
    return windows.transpose(0, 2, 1).reshape(-1, windows.shape[1])
