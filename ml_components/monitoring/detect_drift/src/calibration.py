"""How far apart two stretches of the same, undrifted sensor lie: learned from blocks of the reference.

Sensor data is autocorrelated, a week of it hardly more than a few independent values, so that a plain test calls
every week drifted. Each block of the reference is compared with the rest of it instead; what is to be judged must be
further off than these are.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

MIN_BLOCKS = 8
# A sensor's own spread is mixed with the circuit's as if that were known from so many blocks more.
PRIOR_BLOCKS = 12


@dataclass(frozen=True)
class Calibration:
    """Per sensor [sensors]: mean and deviation of the blocks' distances (as log odds), and the blocks behind them."""

    mean: np.ndarray
    deviation: np.ndarray
    blocks: np.ndarray

    @classmethod
    def of(cls, distances: np.ndarray) -> "Calibration":
        """Of statistics [sensors, blocks] in (0, 1), NaN where a block was not usable."""
        odds = log_odds(distances)
        blocks = (~np.isnan(odds)).sum(1)
        enough = blocks >= MIN_BLOCKS
        mean = np.full(len(odds), np.nan)
        variance = np.full(len(odds), np.nan)
        mean[enough] = np.nanmean(odds[enough], 1)
        variance[enough] = np.nanvar(odds[enough], 1, ddof=1)
        common = np.mean(variance[enough]) if enough.any() else np.nan
        own = np.maximum(blocks - 1, 0)
        moderated = (PRIOR_BLOCKS * common + own * variance) / (PRIOR_BLOCKS + own)
        return cls(mean, np.sqrt(moderated * (1.0 + 1.0 / np.maximum(blocks, 1))), blocks)

    def score(self, sensor: int, statistic: float) -> float:
        """How many deviations the statistic lies above that of the sensor's blocks."""
        return float((log_odds(np.array(statistic)) - self.mean[sensor]) / self.deviation[sensor])

    def limit(self, sensor: int, share: float) -> float:
        """The score that an undrifted stretch exceeds in `share` of all cases."""
        return student_quantile(1.0 - share, int(self.blocks[sensor]) - 1 + PRIOR_BLOCKS)


def log_odds(statistic: np.ndarray) -> np.ndarray:
    """Of statistics in [0, 1]; kept off both ends."""
    inside = np.clip(statistic, 1e-4, 1.0 - 1e-4)
    return np.log(inside / (1.0 - inside))


def student_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t by Cornish and Fisher's expansion: to 0.1 % from ten degrees of freedom on."""
    z = NormalDist().inv_cdf(probability)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def independent_values(blocks: np.ndarray) -> float:
    """How many independent values a block [blocks, rows] of standardised readings is worth (batch means)."""
    seen = ~np.isnan(blocks).all(1)
    if seen.sum() < MIN_BLOCKS:
        return np.nan
    spread = np.var(np.nanmean(blocks[seen], 1), ddof=1)
    return float(np.clip(1.0 / spread, 1.0, blocks.shape[1])) if spread > 0 else 1.0
