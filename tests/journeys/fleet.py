"""The smallest fleet that is worth training: one plant, two circuits of two sensors, five weeks of hours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from busbar.domain.circuits import CircuitKey
from demo import simulate
from demo.fleet import REPLACED, fleet_files, one_day_earlier
from demo.foreign import read_folder
from demo.git import Clone
from demo.plan import Findings, Plant

FIRST, SECOND = KEYS = (CircuitKey("PLANT1", "CIRC1"), CircuitKey("PLANT1", "CIRC2"))
ONLINE = FIRST
"""It is served by an endpoint of its own, the other by its plant's batch endpoint."""
SENSORS = {"CIRC1": ["feed_temperature", "feed_flow"], "CIRC2": ["motor_current", "bearing_temperature"]}
HYPERPARAMETERS = {"look_back": 48, "horizon": 24, "patch": 12, "units": 8, "epochs": 2}
DAYS = 35
CIRCUITS = "config/circuits.yaml"

Files = dict[str, bytes]


@dataclass(frozen=True)
class Fleet:
    """The plants, and the data scientist's clone of the repository that says what to train on them."""

    clone: Clone
    plants: Sequence[Plant]

    def commit(self, files: Mapping[str, bytes], message: str) -> str:
        """A commit on develop that holds exactly `files`."""
        return self.clone.commit(files, message, replace=REPLACED)

    def push(self, files: Mapping[str, bytes], message: str) -> str:
        commit = self.commit(files, message)
        self.clone.push("develop")
        return commit

    @property
    def files(self) -> Files:
        """The repository as it is meant to be."""
        return _small(fleet_files(self.plants))

    @property
    def moved(self) -> Files:
        """The same, but SECOND's training data ends a day earlier."""
        return _small(fleet_files(one_day_earlier(self.plants, SECOND.plant_id, SECOND.circuit_id)))


def make_plants(folder: Path) -> tuple[Plant, ...]:
    """Simulated readings of one plant in `folder`, read as the demonstration reads foreign files."""
    simulate.write_fleet(folder, days=DAYS)
    (folder / "PLANT2.csv").unlink()
    with (folder / simulate.MAPPING).open("w") as file:
        YAML().dump({"PLANT1": SENSORS}, file)
    return read_folder(folder, folder / simulate.MAPPING, Findings())


def edited(files: Files, change: Any) -> Files:
    """`files` with `change(document)` applied to circuits.yaml."""
    document = YAML(typ="safe").load(files[CIRCUITS])
    change(document)
    stream = BytesIO()
    YAML().dump(document, stream)
    return files | {CIRCUITS: stream.getvalue()}


def _small(files: Files) -> Files:
    def shrink(document: Any) -> None:
        document["defaults"]["hyperparameters"] = HYPERPARAMETERS
        for circuit in document["circuits"]:
            if circuit["circuit_id"] == ONLINE.circuit_id:
                circuit["serving"] = "online"

    return edited(files, shrink)
