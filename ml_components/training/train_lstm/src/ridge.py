"""Per-channel ridge regression from a standardised look-back to the horizon."""

from dataclasses import dataclass

import numpy as np

PENALTIES = np.logspace(-3, 4, 15)


@dataclass(frozen=True)
class Ridge:
    """weights [sensors, look_back, horizon] and bias [sensors, horizon], on standardised values."""

    weights: np.ndarray
    bias: np.ndarray

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """[windows, look_back, sensors] → [windows, horizon, sensors]."""
        return np.einsum("nls,slh->nhs", inputs, self.weights, optimize=True) + self.bias.T


def fit_ridge(
    inputs: np.ndarray, targets: np.ndarray, check_inputs: np.ndarray, check_truth: np.ndarray
) -> Ridge:
    """One ridge per sensor; its penalty is the one with the least error on the check windows."""
    fitted = [
        _fit_sensor(inputs[..., s], targets[..., s], check_inputs[..., s], check_truth[..., s])
        for s in range(inputs.shape[2])
    ]
    return Ridge(np.stack([weights for weights, _ in fitted]), np.stack([bias for _, bias in fitted]))


def _fit_sensor(
    x: np.ndarray, y: np.ndarray, check_x: np.ndarray, check_y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    usable = ~(np.isnan(x).any(1) | np.isnan(y).any(1))
    x, y = x[usable], y[usable]
    x_mean, y_mean = x.mean(0), y.mean(0)
    values, vectors = np.linalg.eigh((x - x_mean).T @ (x - x_mean))
    moment = vectors.T @ ((x - x_mean).T @ (y - y_mean))
    candidates = [vectors @ (moment / (np.maximum(values, 0) + penalty)[:, None]) for penalty in PENALTIES]
    known = ~np.isnan(check_x).any(1)
    miss = [_mse((check_x[known] - x_mean) @ weights + y_mean, check_y[known]) for weights in candidates]
    weights = candidates[int(np.argmin(miss))]
    return weights, y_mean - x_mean @ weights


def _mse(forecast: np.ndarray, truth: np.ndarray) -> float:
    """Mean squared error over the cells with a reading; infinite without any."""
    squares = (forecast - truth) ** 2
    known = ~np.isnan(squares)
    return float(squares[known].mean()) if known.any() else np.inf
