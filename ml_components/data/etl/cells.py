"""Cells of a sensor's column → values, with a reason for every cell that is no number."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

GAPS = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")


@dataclass(frozen=True)
class Values:
    """Per row the value, NaN for a gap or a bad cell; of bad ones (index, text, reason)."""

    values: np.ndarray
    gaps: int
    bad: list[tuple[int, str, str]]


def read_values(column: Any, decimal: str = ".") -> Values:
    """A column of texts (or of float64, from Parquet) as float64."""
    if isinstance(column, np.ndarray):
        return _checked(column)
    if decimal == "." and "_" not in "".join(column):  # float() takes 1_000, a measurement never looks so
        try:
            values = np.array(list(map(float, column)), np.float64)
        except ValueError:
            return _one_by_one(column, decimal)
        if np.isfinite(values).all():
            return Values(values, 0, [])
    return _one_by_one(column, decimal)


def _checked(column: np.ndarray) -> Values:
    infinite = np.flatnonzero(np.isinf(column)).tolist()
    values = np.where(np.isinf(column), np.nan, column)
    gaps = int(np.isnan(column).sum())
    return Values(values, gaps, [(index, str(column[index]), "is not finite") for index in infinite])


def _one_by_one(column: Sequence[str], decimal: str) -> Values:
    values = np.full(len(column), np.nan)
    gaps, bad = 0, list[tuple[int, str, str]]()
    for index, cell in enumerate(column):
        text = cell.strip()
        if text.lower() in GAPS:
            gaps += 1
            continue
        value = _number(text, decimal)
        if isinstance(value, str):
            bad.append((index, cell, value))
        else:
            values[index] = value
    return Values(values, gaps, bad)


def _number(text: str, decimal: str) -> float | str:
    """The number, or why it is none."""
    if decimal == "," and "." not in text:
        text = text.replace(",", ".")
    try:
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if math.isinf(value):
        return "is not finite"
    if math.isnan(value):
        return "has a decimal comma" if _DECIMAL_COMMA.fullmatch(text) else "is no number"
    return value
