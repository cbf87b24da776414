"""What a sensor reads beyond what the other sensors and the time of day let expect: ridge on standardised readings.

A plant that runs harder moves all its sensors together and no residual; a sensor that slips away from the others
moves its own, long before its own distribution leaves what a year has shown.
"""

from dataclasses import dataclass

import numpy as np
from calibration import Calibration
from ks import ks_statistic

PENALTY = 1e-3
MIN_COVERAGE = 0.5


@dataclass(frozen=True)
class Expectation:
    """Weights on the predictors `of` for one sensor, and the reference's residuals, sorted."""

    of: np.ndarray
    weights: np.ndarray
    residuals: np.ndarray


@dataclass(frozen=True)
class ResidualChannel:
    """Expectations per sensor (None for a sensor that is not to be used), calibrated on the reference's blocks."""

    expectations: list[Expectation | None]
    calibration: Calibration
    day: np.ndarray

    @classmethod
    def fit(cls, blocks: np.ndarray, usable: np.ndarray, day: np.ndarray) -> "ResidualChannel":
        """Of standardised readings [blocks, rows, sensors]; `day` [rows, 2] is the time of day on a circle.

        Sensors that are not `usable` [sensors] predict nothing and are not judged.
        """
        features = _features(blocks, day)
        grams = np.einsum("bri,brk->bik", features, features)
        total = grams.sum(0)
        expectations: list[Expectation | None] = []
        distances = np.full((blocks.shape[2], len(blocks)), np.nan)
        for sensor in range(blocks.shape[2]):
            if not usable[sensor]:
                expectations.append(None)
                continue
            of = _predictors(sensor, usable, features.shape[2])
            scale = blocks.shape[0] * blocks.shape[1]
            distances[sensor] = [
                _distance_of_block(
                    blocks, features, sensor, index, of, _solve(total - gram, sensor, of, scale)
                )
                for index, gram in enumerate(grams)
            ]
            weights = _solve(total, sensor, of, scale)
            left = _sorted(blocks[..., sensor] - features[..., of] @ weights)
            expectations.append(Expectation(of, weights, left))
        return cls(expectations, Calibration.of(distances), day)

    def statistic(self, current: np.ndarray, sensor: int) -> float | None:
        """KS distance of current residuals [rows, sensors] from the reference's; None with too few readings."""
        expectation = self.expectations[sensor]
        if expectation is None or np.isnan(current[:, sensor]).mean() > 1.0 - MIN_COVERAGE:
            return None
        features = _features(current, self.day)
        left = _sorted(current[:, sensor] - features[:, expectation.of] @ expectation.weights)
        return ks_statistic(expectation.residuals, left)


def time_of_day(rows: int, minutes: int) -> np.ndarray:
    """[rows, 2]: where in the day each row lies, from midnight on, as a point on a circle."""
    angle = 2.0 * np.pi * np.arange(rows) * minutes / 1440.0
    return np.stack([np.sin(angle), np.cos(angle)], 1)


def _features(values: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Readings, a missing one at its mean; then the time of day and a constant."""
    constant = np.concatenate([day, np.ones((len(day), 1))], 1)
    return np.concatenate([np.nan_to_num(values), np.broadcast_to(constant, (*values.shape[:-1], 3))], -1)


def _predictors(sensor: int, usable: np.ndarray, width: int) -> np.ndarray:
    others = [index for index in range(len(usable)) if usable[index] and index != sensor]
    return np.array([*others, *range(len(usable), width)])


def _solve(gram: np.ndarray, sensor: int, of: np.ndarray, rows: int) -> np.ndarray:
    return np.linalg.solve(gram[np.ix_(of, of)] + PENALTY * rows * np.eye(len(of)), gram[of, sensor])


def _distance_of_block(
    blocks: np.ndarray, features: np.ndarray, sensor: int, index: int, of: np.ndarray, weights: np.ndarray
) -> float:
    """A block's residuals against those of all others, by weights that have not seen the block."""
    if np.isnan(blocks[index, :, sensor]).mean() > 1.0 - MIN_COVERAGE:
        return np.nan
    left = blocks[..., sensor] - features[..., of] @ weights
    return ks_statistic(_sorted(np.delete(left, index, 0)), _sorted(left[index]))


def _sorted(values: np.ndarray) -> np.ndarray:
    return np.sort(values[~np.isnan(values)])
