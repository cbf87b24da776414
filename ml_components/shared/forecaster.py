"""A trained circuit's forecaster: one ONNX file that takes look-backs and gives forecasts, in sensor units."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import InputError

MODEL_FILE = "model.onnx"
INPUT = "look_back"
METADATA_KEY = "forecaster"


@dataclass(frozen=True)
class Forecaster:
    """`session` computes forecast, lower, upper and ridge [n, horizon, sensors] of look-backs [n, look_back, sensors].

    A sensor whose look-back holds a NaN gets NaN; the others are not touched by it.
    """

    session: Any
    metadata: dict[str, Any]

    @classmethod
    def load(cls, source: str | Path | bytes) -> "Forecaster":
        """From an MLflow model folder, or the bytes of the ONNX file; raises `InputError` on anything else."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        model = source if isinstance(source, bytes) else _model_file(Path(source))
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        properties = session.get_modelmeta().custom_metadata_map
        if METADATA_KEY not in properties:
            raise InputError(f"{source} holds a model that train_lstm did not export")
        return cls(session, json.loads(properties[METADATA_KEY]))

    @property
    def sensors(self) -> tuple[str, ...]:
        """The sensors, in the order of the last axis."""
        return tuple(self.metadata["sensors"])

    @property
    def shape(self) -> tuple[Any, ...]:
        """What two forecasters must share to be compared on the same windows."""
        keys = ("look_back", "horizon", "frequency_minutes")
        return self.sensors, *(self.metadata[key] for key in keys)

    def predict(self, look_backs: np.ndarray, *outputs: str) -> tuple[np.ndarray, ...]:
        """The named outputs (forecast, lower, upper, ridge) of look-backs in sensor units."""
        return tuple(self.session.run(list(outputs), {INPUT: look_backs.astype(np.float64)}))


def _model_file(folder: Path) -> str:
    found = sorted(folder.rglob(MODEL_FILE)) if folder.is_dir() else []
    if not found:
        raise InputError(f"{folder} is no model of train_lstm: it has no {MODEL_FILE}")
    return str(found[0])
