"""What model monitors measure of one feature, where it can be told from two samples alone. Pure.

A sample is the feature's column as text, "" where a value is missing. Azure bins with its own choices: expect values
that are close to the service's, not equal.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

Sample = Sequence[str]

_BINS = 10
_SMALL = 1e-6  # what an empty bin counts for in the stability index, which divides by it


def is_numerical(sample: Sample) -> bool:
    present = [value for value in sample if value]
    return bool(present) and all(_number(value) is not None for value in present)


def measure(metric: str, reference: Sample, production: Sample) -> float | None:
    """The metric by its name on the wire, whatever its case; None when it is not computed here or nothing is there."""
    name = metric.lower()
    if name == "nullvaluerate":
        return _null_value_rate(production)
    known = _METRICS.get(name)
    return known(reference, production) if known and any(reference) and any(production) else None


def _jensen_shannon_distance(reference: Sample, production: Sample) -> float:
    p, q = _shares(reference, production)
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return math.sqrt(max(0.0, (_divergence(p, middle) + _divergence(q, middle)) / 2))


def _population_stability_index(reference: Sample, production: Sample) -> float:
    pairs = zip(*_shares(reference, production), strict=True)
    smoothed = [(max(a, _SMALL), max(b, _SMALL)) for a, b in pairs]
    return sum((b - a) * math.log(b / a) for a, b in smoothed)


def _normalized_wasserstein_distance(reference: Sample, production: Sample) -> float | None:
    """The area between the two distribution functions, in standard deviations of the reference."""
    old, new = sorted(_numbers(reference)), sorted(_numbers(production))
    if not old or not new:
        return None
    mean = sum(old) / len(old)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in old) / len(old))
    points = sorted({*old, *new})
    area = sum(
        abs(_below(old, left) - _below(new, left)) * (right - left) for left, right in pairwise(points)
    )
    return area / deviation if deviation else None


def _null_value_rate(production: Sample) -> float | None:
    return sum(not value for value in production) / len(production) if production else None


def _data_type_error_rate(reference: Sample, production: Sample) -> float:
    """The share of values that are no numbers where the reference has numbers only."""
    if not is_numerical(reference):
        return 0.0
    return sum(bool(value) and _number(value) is None for value in production) / len(production)


def _out_of_bounds_rate(reference: Sample, production: Sample) -> float:
    """The share of values outside of the reference's range, or of its set of values."""
    if is_numerical(reference):
        numbers = _numbers(reference)
        low, high = min(numbers), max(numbers)
        return sum(not low <= value <= high for value in _numbers(production)) / len(production)
    known = set(reference)
    return sum(bool(value) and value not in known for value in production) / len(production)


_METRICS: Mapping[str, Callable[[Sample, Sample], float | None]] = {
    "jensenshannondistance": _jensen_shannon_distance,
    "populationstabilityindex": _population_stability_index,
    "normalizedwassersteindistance": _normalized_wasserstein_distance,
    "datatypeerrorrate": _data_type_error_rate,
    "outofboundsrate": _out_of_bounds_rate,
}


def _shares(reference: Sample, production: Sample) -> tuple[list[float], list[float]]:
    """The shares of both samples in the same bins: equal widths for numbers, else one for every value."""
    if is_numerical(reference) and is_numerical(production):
        old, new = _numbers(reference), _numbers(production)
        low, high = min(*old, *new), max(*old, *new)
        width = (high - low) / _BINS or 1.0
        return _counted([_bin(v, low, width) for v in old], [_bin(v, low, width) for v in new])
    return _counted([value for value in reference if value], [value for value in production if value])


def _counted[T: (int, str)](old: Sequence[T], new: Sequence[T]) -> tuple[list[float], list[float]]:
    first, second = Counter(old), Counter(new)
    bins = sorted(first.keys() | second.keys())
    return [first[one] / len(old) for one in bins], [second[one] / len(new) for one in bins]


def _bin(value: float, low: float, width: float) -> int:
    return min(int((value - low) / width), _BINS - 1)


def _divergence(p: Sequence[float], q: Sequence[float]) -> float:
    return sum(a * math.log2(a / b) for a, b in zip(p, q, strict=True) if a)


def _below(ordered: Sequence[float], value: float) -> float:
    return sum(one <= value for one in ordered) / len(ordered)


def _numbers(sample: Sample) -> list[float]:
    found = (_number(value) for value in sample if value)
    return [value for value in found if value is not None]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
