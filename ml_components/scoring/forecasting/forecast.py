"""The model's forecasts of look-backs, timed a window at a time, and their error where readings are there already."""

import time
from dataclasses import dataclass

import numpy as np
from shared.forecaster import Forecaster
from shared.metrics import errors, seasonal_naive

OUTPUTS = ("forecast", "lower", "upper")


@dataclass(frozen=True)
class Forecasts:
    """Each output is [windows, horizon, sensors] in sensor units; milliseconds [windows].

    usable [windows, sensors]: the look-back is complete. What is not usable has no forecast and is skipped; what is
    usable and has no finite forecast has failed.
    """

    outputs: dict[str, np.ndarray]
    usable: np.ndarray
    milliseconds: np.ndarray

    @property
    def good(self) -> np.ndarray:
        """Which cells [windows, horizon, sensors] have a finite forecast and interval."""
        return np.isfinite(np.stack([self.outputs[name] for name in OUTPUTS])).all(0)

    @property
    def failed(self) -> int:
        """Cells that should have a forecast and have none."""
        return int((self.usable[:, None, :] & ~self.good).sum())


def forecast(model: Forecaster, inputs: np.ndarray) -> Forecasts:
    """Forecast look-backs [windows, look_back, sensors] one after the other, as requests would come."""
    forecasts = blank(model, inputs)
    if len(inputs):
        model.predict(inputs[:1], *OUTPUTS)  # a session allocates when it runs first: no window's latency
    for index in range(len(inputs)):
        began = time.perf_counter()
        found = model.predict(inputs[index : index + 1], *OUTPUTS)
        forecasts.milliseconds[index] = (time.perf_counter() - began) * 1000.0
        for name, values in zip(OUTPUTS, found, strict=True):
            forecasts.outputs[name][index] = values[0]
    return forecasts


def blank(model: Forecaster, inputs: np.ndarray) -> Forecasts:
    """Forecasts of look-backs, each still to be filled in."""
    shape = (len(inputs), model.metadata["horizon"], len(model.sensors))
    outputs = {name: np.full(shape, np.nan) for name in OUTPUTS}
    return Forecasts(outputs, np.isfinite(inputs).all(1), np.zeros(len(inputs)))


def latency(found: Forecasts) -> dict[str, float | None]:
    """Median and 95th percentile of a window's milliseconds; None without a window."""
    if not len(found.milliseconds):
        return {"p50": None, "p95": None}
    median, high = np.quantile(found.milliseconds, (0.5, 0.95))
    return {"p50": round(float(median), 4), "p95": round(float(high), 4)}


def replay_error(
    model: Forecaster, found: Forecasts, inputs: np.ndarray, truth: np.ndarray
) -> dict[str, float | int | None]:
    """Errors in units of the training part's deviation, averaged over the sensors, on cells that have both.

    `windows` counts those with something to compare; without one the errors are None.
    """
    truth = np.where(found.good, truth, np.nan)
    windows = int((~np.isnan(truth)).any((1, 2)).sum())
    if not windows:
        return {"mae": None, "mse": None, "seasonal_naive_mse": None, "windows": 0}
    scale = np.array(model.metadata["deviation"])
    naive = seasonal_naive(inputs, model.metadata["horizon"], model.metadata["season"])
    own = errors(found.outputs["forecast"], truth, scale).mean()
    return {**own, "seasonal_naive_mse": errors(naive, truth, scale).mean()["mse"], "windows": windows}
