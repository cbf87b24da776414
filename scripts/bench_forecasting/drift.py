"""The Kolmogorov-Smirnov statistic of many columns, ours, scipy's and Evidently's by turns; a JSON object a turn."""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from ks import ks_columns

ROWS, TURNS = 10_000, 20
EVIDENTLY = 4  # its columns in a turn: they take as long as a thousand of ours


def ours(reference: np.ndarray, current: np.ndarray) -> np.ndarray:
    return ks_columns(reference, current)[0]


def scipys(reference: np.ndarray, current: np.ndarray) -> np.ndarray:
    from scipy.stats import ks_2samp

    pairs = zip(reference.T, current.T, strict=True)
    return np.array([ks_2samp(one, other, method="asymp").statistic for one, other in pairs])


def evidentlys(reference: np.ndarray, current: np.ndarray) -> np.ndarray:
    """What Evidently computes of the columns; it reports p, not the statistic."""
    import pandas as pd
    from evidently import Report
    from evidently.metrics import ValueDrift

    names = [f"sensor{index}" for index in range(reference.shape[1])]
    before, now = (pd.DataFrame(values, columns=names) for values in (reference, current))
    Report([ValueDrift(column=name, method="ks") for name in names]).run(now, before)
    return np.array([])


def timed(way: Callable[..., np.ndarray], *tables: np.ndarray) -> tuple[float, np.ndarray]:
    """CPU seconds a column, and what was found."""
    began = time.process_time()
    found = way(*tables)
    return (time.process_time() - began) / tables[0].shape[1], found


def turn(number: int, columns: int) -> dict[str, Any]:
    random = np.random.default_rng(number)
    reference, current = random.standard_normal((2, ROWS, columns))
    current += 0.02 * random.standard_normal(columns)
    own, found = timed(ours, reference, current)
    scipy, expected = timed(scipys, reference, current)
    evidently, _ = timed(evidentlys, reference[:, :EVIDENTLY], current[:, :EVIDENTLY])
    apart = float(np.abs(found - expected).max())
    return {"columns": columns, "ours": own, "scipy": scipy, "evidently": evidently, "apart": apart}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("columns", type=int)
    warnings.simplefilter("ignore")  # pandas', within Evidently
    timed(evidentlys, *np.random.default_rng(0).standard_normal((2, 100, 1)))  # its imports
    timed(scipys, *np.random.default_rng(0).standard_normal((2, 100, 1)))
    for number in range(TURNS):
        print(json.dumps(turn(number, parser.parse_args().columns // TURNS)), flush=True)
