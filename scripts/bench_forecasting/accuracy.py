"""Errors on held-out data of the forecaster and of what it must beat; a JSON object a circuit."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from blend import Blend, Scale, fit_blend
from series import Case, etth1, prsa
from shared.circuit import Hyperparameters
from shared.metrics import errors, seasonal_naive

# Horizon 24 with the defaults that a circuit gets. For horizon 96 the papers allow look-backs up to 512; what is
# chosen here was chosen on the validation months.
DAY = Hyperparameters()
PAPERS = Hyperparameters(look_back=512, horizon=96, patch=32)


def measure(case: Case, chosen: Hyperparameters) -> dict[str, object]:
    """Standardised errors per sensor on the test windows, by model."""
    train, validation, test = case.windows(chosen)
    scale = Scale.of(case.values[: case.ends[0]])
    blend = fit_blend(scale, train, validation, chosen)
    forecasts = {
        "ours": blend.predict(test.inputs),
        "ridge": blend.predict_ridge(test.inputs),
        "LSTM": scale.restore(blend.lstm.predict(scale.standardise(test.inputs))),
        "seasonal-naive": seasonal_naive(test.inputs, chosen.horizon, chosen.season),
    }
    measured = {name: errors(given, test.truth, scale.deviation) for name, given in forecasts.items()}
    return {
        "case": case.name,
        "horizon": chosen.horizon,
        "look_back": chosen.look_back,
        "sensors": case.sensors,
        "mse": {name: one.mse.tolist() for name, one in measured.items()},
        "mae": {name: one.mae.tolist() for name, one in measured.items()},
        "coverage": _coverage(blend, test.inputs, test.truth),
    }


def _coverage(blend: Blend, inputs: np.ndarray, truth: np.ndarray) -> float:
    """The share of readings within the 90 % interval."""
    lower, upper = blend.interval(inputs)
    known = ~np.isnan(truth) & ~np.isnan(lower)
    return float(((truth >= lower) & (truth <= upper))[known].mean())


def _cases(data: Path) -> Iterator[tuple[Case, Hyperparameters]]:
    case = etth1(data)
    yield case, PAPERS
    yield case, DAY
    for station in prsa(data):
        yield station, DAY


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    for case, chosen in _cases(parser.parse_args().data):
        print(json.dumps(measure(case, chosen)), flush=True)
