"""`sources.yaml`: where each plant's raw files lie and how they are written."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from busbar.domain.circuits import Circuit, Source
from busbar.fleet.documents import Document
from busbar.fleet.explanations import unknown
from busbar.fleet.problems import Path
from busbar.fleet.schema import SourceItem, SourcesFile


def read_sources(document: Document, circuits: tuple[Circuit, ...] | None) -> tuple[Source, ...]:
    """One source a plant, in the order of the circuits; a plant not named has `<plant>/*.csv` with a `time` column."""
    plants = list(dict.fromkeys(circuit.key.plant_id for circuit in circuits or ()))
    if document.data is None or (root := document.model(SourcesFile, document.data)) is None:
        return ()
    named: dict[str, Source] = {}
    first: dict[str, int] = {}
    for index, data in enumerate(root.sources):
        item = document.model(SourceItem, data, ("sources", index))
        if item is None:
            continue
        before = first.setdefault(item.plant_id, index)
        if before != index:
            line = document.line(("sources", before))
            document.problem(("sources", index), f"duplicate plant {item.plant_id}, first in line {line}")
        _check_timezone(document, ("sources", index, "timezone"), item.timezone)
        if circuits is not None:
            _check_names(document, ("sources", index), item, circuits)
        named[item.plant_id] = _source(item)
    return tuple(named.get(plant) or Source(plant, f"{plant}/*.csv", ("time",)) for plant in plants)


def _source(item: SourceItem) -> Source:
    return Source(
        plant_id=item.plant_id,
        files=item.files,
        time_columns=tuple(item.time_columns),
        timezone=item.timezone,
        time_format=item.time_format,
        delimiter=item.delimiter,
        decimal=item.decimal,
        columns=item.columns,
    )


def _check_timezone(document: Document, path: Path, name: str) -> None:
    if name == "UTC":
        return
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        document.problem(path, f"{name!r} is not a time zone, like Europe/Berlin")


def _check_names(document: Document, path: Path, item: SourceItem, circuits: tuple[Circuit, ...]) -> None:
    plants = {circuit.key.plant_id for circuit in circuits}
    if item.plant_id not in plants:
        document.problem((*path, "plant_id"), unknown(item.plant_id, plants, "plant in circuits.yaml"))
        return
    sensors: Mapping[str, tuple[str, ...]] = {
        circuit.key.circuit_id: circuit.sensors
        for circuit in circuits
        if circuit.key.plant_id == item.plant_id
    }
    for circuit_id, columns in item.columns.items():
        if circuit_id not in sensors:
            document.problem((*path, "columns", circuit_id), unknown(circuit_id, sensors, "circuit"))
            continue
        for sensor in columns.keys() - set(sensors[circuit_id]):
            message = unknown(sensor, sensors[circuit_id], "sensor")
            document.problem((*path, "columns", circuit_id, sensor), message)
