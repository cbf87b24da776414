"""The blend: linear models and LSTM on standardised windows, weighed per sensor by their errors on validation data."""

from dataclasses import dataclass

import numpy as np
from lstm import EPSILON, TrainedLstm, fit_lstm
from ridge import Ridge, fit_ridges
from shared.circuit import Hyperparameters
from shared.windows import Windows

INTERVAL = (0.05, 0.95)
# Intervals widen with the look-back's own spread; this is added to it, so that a quiet look-back keeps some width.
SPREAD_FLOOR = 0.25


@dataclass(frozen=True)
class Scale:
    """Mean and deviation [sensors] of the training part; a constant sensor is only centred."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Scale":
        """Of rows [rows, sensors] with NaN where nothing was read."""
        mean, deviation = np.nanmean(values, 0), np.nanstd(values, 0)
        return cls(mean, np.where(deviation > 1e-9 * np.maximum(1.0, np.abs(mean)), deviation, 1.0))

    def standardise(self, values: np.ndarray) -> np.ndarray:
        """Sensor units → units of the training part's deviation."""
        return (values - self.mean) / self.deviation

    def restore(self, values: np.ndarray) -> np.ndarray:
        """The inverse of `standardise`."""
        return values * self.deviation + self.mean


@dataclass(frozen=True)
class Blend:
    """weight [sensors] of the LSTM against `linear`, which mixes each sensor's own ridge with a shared one.

    ridge: the own ones alone, a baseline. lower, upper [horizon, sensors]: quantiles of the residuals in units of the
    look-back's spread.
    """

    scale: Scale
    ridge: Ridge
    linear: Ridge
    lstm: TrainedLstm
    weight: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Look-backs [windows, look_back, sensors] → forecasts [windows, horizon, sensors], in sensor units."""
        z = self.scale.standardise(inputs)
        return self.scale.restore(_mix(self.weight, self.lstm.predict(z), self.linear.predict(z)))

    def predict_ridge(self, inputs: np.ndarray) -> np.ndarray:
        """Each sensor's own ridge alone, in sensor units."""
        return self.scale.restore(self.ridge.predict(self.scale.standardise(inputs)))

    def interval(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of the forecasts, in sensor units."""
        forecast, width = self.predict(inputs), _spread(self.scale.standardise(inputs)) * self.scale.deviation
        return forecast + self.lower * width, forecast + self.upper * width


def fit_blend(scale: Scale, train: Windows, validation: Windows, chosen: Hyperparameters) -> Blend:
    """Fit the models on the training windows, choose penalties, epoch, weights and quantiles on the validation's."""
    x, y = scale.standardise(train.inputs), scale.standardise(train.targets)
    check_x, check_y = scale.standardise(validation.inputs), scale.standardise(validation.truth)
    ridge, shared = fit_ridges(x, y, check_x, check_y)
    linear = ridge.mixed(shared, blend_weights(ridge.predict(check_x), shared.predict(check_x), check_y))
    lstm = fit_lstm(x, y, check_x, scale.standardise(validation.targets), chosen)
    by_linear, by_lstm = linear.predict(check_x), lstm.predict(check_x)
    weight = blend_weights(by_linear, by_lstm, check_y)
    residuals = (check_y - _mix(weight, by_lstm, by_linear)) / _spread(check_x)
    lower, upper = _quantiles(residuals)
    return Blend(scale, ridge, linear, lstm, weight, lower, upper)


def blend_weights(one: np.ndarray, other: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The other's weight in [0, 1] per sensor that minimises the squared error of the mix of two forecasts."""
    apart = other - one
    square = np.nansum(np.where(np.isnan(truth), np.nan, apart) ** 2, (0, 1))
    along = np.nansum(apart * (truth - one), (0, 1))
    return np.clip(np.where(square > 0, along / np.where(square > 0, square, 1.0), 0.0), 0.0, 1.0)


def _mix(weight: np.ndarray, by_lstm: np.ndarray, by_linear: np.ndarray) -> np.ndarray:
    return weight * by_lstm + (1.0 - weight) * by_linear


def _spread(inputs: np.ndarray) -> np.ndarray:
    return np.sqrt(inputs.var(1, keepdims=True) + EPSILON) + SPREAD_FLOOR


def _quantiles(residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per horizon step and sensor; a step without residuals takes its sensor's."""
    if np.isnan(residuals).any():
        pooled = np.nanquantile(residuals, INTERVAL, axis=(0, 1))[:, None, :]
        steps = np.nanquantile(residuals, INTERVAL, axis=0)
        lower, upper = np.where(np.isnan(residuals).all(0), pooled, steps)
    else:  # by numpy's other function, which does not go column by column
        lower, upper = np.quantile(residuals, INTERVAL, axis=0)
    return np.minimum(lower, 0.0), np.maximum(upper, 0.0)
