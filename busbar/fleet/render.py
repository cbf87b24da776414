"""What the components are handed: YAML files rendered from the configuration, the same bytes for the same content."""

from collections.abc import Mapping
from dataclasses import asdict
from io import BytesIO
from typing import Any

from busbar.domain.circuits import Circuit, Fleet, Source
from busbar.domain.errors import NotFound


def circuit_config(circuit: Circuit) -> bytes:
    """The `circuit_config` input of train_lstm, evaluate_model and batch_score: one circuit, everything resolved."""
    limits = {
        sensor: {end: value for end, value in asdict(circuit.limits[sensor]).items() if value is not None}
        for sensor in sorted(circuit.limits)
    }
    content = {
        "plant_id": circuit.key.plant_id,
        "circuit_id": circuit.key.circuit_id,
        "sensors": list(circuit.sensors),
        "cutoff_date": circuit.cutoff_date,
        "training_days": circuit.training_days,
        "frequency_minutes": circuit.frequency_minutes,
        "hyperparameters": dict(sorted(circuit.hyperparameters.items())),
    }
    return _yaml(content | ({"limits": limits} if limits else {}))


def raw_mapping(fleet: Fleet, plant_id: str) -> dict[str, Any]:
    """One plant's part of etl_merge's `mapping` input; raises `NotFound` for a plant without circuits."""
    source = fleet.source(plant_id)
    if source is None:
        raise NotFound(f"plant {plant_id} has no circuit in config/circuits.yaml")
    mapping: dict[str, Any] = {
        "plant_id": plant_id,
        "file": source.files,
        "time": source.time_columns[0] if len(source.time_columns) == 1 else list(source.time_columns),
        "timezone": source.timezone,
        "delimiter": source.delimiter,
        "decimal": source.decimal,
        "circuits": {
            circuit.key.circuit_id: _columns(circuit, source)
            for circuit in fleet.circuits
            if circuit.key.plant_id == plant_id
        },
    }
    return mapping | ({"time_format": source.time_format} if source.time_format else {})


def raw_mapping_file(fleet: Fleet) -> bytes:
    """etl_merge's `mapping` input for the whole fleet: a list, one item a plant."""
    return _yaml([raw_mapping(fleet, source.plant_id) for source in fleet.sources])


def _columns(circuit: Circuit, source: Source) -> list[str] | dict[str, str]:
    renamed: Mapping[str, str] = source.columns.get(circuit.key.circuit_id, {})
    if not renamed:
        return list(circuit.sensors)
    return {sensor: renamed.get(sensor, sensor) for sensor in circuit.sensors}


def _yaml(content: Any) -> bytes:
    from ruamel.yaml import YAML  # the app's import stays cheap

    yaml = YAML(typ="safe", pure=True)
    yaml.version = (
        1,
        1,
    )  # said in the file's head, so that readers of either version see a sensor NO, not False
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False  # pyright: ignore[reportAttributeAccessIssue] - set by its own __init__
    yaml.width = 4096
    stream = BytesIO()
    yaml.dump(content, stream)
    return stream.getvalue()
