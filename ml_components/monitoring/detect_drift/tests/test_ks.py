"""The test's statistic and p are those of scipy; figures without scipy here were taken from scipy 1.18."""

import numpy as np
import pytest
from ks import ks_columns, ks_p, ks_statistic

SCIPY_P = [
    (0.005, 5000, 0.9995858441),
    (0.01, 5000, 0.6954557254),
    (0.0125, 5000, 0.4120189795),
    (0.02, 5000, 0.03613941395),
    (0.03, 5000, 0.0002415923442),
    (0.05, 5000, 2.652305233e-11),
    (0.05, 300, 0.427441205),
    (0.08, 300, 0.04064402562),
    (0.12, 300, 0.0003195501384),
    (0.2, 300, 5.40215313e-11),
    (0.03, 150, 0.9987216606),
]


def _brute(one: np.ndarray, other: np.ndarray) -> float:
    at = np.concatenate([one, other])
    return max(abs((one <= x).mean() - (other <= x).mean()) for x in at)


@pytest.mark.parametrize("seed", range(20))
def test_the_statistic_is_the_largest_distance_with_ties_and_unequal_sizes(seed: int) -> None:
    random = np.random.default_rng(seed)
    one = np.sort(random.integers(0, 12, random.integers(1, 60)).astype(float))
    other = np.sort(random.integers(0, 15, random.integers(1, 60)).astype(float))
    assert ks_statistic(one, other) == pytest.approx(_brute(one, other), abs=1e-12)
    assert ks_statistic(other, one) == ks_statistic(one, other)


@pytest.mark.parametrize(("other", "expected"), [([1.0, 2.0, 3.0], 0.0), ([4.0, 5.0], 1.0), ([1.0], 2 / 3)])
def test_known_statistics(other: list[float], expected: float) -> None:
    assert ks_statistic(np.array([1.0, 2.0, 3.0]), np.array(other)) == pytest.approx(expected)


@pytest.mark.parametrize(("statistic", "pairs", "scipys"), SCIPY_P)
def test_p_is_scipys(statistic: float, pairs: int, scipys: float) -> None:
    """`scipy.stats.kstwo.sf(statistic, pairs)`, which is what ks_2samp(method="asymp") gives."""
    assert ks_p(statistic, pairs) == pytest.approx(scipys, abs=0.03 / pairs, rel=0)


def test_columns_are_compared_each_with_its_own() -> None:
    random = np.random.default_rng(0)
    reference, current = random.standard_normal((500, 3)), random.standard_normal((400, 3))
    current[:, 1] += 1.0
    statistics, p = ks_columns(reference, current)
    expected = [ks_statistic(np.sort(reference[:, k]), np.sort(current[:, k])) for k in range(3)]
    assert statistics.tolist() == expected
    assert p[1] < 1e-20 < 0.01 < min(p[0], p[2])
