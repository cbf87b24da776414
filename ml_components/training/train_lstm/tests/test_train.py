"""The whole command on a small circuit, with real TensorFlow; and the models it is made of."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SENSORS, SmallCircuit, signals
from shared.forecaster import Forecaster

SCRIPT = Path(__file__).parents[1] / "src" / "train.py"


def _command(circuit: SmallCircuit, folder: Path, **changes: Any) -> subprocess.CompletedProcess[str]:
    folder.mkdir(parents=True, exist_ok=True)
    arguments = {
        "circuit_config": circuit.config(**changes),
        "training_data": circuit.training_data,
        "trained_model": folder / "model",
        "metrics": folder / "metrics.json",
        "artifacts": folder / "artifacts",
    }
    flags = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    return subprocess.run([sys.executable, str(SCRIPT), *flags], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def trained(trained_model: Path) -> Path:
    return trained_model.parent


def test_help_explains_itself() -> None:
    shown = subprocess.run(
        [sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, check=True
    )
    for word in ("--circuit_config", "--training_data", "MLTable", "Exit 2"):
        assert word in shown.stdout


def test_metrics_have_the_agreed_shape(trained: Path) -> None:
    document = json.loads((trained / "metrics.json").read_text())
    assert document["rows"] == 480
    assert set(document) == {
        "schema_version", "plant_id", "circuit_id", "cutoff_date", "rows", "windows", "metrics", "standardised",
        "baselines", "skill", "sensors", "training",
    }  # fmt: skip
    assert set(document["sensors"]) == set(SENSORS)
    assert document["training"]["onnx_parity"] < 1e-5
    assert document["training"]["missing_share"] == pytest.approx(12 / 1440, abs=1e-6)
    assert 0 < document["standardised"]["mse"] < document["baselines"]["seasonal_naive"]["mse"]


def test_artifacts_are_there(trained: Path) -> None:
    names = {path.name for path in (trained / "artifacts").iterdir()}
    assert names == {"training_curve.png", "forecast.png", "lstm.weights.h5", "model_card.md"}
    assert "PLANT1/CIRC1" in (trained / "artifacts" / "model_card.md").read_text()


def test_the_model_loads_with_mlflow_and_without_tensorflow(trained: Path) -> None:
    program = """
import sys, mlflow.pyfunc, numpy as np
model = mlflow.pyfunc.load_model(sys.argv[1])
found = model.predict(np.ones((2, 24, 3)))
print(sorted(found), found["forecast"].shape, "tensorflow" in sys.modules, model.metadata.signature is not None)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(trained / "model")], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "['forecast', 'lower', 'ridge', 'upper'] (2, 6, 3) False True", done.stderr


def test_a_repeat_gives_the_same_model(trained: Path, small_circuit: SmallCircuit, tmp_path: Path) -> None:
    assert _command(small_circuit, tmp_path).returncode == 0
    inputs = signals(24)[None]
    one, other = (
        Forecaster.load(folder / "model").predict(inputs, "forecast", "lower", "upper")
        for folder in (trained, tmp_path)
    )
    np.testing.assert_array_equal(one, other)


def test_forecasts_of_one_sensor_survive_anothers_gap(trained: Path) -> None:
    model = Forecaster.load(trained / "model")
    whole = signals(24)[None]
    [expected] = model.predict(whole, "forecast")
    broken = whole.copy()
    broken[0, 3, 1] = np.nan
    [found] = model.predict(broken, "forecast")
    assert np.isnan(found[..., 1]).all()
    np.testing.assert_allclose(found[..., [0, 2]], expected[..., [0, 2]], rtol=1e-6)


def test_intervals_hold_the_forecast_and_widen_with_the_look_back(trained: Path) -> None:
    model = Forecaster.load(trained / "model")
    quiet = signals(24)[None]
    wild = (quiet - quiet.mean(1)) * 3 + quiet.mean(1)
    forecast, lower, upper = model.predict(np.concatenate([quiet, wild]), "forecast", "lower", "upper")
    assert (lower <= forecast).all()
    assert (forecast <= upper).all()
    assert ((upper - lower)[1] > (upper - lower)[0]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training_days": 1}, "24 rows of PLANT1/CIRC1 before cutoff 2025-02-28, needs ≥"),
        ({"sensors": ["temperature", "level"]}, "no reading of sensor level"),
        ({"plant_id": "PLANT2"}, "training_data is of plant_id PLANT1, circuit_config of PLANT2"),
        ({"hyperparameters": {"depth": 3}}, "hyperparameters.depth is not known"),
    ],
)
def test_inputs_that_cannot_be_used_exit_2(
    small_circuit: SmallCircuit, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    done = _command(small_circuit, tmp_path, **changes)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


def test_the_cutoff_is_honoured(small_circuit: SmallCircuit) -> None:
    from shared.circuit import load_circuit
    from shared.readings import load_training_series

    circuit = load_circuit(small_circuit.config(cutoff_date="2025-02-20", training_days=5))
    series = load_training_series(circuit, small_circuit.training_data)
    assert series.time(0).isoformat() == "2025-02-16T00:00:00+00:00"
    assert series.time(len(series.values) - 1).isoformat() == "2025-02-20T23:00:00+00:00"


def test_a_constant_sensor_is_trained_and_forecast_as_it_is(
    make_small_circuit: Callable[[np.ndarray], SmallCircuit],
) -> None:
    from blend import Scale, fit_blend
    from export import build_onnx, check_parity
    from shared.circuit import load_circuit
    from shared.readings import load_training_series
    from shared.windows import split_windows

    values = signals(300)
    values[:, 2] = 7.0
    small = make_small_circuit(values)
    circuit = load_circuit(small.config(training_days=30))
    series = load_training_series(circuit, small.training_data)
    parts = split_windows(circuit, series)
    blend = fit_blend(
        Scale.of(series.values[:200]), parts["train"], parts["validation"], circuit.hyperparameters
    )
    assert check_parity(build_onnx(blend, circuit, {}), blend, parts["test"].inputs) < 1e-5
    np.testing.assert_allclose(blend.predict(parts["test"].inputs)[..., 2], 7.0, atol=0.05)


def test_a_network_that_trained_another_circuit_since_is_as_good_as_new() -> None:
    """Networks are compiled once for circuits alike; nothing of one circuit may reach the next."""
    from lstm import fit_lstm
    from shared.circuit import Hyperparameters

    chosen = Hyperparameters(look_back=24, horizon=6, patch=6, units=8, epochs=2)
    random = np.random.default_rng(5)
    one, other = (random.standard_normal((2, 80, 30, 2)) for _ in range(2))

    def fit(parts: np.ndarray) -> Any:
        (x, y), (check_x, check_y) = ((part[:, :24], part[:, 24:]) for part in parts)
        return fit_lstm(x, y, check_x, check_y, chosen)

    first = fit(one)
    expected = first.predict(one[1][:, :24])
    fit(other)
    np.testing.assert_array_equal(first.predict(one[1][:, :24]), expected)
    np.testing.assert_array_equal(fit(one).predict(one[1][:, :24]), expected)


def test_the_shared_ridge_learns_from_every_sensor() -> None:
    """With the same law behind two noisy sensors, weights fitted to both are nearer to it than those of one."""
    from ridge import fit_ridges

    random = np.random.default_rng(1)
    law = random.standard_normal((12, 3)) / 4
    law[-1] += 1.0 - law.sum(0)  # a level stays a level
    x = random.standard_normal((60, 12, 2))
    y = np.einsum("nls,lh->nhs", x, law) + random.standard_normal((60, 3, 2))
    own, shared = fit_ridges(x[:40], y[:40], x[40:], y[40:])
    misses = [np.abs(ridge.weights - law).mean() for ridge in (own, shared)]
    assert misses[1] < misses[0]
    np.testing.assert_array_equal(shared.weights[0], shared.weights[1])
    half = own.mixed(shared, np.array([0.5, 0.0]))
    given = x[:5]
    np.testing.assert_allclose(half.predict(given)[..., 1], own.predict(given)[..., 1])
    between = (own.predict(given) + shared.predict(given)) / 2
    np.testing.assert_allclose(half.predict(given)[..., 0], between[..., 0])


def test_what_comes_after_the_cutoff_changes_nothing(
    make_small_circuit: Callable[[np.ndarray], SmallCircuit], tmp_path: Path
) -> None:
    """The same circuit, cut off a day early, whether its last day is as it was or absurd."""
    values = signals(300)
    absurd = values.copy()
    absurd[-24:] = 1e6
    found: list[dict[str, Any]] = []
    for number, given in enumerate((values, absurd)):
        small, folder = make_small_circuit(given), tmp_path / str(number)
        assert _command(small, folder, cutoff_date="2025-02-27", training_days=30).returncode == 0
        document = json.loads((folder / "metrics.json").read_text())
        del document["training"]["seconds"]
        found.append(document)
    assert found[0] == found[1]


def test_blend_weights_follow_the_better_model() -> None:
    from blend import blend_weights

    truth = np.random.default_rng(0).standard_normal((50, 6, 4))
    off = truth + 1.0
    by_ridge = np.stack([off[..., 0], truth[..., 1], truth[..., 2] - 1, truth[..., 3]], -1)
    by_lstm = np.stack([truth[..., 0], off[..., 1], off[..., 2], truth[..., 3]], -1)
    truth[0, 0, 0] = np.nan
    np.testing.assert_allclose(blend_weights(by_ridge, by_lstm, truth), [1.0, 0.0, 0.5, 0.0], atol=1e-9)


@pytest.mark.parametrize(("patches", "patch", "units"), [(8, 12, 64), (1, 5, 3)])
def test_the_network_forecasts_and_learns_as_keras_does(patches: int, patch: int, units: int) -> None:
    import tensorflow as tf
    from network import Network, Shape, forward

    network = Network(Shape(patches, patch, units, horizon=4, batch=16, learning_rate=0.01, seed=3))
    weights = [variable.value for variable in network.model.trainable_variables]
    random = np.random.default_rng(1)
    given = random.standard_normal((16, patches, patch)).astype(np.float32)
    with tf.GradientTape(persistent=True) as tape:
        ours, theirs = forward(weights, tf.constant(given)), network.model(given)
        losses = [tf.reduce_sum(tf.square(one)) for one in (ours, theirs)]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    unread = tf.UnconnectedGradients.ZERO
    for pair in zip(
        *(tape.gradient(loss, weights, unconnected_gradients=unread) for loss in losses), strict=True
    ):
        np.testing.assert_allclose(*pair, rtol=1e-4, atol=1e-5)

    targets, scale = np.zeros((16, 4), np.float32), np.ones((16, 1), np.float32)
    order = np.arange(16, dtype=np.int32)
    assert network.run_epoch(given, targets, scale, order) > network.run_epoch(given, targets, scale, order)


def test_the_optimizer_steps_as_keras_adam_does() -> None:
    import keras
    import tensorflow as tf
    from network import Adam

    random = np.random.default_rng(0)
    start = [random.standard_normal(shape).astype(np.float32) for shape in ((3, 4), (4,))]
    ours, theirs = [tf.Variable(one) for one in start], [keras.Variable(one) for one in start]
    own, adam = Adam(0.01, ours), keras.optimizers.Adam(0.01)
    for _ in range(20):
        gradients = [random.standard_normal(one.shape).astype(np.float32) for one in start]
        own.apply(gradients)
        adam.apply([tf.constant(one) for one in gradients], theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gap", [False, True])
def test_quantiles_are_those_of_numpy(gap: bool) -> None:
    from blend import INTERVAL, _quantiles  # pyright: ignore[reportPrivateUsage] - both of its ways

    residuals = np.random.default_rng(3).standard_normal((40, 5, 2))
    if gap:
        residuals[:7, 1, 0] = np.nan
    lower, upper = _quantiles(residuals)
    np.testing.assert_array_equal((lower, upper), np.nanquantile(residuals, INTERVAL, axis=0))
