"""The figure of one circuit: its last test window with the forecast, and how its residuals are spread."""

import base64
import io

import matplotlib

matplotlib.use("Agg")
import numpy as np
import yaml
from document import Circuit as Pin
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from shared.circuit import Circuit, parse_circuit
from shared.errors import InputError
from shared.forecaster import MODEL_FILE, Forecaster
from shared.metrics import errors, seasonal_naive
from shared.readings import Series, load_training_series
from shared.storage import read_below
from shared.windows import Windows, split_windows

SENSORS = 4  # rows a figure: the sensors with the largest standardised errors
BINS = 24


def figure(pin: Pin, data: str) -> str:
    """An `<img>` of the circuit with everything in it; raises `InputError` where something it needs is gone."""
    circuit = parse_circuit(yaml.safe_load(read_below(data, pin.circuit_config)))
    if pin.training_data is None:
        raise InputError("the release set does not say on which data")
    model = Forecaster.load(read_below(data, f"jobs/{pin.job}/trained_model/{MODEL_FILE}"))
    series = load_training_series(circuit, f"{data}/{pin.training_data}")
    test = split_windows(circuit, series)["test"]
    if not len(test):
        raise InputError("no complete test window")
    return _image(_draw(circuit, model, series, test), f"{pin.name}: forecast and residuals")


def _draw(circuit: Circuit, model: Forecaster, series: Series, test: Windows) -> Figure:
    forecast, lower, upper = model.predict(test.inputs, "forecast", "lower", "upper")
    naive = seasonal_naive(test.inputs, circuit.hyperparameters.horizon, circuit.hyperparameters.season)
    deviation = np.array(model.metadata["deviation"])
    order = np.argsort(-np.nan_to_num(errors(forecast, test.truth, deviation).mse))[:SENSORS]
    height = 1.45 * len(order) + 0.6
    drawn = Figure(figsize=(9.5, height))
    axes = drawn.subplots(len(order), 2, squeeze=False, sharex="col", width_ratios=(2.2, 1))
    drawn.subplots_adjust(0.08, 0.25 / height, 0.99, 1 - 0.3 / height, wspace=0.05, hspace=0.1)
    for (left, right), sensor in zip(axes, order.tolist(), strict=True):
        _window(left, circuit, series, test, sensor, forecast, (lower, upper))
        spread = deviation[sensor] or 1.0
        _residuals(right, *(((one - test.truth)[:, :, sensor] / spread) for one in (forecast, naive)))
        left.set_ylabel(circuit.sensors[sensor], fontsize="small")
    last = series.time(int(test.starts[-1]) + circuit.hyperparameters.look_back)
    shown = f"{len(order)} of {len(circuit.sensors)} sensors, largest errors first"
    left_title = f"last test window, forecast from {last:%Y-%m-%d %H:%M}; {shown}"
    axes[0, 0].set_title(left_title, fontsize="small")
    axes[0, 1].set_title(f"residuals of {len(test)} test windows (σ)", fontsize="small")
    axes[0, 0].legend(loc="upper left", ncols=3, fontsize="x-small")
    axes[0, 1].legend(loc="upper left", fontsize="x-small")
    return drawn


def _window(
    axes: Axes,
    circuit: Circuit,
    series: Series,
    test: Windows,
    sensor: int,
    forecast: np.ndarray,
    interval: tuple[np.ndarray, np.ndarray],
) -> None:
    chosen, start = circuit.hyperparameters, int(test.starts[-1])
    past = [series.time(start + step) for step in range(chosen.look_back)]
    ahead = [series.time(start + chosen.look_back + step) for step in range(chosen.horizon)]
    low, high = (bound[-1, :, sensor] for bound in interval)
    axes.plot(past, test.inputs[-1, :, sensor], color="0.6", linewidth=1)
    axes.plot(ahead, test.truth[-1, :, sensor], color="black", linewidth=1.2, label="read")
    axes.plot(ahead, forecast[-1, :, sensor], color="tab:blue", linewidth=1.5, label="forecast")
    axes.fill_between(ahead, low, high, color="tab:blue", alpha=0.2, linewidth=0, label="interval")
    axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator(), show_offset=False))
    axes.tick_params(labelsize="x-small")


def _residuals(axes: Axes, own: np.ndarray, naive: np.ndarray) -> None:
    reach = max(0.1, float(np.nanquantile(np.abs(naive), 0.99)))
    edges = np.linspace(-reach, reach, BINS + 1)
    for residuals, colour, label in ((naive, "0.7", "seasonal-naive"), (own, "tab:blue", "model")):
        seen = np.clip(residuals[~np.isnan(residuals)], -reach, reach)
        axes.stairs(np.histogram(seen, edges)[0], edges, fill=True, color=colour, alpha=0.7, label=label)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks([])
    axes.tick_params(labelsize="x-small")


def _image(drawn: Figure, description: str) -> str:
    content = io.BytesIO()
    drawn.savefig(content, format="png", dpi=100)
    encoded = base64.b64encode(content.getvalue()).decode()
    return f"<img alt='{description}' src='data:image/png;base64,{encoded}'>"
