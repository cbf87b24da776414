"""Distributions then and now, a panel a sensor, for the circuit's drift page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

THEN, NOW, ALARM = "#8a94a6", "#1f6feb", "#c0392b"
BINS = 40


def write_distributions(
    path: Path,
    sensors: tuple[str, ...],
    reference: np.ndarray,
    current: np.ndarray,
    alarms: Mapping[str, str],
) -> None:
    """One SVG: reference and current readings [rows, sensors]; `alarms` says what was found, by sensor."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "drift"  # the same figures give the same file
    from matplotlib import pyplot

    columns = min(3, len(sensors))
    rows = -(-len(sensors) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(3.6 * columns, 2.4 * rows), squeeze=False)
    for index, axis in enumerate(axes.flat):
        if index >= len(sensors):
            axis.set_visible(False)
            continue
        sensor = sensors[index]
        _panel(axis, reference[:, index], current[:, index])
        axis.set_title(
            f"{sensor}: {alarms[sensor]}" if sensor in alarms else sensor,
            fontsize=9,
            color=ALARM if sensor in alarms else "black",
        )
    axes.flat[0].legend(fontsize=7, frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _panel(axis: Any, then: np.ndarray, now: np.ndarray) -> None:
    then, now = then[~np.isnan(then)], now[~np.isnan(now)]
    both = np.concatenate([then, now])
    if not len(both):
        return
    edges = np.histogram_bin_edges(both, BINS)
    for values, colour, label, style in ((then, THEN, "reference", "stepfilled"), (now, NOW, "now", "step")):
        if len(values):
            weights = np.full(len(values), 1.0 / len(values))
            axis.hist(values, edges, weights=weights, color=colour, label=label, histtype=style)
    axis.set_yticks([])
    axis.tick_params(labelsize=7)
