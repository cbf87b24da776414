"""Artifacts of a training: the curve, a forecast with its interval, the Keras weights and a model card."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import numpy as np
from blend import INTERVAL, Blend
from matplotlib.figure import Figure
from shared.circuit import Circuit
from shared.readings import Series
from shared.windows import Windows


def write_artifacts(
    folder: Path, circuit: Circuit, series: Series, blend: Blend, shown: Windows, document: dict[str, Any]
) -> None:
    """Write training_curve.png, forecast.png, lstm.weights.h5 and model_card.md into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    _curve(blend).savefig(folder / "training_curve.png", dpi=100)
    _forecast(circuit, series, blend, shown).savefig(folder / "forecast.png", dpi=100)
    blend.lstm.save_weights(folder / "lstm.weights.h5")
    (folder / "model_card.md").write_text(_card(circuit, series, document), encoding="utf-8")


def _curve(blend: Blend) -> Figure:
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    epochs = range(1, len(blend.lstm.training_loss) + 1)
    axes.plot(epochs, blend.lstm.training_loss, marker="o", label="training")
    axes.plot(epochs, blend.lstm.validation_loss, marker="o", label="validation")
    axes.set(
        xlabel="epoch", ylabel="mean squared error (standardised)", title="LSTM training", xticks=list(epochs)
    )
    axes.legend()
    return figure


def _forecast(circuit: Circuit, series: Series, blend: Blend, shown: Windows) -> Figure:
    """The last validation window: what was read, what was forecast, and the interval."""
    chosen = circuit.hyperparameters
    forecast = blend.predict(shown.inputs[-1:])[0]
    low, high = (bound[0] for bound in blend.interval(shown.inputs[-1:]))
    start = int(shown.starts[-1])
    past = [series.time(start + k) for k in range(chosen.look_back)]
    ahead = [series.time(start + chosen.look_back + k) for k in range(chosen.horizon)]
    figure = Figure(figsize=(9, 2.2 * len(circuit.sensors) + 0.6), layout="constrained")
    every = figure.subplots(len(circuit.sensors), 1, sharex=True, squeeze=False)[:, 0]
    for index, (axes, sensor) in enumerate(zip(every, circuit.sensors, strict=True)):
        axes.plot(past, shown.inputs[-1, :, index], color="0.4", linewidth=1, label="look-back")
        axes.plot(ahead, shown.truth[-1, :, index], color="black", linewidth=1.2, label="read")
        axes.plot(ahead, forecast[:, index], color="tab:blue", linewidth=1.6, label="forecast")
        axes.fill_between(ahead, low[:, index], high[:, index], color="tab:blue", alpha=0.2, linewidth=0,
                          label=f"{INTERVAL[1] - INTERVAL[0]:.0%} interval")  # fmt: skip
        axes.set_ylabel(sensor)
    every[0].set_title(f"{circuit.name}: the last validation window")
    every[0].legend(loc="upper left", ncols=4, fontsize="small")
    figure.autofmt_xdate()
    return figure


def _card(circuit: Circuit, series: Series, document: dict[str, Any]) -> str:
    chosen, measured = circuit.hyperparameters, document["metrics"]
    baselines, own = document["baselines"], document["standardised"]
    lines = [
        f"# {circuit.name}: forecaster",
        "",
        f"Forecasts {', '.join(circuit.sensors)} {chosen.horizon} steps of {circuit.frequency_minutes} minutes ahead "
        f"from the last {chosen.look_back} steps.",
        "",
        "A ridge regression per sensor, one that the sensors share, and an LSTM that they share (instance "
        f"normalisation, patches of {chosen.patch}), mixed per sensor by their errors on the validation windows. "
        f"Intervals are the {INTERVAL[0]:.0%} and {INTERVAL[1]:.0%} quantiles of the validation residuals per step "
        "ahead, and widen with the look-back's spread.",
        "",
        f"- Readings: {series.time(0):%Y-%m-%d} to {series.time(len(series.values) - 1):%Y-%m-%d} (cutoff "
        f"{circuit.cutoff_date}), {document['rows']} steps, {series.missing_share:.2%} missing",
        f"- Windows: {', '.join(f'{count} {name}' for name, count in document['windows'].items())}, in order of time",
        f"- Gaps of up to {chosen.max_gap} steps are filled (held at a window's end); windows over longer ones are "
        "left out",
        f"- Epochs: {document['training']['epochs']}, seed {chosen.seed}",
        "",
        "| validation windows | MSE | MAE |",
        "|---|---|---|",
        f"| this model (standardised) | {own['mse']:.4f} | {own['mae']:.4f} |",
        *(
            f"| {name.replace('_', '-')} (standardised) | {errors['mse']:.4f} | {errors['mae']:.4f} |"
            for name, errors in baselines.items()
            if errors
        ),
        f"| this model (sensor units) | {measured['mse']:.4g} | {measured['mae']:.4g} |",
        "",
        "| sensor | MAE | RMSE | LSTM's weight |",
        "|---|---|---|---|",
        *(
            f"| {name} | {_show(row['mae'])} | {_show(row['rmse'])} | {row['blend_weight']:.2f} |"
            for name, row in document["sensors"].items()
        ),
        "",
        "The test windows were not looked at in training; evaluate_model measures on them.",
        "",
    ]
    return "\n".join(lines)


def _show(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else f"{value:.4g}"
