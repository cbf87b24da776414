"""Errors of forecasts, and the metrics.json document that carries them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.circuit import Circuit, Limits

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Errors:
    """Per sensor [sensors], NaN where a sensor has no pair of forecast and reading."""

    mse: np.ndarray
    mae: np.ndarray

    def mean(self) -> dict[str, float]:
        """Averages over the sensors."""
        return {"mse": _mean(self.mse), "mae": _mean(self.mae)}


def seasonal_naive(inputs: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """Repeat the look-back's last season: [windows, look_back, sensors] → [windows, horizon, sensors]."""
    return inputs[:, -season:, :][:, np.arange(horizon) % season, :]


def errors(forecast: np.ndarray, truth: np.ndarray, scale: np.ndarray | float = 1.0) -> Errors:
    """Errors over [windows, horizon, sensors] in units of `scale`; cells without a reading do not count."""
    miss = (forecast - truth) / scale
    count = np.maximum((~np.isnan(miss)).sum((0, 1)), 1)
    empty = np.isnan(miss).all((0, 1))
    mse, mae = np.nansum(miss**2, (0, 1)) / count, np.nansum(np.abs(miss), (0, 1)) / count
    return Errors(np.where(empty, np.nan, mse), np.where(empty, np.nan, mae))


def skill(mse: float, baseline_mse: float) -> float:
    """1 − mse / baseline mse; 0 where the baseline leaves no error to beat."""
    return 1.0 - mse / baseline_mse if baseline_mse > 1e-12 else 0.0


def exceedances(
    forecast: np.ndarray, truth: np.ndarray, sensors: tuple[str, ...], limits: Mapping[str, Limits]
) -> tuple[float | None, float | None]:
    """Precision and recall of "this step is outside the alarm limits"; None where nothing is to be counted."""
    hits = predicted = actual = 0
    for index, sensor in enumerate(sensors):
        if sensor in limits:
            known = ~np.isnan(truth[:, :, index]) & ~np.isnan(forecast[:, :, index])
            alarms = _outside(forecast[:, :, index], limits[sensor]) & known
            facts = _outside(truth[:, :, index], limits[sensor]) & known
            hits, predicted, actual = (
                hits + (alarms & facts).sum(),
                predicted + alarms.sum(),
                actual + facts.sum(),
            )
    return (float(hits / predicted) if predicted else None, float(hits / actual) if actual else None)


def metrics_document(
    circuit: Circuit,
    *,
    rows: int,
    windows: Mapping[str, int],
    truth: np.ndarray,
    forecast: np.ndarray,
    seasonal: np.ndarray,
    ridge: np.ndarray,
    champion: np.ndarray | None,
    scale: np.ndarray,
    blend_weights: np.ndarray,
    training: Mapping[str, Any],
) -> dict[str, Any]:
    """metrics.json: `metrics` in sensor units, `standardised` and `baselines` in units of `scale` [sensors]."""
    own, standard = errors(forecast, truth), errors(forecast, truth, scale)
    naive = errors(seasonal, truth, scale)
    others = {
        "seasonal_naive": naive,
        "ridge": errors(ridge, truth, scale),
        "champion": None if champion is None else errors(champion, truth, scale),
    }
    precision, recall = exceedances(forecast, truth, circuit.sensors, circuit.limits)
    mean = standard.mean()
    return {
        "schema_version": SCHEMA_VERSION,
        "plant_id": circuit.plant_id,
        "circuit_id": circuit.circuit_id,
        "cutoff_date": circuit.cutoff_date.isoformat(),
        "rows": rows,
        "windows": dict(windows),
        "metrics": {
            "mae": _mean(own.mae),
            "rmse": _mean(np.sqrt(own.mse)),
            "r2": _r2(own.mse, truth),
            "accuracy": _accuracy(forecast, truth),
            "mse": _mean(own.mse),
            "precision": precision,
            "recall": recall,
        },
        "standardised": mean,
        "baselines": {name: other and other.mean() for name, other in others.items()},
        "skill": {
            name: None if other is None else skill(mean["mse"], other.mean()["mse"])
            for name, other in others.items()
        },
        "sensors": {
            sensor: {
                "mae": _number(own.mae[index]),
                "rmse": _number(np.sqrt(own.mse[index])),
                "standardised_mse": _number(standard.mse[index]),
                "seasonal_naive_mse": _number(naive.mse[index]),
                "blend_weight": _number(blend_weights[index]),
            }
            for index, sensor in enumerate(circuit.sensors)
        },
        "training": dict(training),
    }


def _outside(values: np.ndarray, limits: Limits) -> np.ndarray:
    low = -np.inf if limits.low is None else limits.low
    high = np.inf if limits.high is None else limits.high
    return (values < low) | (values > high)


def _r2(mse: np.ndarray, truth: np.ndarray) -> float | None:
    seen = ~np.isnan(mse)
    if not seen.any():
        return None
    variance = np.nanvar(truth[:, :, seen], axis=(0, 1))
    varied = variance > 1e-12
    return _mean(1.0 - mse[seen][varied] / variance[varied]) if varied.any() else None


def _accuracy(forecast: np.ndarray, truth: np.ndarray) -> float:
    """1 − WAPE, averaged over the sensors that are not zero throughout."""
    total = np.nansum(np.abs(np.where(np.isnan(forecast), np.nan, truth)), (0, 1))
    missed = np.nansum(np.abs(forecast - truth), (0, 1))
    counted = total > 0
    return _mean(1.0 - missed[counted] / total[counted]) if counted.any() else float(not missed.any())


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
