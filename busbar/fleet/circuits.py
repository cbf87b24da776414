"""`circuits.yaml`: defaults and the list of circuits."""

from typing import Any, cast

from busbar.domain.circuits import Circuit, CircuitKey, Limits, Person
from busbar.domain.policies import Thresholds
from busbar.fleet.documents import Document
from busbar.fleet.explanations import unknown
from busbar.fleet.problems import Path
from busbar.fleet.schema import CircuitItem, CircuitsFile, Defaults

type Items = dict[int, CircuitItem]


def read_circuits(document: Document, people: tuple[Person, ...] | None) -> tuple[Circuit, ...] | None:
    """The circuits, defaults filled in, or `None` and problems. Without `people` owners are not checked."""
    if document.data is None or (root := document.model(CircuitsFile, document.data)) is None:
        return None
    defaults = document.model(Defaults, root.defaults, ("defaults",))
    if defaults and people is not None:
        _check_owner(document, ("defaults", "owner"), defaults.owner, people)
    read = {
        index: document.model(
            CircuitItem, _over(root.defaults if defaults else {}, item), ("circuits", index)
        )
        for index, item in enumerate(root.circuits)
    }
    items = {index: item for index, item in read.items() if item is not None}
    _check_names(document, items)
    for index, item in items.items():
        _check_sensors(document, index, item)
        _check_rows(document, index, item)
        if people is not None and root.circuits[index].get("owner"):
            _check_owner(document, ("circuits", index, "owner"), item.owner, people)
    return tuple(_circuit(item) for item in items.values()) if len(items) == len(read) else None


def _over(defaults: dict[str, Any], item: Any) -> Any:
    """An item with the defaults it does not set; hyperparameters one by one."""
    if not isinstance(item, dict):
        return item
    own = cast(dict[str, Any], item)
    merged = {**defaults, **own}
    below, above = defaults.get("hyperparameters"), own.get("hyperparameters")
    if isinstance(below, dict) and isinstance(above, dict):
        merged["hyperparameters"] = {**below, **above}
    return merged


def _circuit(item: CircuitItem) -> Circuit:
    return Circuit(
        key=CircuitKey(item.plant_id, item.circuit_id),
        sensors=tuple(item.sensors),
        cutoff_date=item.cutoff_date,
        training_days=item.training_days,
        frequency_minutes=item.frequency_minutes,
        hyperparameters=item.hyperparameters.model_dump(),
        limits={sensor: Limits(limits.low, limits.high) for sensor, limits in item.limits.items()},
        thresholds=Thresholds(**item.thresholds.model_dump()),
        delta_version=item.delta_version,
        owner=item.owner,
        serving=item.serving,
    )


def _check_names(document: Document, items: Items) -> None:
    """Every circuit once, and no two names that differ in case alone: endpoints and deployments are lower-case."""
    plants: dict[str, int] = {}
    circuits: dict[tuple[str, str], int] = {}
    for index, item in items.items():
        path: Path = ("circuits", index)
        first = plants.setdefault(item.plant_id.lower(), index)
        if items[first].plant_id != item.plant_id:
            line = document.line(("circuits", first, "plant_id"))
            message = f"{item.plant_id} is spelt {items[first].plant_id} in line {line}: write it one way"
            document.problem((*path, "plant_id"), message)
        before = circuits.setdefault((item.plant_id.lower(), item.circuit_id.lower()), index)
        if before != index:
            line = document.line(("circuits", before))
            same = items[before].circuit_id == item.circuit_id
            what = "duplicate circuit" if same else "its name differs in case alone from a"
            message = f"{what} {items[before].plant_id}/{items[before].circuit_id}, first in line {line}"
            document.problem(path if same else (*path, "circuit_id"), message)


def _check_sensors(document: Document, index: int, item: CircuitItem) -> None:
    path: Path = ("circuits", index)
    for position, sensor in enumerate(item.sensors):
        if sensor in item.sensors[:position]:
            document.problem((*path, "sensors", position), f"{sensor} is listed twice")
    for sensor in item.limits.keys() - set(item.sensors):
        document.problem((*path, "limits", sensor), unknown(sensor, item.sensors, "sensor"))


def _check_rows(document: Document, index: int, item: CircuitItem) -> None:
    rows = item.training_days * 1440 // item.frequency_minutes
    needed = item.hyperparameters.look_back + item.hyperparameters.horizon
    if rows <= needed:
        message = (
            f"training_days {item.training_days} at frequency_minutes {item.frequency_minutes} are {rows} rows: "
            f"more than look_back + horizon = {needed} are needed"
        )
        document.problem(("circuits", index), message)


def _check_owner(document: Document, path: Path, owner: str | None, people: tuple[Person, ...]) -> None:
    logins = {person.login.casefold(): person.login for person in people}
    if owner is not None and owner.casefold() not in logins:
        document.problem(path, unknown(owner, logins.values(), "login in people.yaml"))
