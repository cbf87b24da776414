"""The optional mapping file: plant → circuit → sensors.

PLANT1:
  CIRC1: [temperature, pressure]
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from demo.plan import Findings, Group
from demo.tables import UnusableError

_CIRCUIT = re.compile(r"[A-Za-z][A-Za-z0-9]{0,15}")


@dataclass(frozen=True)
class Mappings:
    """What the file says, by plant (its id or its file's name without `.csv`)."""

    plants: Mapping[str, Any]
    file: str = "mapping.yaml"

    @classmethod
    def read(cls, path: Path, findings: Findings) -> "Mappings":
        """Load `path`; raises `UnusableError` when it cannot be read or is no mapping of plants."""
        try:
            document = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
        except MarkedYAMLError as error:
            mark = error.problem_mark
            place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
            raise UnusableError(f"{path.name}: {place}{error.problem}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise UnusableError(f"{path.name} cannot be read: {error}") from error
        if not isinstance(document, CommentedMap):
            raise UnusableError(
                f"{path.name}: line 1: expected plants, each with its circuits and their sensors"
            )
        return cls(document, path.name)

    def circuits(
        self, plant_id: str, stem: str, columns: Sequence[str], findings: Findings
    ) -> tuple[Group, ...]:
        """The plant's circuits that can be made of `columns`; () when the file does not name the plant."""
        name = next((name for name in (plant_id, stem) if name in self.plants), None)
        if name is None:
            return ()
        circuits = self.plants[name]
        if not isinstance(circuits, CommentedMap):
            findings.problem(
                self.file, "expected circuits, each with a list of sensors", line=self._line(name)
            )
            return ()
        return tuple(
            Group(str(circuit), tuple(sensors))
            for circuit, sensors in circuits.items()
            if self._valid(f"{name}/{circuit}", circuits.lc.key(circuit)[0] + 1, sensors, columns, findings)
        )

    def _valid(self, key: str, line: int, sensors: Any, columns: Sequence[str], findings: Findings) -> bool:
        """Whether a circuit can be trained; otherwise says why, at its line, and the circuit is left out."""
        problem = None
        if not _CIRCUIT.fullmatch(key.partition("/")[2]):
            problem = "is no circuit id (1 to 16 letters and digits, a letter first)"
        elif not isinstance(sensors, list) or not sensors:
            problem = "expected a list of sensors"
        elif unknown := [str(sensor) for sensor in sensors if sensor not in columns]:
            problem = f"the plant's file has no column of numbers {', '.join(unknown)} (it has {', '.join(columns)})"
        elif len(set(sensors)) < len(sensors):
            problem = "names a sensor twice"
        if problem:
            findings.problem(self.file, f"{problem}; the circuit is left out", line=line, column=key)
        return problem is None

    def _line(self, plant: str) -> int | None:
        return self.plants.lc.key(plant)[0] + 1 if isinstance(self.plants, CommentedMap) else None
