"""The blend as one ONNX graph in an MLflow model folder, checked against the models it came from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from blend import SPREAD_FLOOR, Blend
from lstm import EPSILON
from onnx import TensorProto, helper, numpy_helper
from ridge import Ridge
from shared.circuit import Circuit
from shared.forecaster import INPUT, METADATA_KEY, Forecaster

OUTPUTS = ("forecast", "lower", "upper", "ridge")
PARITY_LIMIT = 1e-5


class _Graph:
    """Nodes and constants as they are added; every method returns the name of what it made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output


def build_onnx(blend: Blend, circuit: Circuit, metadata: Mapping[str, Any]) -> onnx.ModelProto:
    """look_back [n, look_back, sensors] → forecast, lower, upper, ridge [n, horizon, sensors]; double, sensor units."""
    graph = _Graph()
    double = np.float64
    graph.constant("mean", blend.scale.mean.astype(double))
    graph.constant("deviation", blend.scale.deviation.astype(double))
    graph.node("Sub", [INPUT, "mean"], "centred")
    graph.node("Div", ["centred", "deviation"], "standardised")
    graph.node("Transpose", ["standardised"], "by_sensor", perm=[0, 2, 1])
    graph.constant("axis_2", np.array([2], np.int64))
    graph.node("Unsqueeze", ["by_sensor", "axis_2"], "rows")
    _restore(graph, _ridge(graph, "ridge", blend.ridge), "ridge")
    linear = _ridge(graph, "linear", blend.linear)
    lstm = _lstm(graph, blend, circuit)
    graph.constant("weight", blend.weight.astype(double)[None, :, None])
    graph.constant("rest", 1.0 - blend.weight.astype(double)[None, :, None])
    graph.node("Mul", [lstm, "weight"], "lstm_part")
    graph.node("Mul", [linear, "rest"], "linear_part")
    graph.node("Add", ["lstm_part", "linear_part"], "blend_z")
    forecast = _restore(graph, "blend_z", "forecast")
    graph.constant("floor", np.array(SPREAD_FLOOR, double))
    graph.node("Add", ["spread", "floor"], "width_by_sensor")
    graph.node("Transpose", ["width_by_sensor"], "width_standardised", perm=[0, 2, 1])
    graph.node("Mul", ["width_standardised", "deviation"], "width")
    for name, quantile in (("lower", blend.lower), ("upper", blend.upper)):
        graph.node("Mul", ["width", graph.constant(f"{name}_quantile", quantile)], f"{name}_margin")
        graph.node("Add", [forecast, f"{name}_margin"], name)
    return _model(graph, circuit, metadata)


def _ridge(graph: _Graph, name: str, ridge: Ridge) -> str:
    """[n, sensors, 1, look_back] · [sensors, look_back, horizon] → <name>_z [n, sensors, horizon]."""
    graph.constant(f"{name}_weights", ridge.weights.astype(np.float64))
    graph.constant(f"{name}_bias", ridge.bias.astype(np.float64))
    graph.node("MatMul", ["rows", f"{name}_weights"], f"{name}_products")
    graph.node("Squeeze", [f"{name}_products", "axis_2"], f"{name}_product")
    return graph.node("Add", [f"{name}_product", f"{name}_bias"], f"{name}_z")


def _lstm(graph: _Graph, blend: Blend, circuit: Circuit) -> str:
    """RevIN, patches, LSTM, dense → lstm_z [n, sensors, horizon]."""
    chosen = circuit.hyperparameters
    kernel, recurrent, bias, dense, dense_bias = blend.lstm.weights
    graph.constant("axis_last", np.array([-1], np.int64))
    graph.constant("epsilon", np.array(EPSILON, np.float64))
    graph.node("ReduceMean", ["by_sensor", "axis_last"], "level", keepdims=1)
    graph.node("Sub", ["by_sensor", "level"], "around")
    graph.node("Mul", ["around", "around"], "squares")
    graph.node("ReduceMean", ["squares", "axis_last"], "variance", keepdims=1)
    graph.node("Add", ["variance", "epsilon"], "padded")
    graph.node("Sqrt", ["padded"], "spread")
    graph.node("Div", ["around", "spread"], "instance")
    graph.node("Cast", ["instance"], "instance_single", to=TensorProto.FLOAT)
    patches = np.array([-1, chosen.look_back // chosen.patch, chosen.patch], np.int64)
    graph.node("Reshape", ["instance_single", graph.constant("patch_shape", patches)], "patches")
    graph.node("Transpose", ["patches"], "sequence", perm=[1, 0, 2])
    weights = graph.constant("lstm_weights", _gates(kernel).T[None])
    recurrent_weights = graph.constant("lstm_recurrent", _gates(recurrent).T[None])
    biases = graph.constant("lstm_bias", np.concatenate([_gates(bias), np.zeros_like(bias)])[None])
    graph.nodes.append(
        helper.make_node(
            "LSTM",
            ["sequence", weights, recurrent_weights, biases],
            ["", "hidden"],
            name="lstm",
            hidden_size=chosen.units,
        )
    )
    graph.node("Squeeze", ["hidden", graph.constant("axis_0", np.array([0], np.int64))], "last_hidden")
    graph.node("MatMul", ["last_hidden", graph.constant("dense", dense)], "dense_product")
    graph.node("Add", ["dense_product", graph.constant("dense_bias", dense_bias)], "instance_forecast")
    graph.node("Cast", ["instance_forecast"], "instance_double", to=TensorProto.DOUBLE)
    shape = graph.constant("forecast_shape", np.array([-1, len(circuit.sensors), chosen.horizon], np.int64))
    graph.node("Reshape", ["instance_double", shape], "instance_by_sensor")
    graph.node("Mul", ["instance_by_sensor", "spread"], "scaled")
    return graph.node("Add", ["scaled", "level"], "lstm_z")


def _gates(keras_order: np.ndarray) -> np.ndarray:
    """Keras lays the gates out as input, forget, cell, output; ONNX as input, output, forget, cell."""
    i, f, c, o = np.split(keras_order, 4, axis=-1)
    return np.concatenate([i, o, f, c], axis=-1)


def _restore(graph: _Graph, by_sensor: str, output: str) -> str:
    graph.node("Transpose", [by_sensor], f"{output}_standardised", perm=[0, 2, 1])
    graph.node("Mul", [f"{output}_standardised", "deviation"], f"{output}_scaled")
    return graph.node("Add", [f"{output}_scaled", "mean"], output)


def _model(graph: _Graph, circuit: Circuit, metadata: Mapping[str, Any]) -> onnx.ModelProto:
    chosen, sensors = circuit.hyperparameters, len(circuit.sensors)
    look_back = helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, ["n", chosen.look_back, sensors])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["n", chosen.horizon, sensors])
        for name in OUTPUTS
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, circuit.name, [look_back], outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
        producer_name="train_lstm",
    )
    helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata)})
    return model


def check_parity(model: onnx.ModelProto, blend: Blend, inputs: np.ndarray) -> float:
    """The largest difference from the original models, in standardised units; raises when it exceeds the limit."""
    exported = Forecaster.load(model.SerializeToString()).predict(inputs, *OUTPUTS)
    original = blend.predict(inputs), *blend.interval(inputs), blend.predict_ridge(inputs)
    apart = [
        np.abs(one - other) / blend.scale.deviation for one, other in zip(exported, original, strict=True)
    ]
    if any((np.isnan(difference) & ~np.isnan(inputs).any(1)[:, None, :]).any() for difference in apart):
        raise RuntimeError("the exported model gives NaN where its inputs are complete")
    largest = float(max(np.nanmax(difference) for difference in apart))
    if largest > PARITY_LIMIT:
        raise RuntimeError(f"the exported model differs by {largest:.2g} (limit {PARITY_LIMIT:g})")
    return largest


def save_model(model: onnx.ModelProto, circuit: Circuit, folder: Path, requirements: list[str]) -> None:
    """An MLflow model folder whose pyfunc gives the graph's outputs; loading it needs no TensorFlow."""
    import mlflow.onnx
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    chosen, sensors = circuit.hyperparameters, len(circuit.sensors)
    double = np.dtype(np.float64)
    mlflow.onnx.save_model(
        model,
        str(folder),
        pip_requirements=requirements,
        signature=ModelSignature(
            inputs=Schema([TensorSpec(double, (-1, chosen.look_back, sensors), INPUT)]),
            outputs=Schema([TensorSpec(double, (-1, chosen.horizon, sensors), name) for name in OUTPUTS]),
        ),
        metadata={"circuit": circuit.name, "sensors": list(circuit.sensors)},
        save_as_external_data=False,
    )
