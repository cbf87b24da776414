"""Circuits, plants and the fleet: what the configuration says, validated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from busbar.domain.errors import BadRequest
from busbar.domain.policies import Policies, Thresholds


class Serving(StrEnum):
    """How a circuit is served: by a job that scores it once a day, or by an endpoint that answers all day."""

    BATCH = "batch"
    ONLINE = "online"


_KEY = re.compile(r"[A-Za-z][A-Za-z0-9]{0,15}")


@dataclass(frozen=True, order=True)
class CircuitKey:
    """A circuit's name in the fleet: plant and circuit, 1 to 16 letters and digits each, a letter first."""

    plant_id: str
    circuit_id: str

    def __str__(self) -> str:
        return f"{self.plant_id}/{self.circuit_id}"

    @classmethod
    def parse(cls, text: str) -> "CircuitKey":
        """Read `PLANT1/CIRC1`; raises `BadRequest`."""
        plant, _, circuit = text.strip().partition("/")
        if not (_KEY.fullmatch(plant) and _KEY.fullmatch(circuit)):
            raise BadRequest(
                "circuits", f"{text!r} is not PLANT/CIRCUIT (letters and digits, a letter first)"
            )
        return cls(plant, circuit)


def parse_keys(text: str) -> tuple[CircuitKey, ...]:
    """Read `PLANT001/CIRCUIT01,PLANT002/CIRCUIT02`; `AUTO` or nothing means: as git says. Raises `BadRequest`."""
    if text.strip() in ("", "AUTO"):
        return ()
    return tuple(CircuitKey.parse(part) for part in text.split(","))


@dataclass(frozen=True)
class Limits:
    """Alarm limits of a sensor, in the sensor's unit."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Circuit:
    """One circuit as configured, defaults filled in. `hyperparameters` is what the training component takes."""

    key: CircuitKey
    sensors: tuple[str, ...]
    cutoff_date: date
    training_days: int
    frequency_minutes: int
    hyperparameters: Mapping[str, float | int | str]
    limits: Mapping[str, Limits] = field(default_factory=dict[str, Limits])
    thresholds: Thresholds = field(default_factory=Thresholds)
    delta_version: int | None = None
    owner: str | None = None
    serving: Serving = Serving.BATCH


@dataclass(frozen=True)
class Delegation:
    """The person with login `to` is asked in somebody's place, from the day `start` to the day `until`, both in UTC."""

    to: str
    start: date
    until: date

    def holds(self, day: date) -> bool:
        return self.start <= day <= self.until


@dataclass(frozen=True)
class Person:
    """Somebody who may be asked: a git login, a mail address, a directory object id, groups, a delegate."""

    login: str
    mail: str
    object_id: str
    groups: tuple[str, ...] = ()
    delegate: Delegation | None = None


@dataclass(frozen=True)
class Source:
    """Where a plant's raw files lie in the `raw` container, how their time is written, which columns they have.

    `files` is a glob relative to the container. Of several `time_columns` each is a part (year, month, day, hour…);
    `timezone` (IANA) is how times without an offset are read; `time_format` is strptime's, ISO 8601 by default;
    `decimal` stands before a number's fraction. `columns` maps circuit_id → sensor → column, where a column is not
    called like its sensor.
    """

    plant_id: str
    files: str
    time_columns: tuple[str, ...]
    timezone: str = "UTC"
    time_format: str | None = None
    delimiter: str = ","
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    decimal: str = "."


@dataclass(frozen=True)
class Fleet:
    """Everything the fleet's repository says at one commit."""

    commit: str
    circuits: tuple[Circuit, ...]
    people: tuple[Person, ...]
    policies: Policies
    sources: tuple[Source, ...] = ()

    def circuit(self, key: CircuitKey) -> Circuit | None:
        return next((circuit for circuit in self.circuits if circuit.key == key), None)

    def person(self, login: str) -> Person | None:
        """Who has this git login (git hosts ignore its case)."""
        wanted = login.casefold()
        return next((person for person in self.people if person.login.casefold() == wanted), None)

    def source(self, plant_id: str) -> Source | None:
        return next((source for source in self.sources if source.plant_id == plant_id), None)

    def members(self, groups: tuple[str, ...]) -> tuple[Person, ...]:
        """The people in any of `groups`, each once, in the order of the file."""
        return tuple(person for person in self.people if set(person.groups) & set(groups))
