"""A circuit's model monitor in Azure ML: what it compares, and from which difference on it breaches."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import AlertPolicy


class SignalKind(StrEnum):
    """What of a model drifts."""

    DATA = "data_drift"
    PREDICTION = "prediction_drift"


@dataclass(frozen=True)
class Rows:
    """One sensor's values of a Delta table before a day (UTC), or from it on; their MLTable lies in `folder`."""

    folder: str
    table: str
    column: str
    key: CircuitKey
    sensor: str
    day: date
    before: bool

    @property
    def mltable(self) -> bytes:
        """The MLTable file: Azure ML reads the table as it is when the monitor runs."""
        moment = f"datetime({self.day.year}, {self.day.month}, {self.day.day})"
        named = {"plant_id": self.key.plant_id, "circuit_id": self.key.circuit_id, "sensor": self.sensor}
        # a sensor's name is anybody's text: quoted as JSON, and once more for YAML's single quotes
        equal = [f'col("{column}") == {json.dumps(value)}' for column, value in named.items()]
        terms = " and ".join([*equal, f'col("time") {"<" if self.before else ">="} {moment}'])
        return f"""type: mltable
paths:
  - folder: "{self.table}"
transformations:
  - read_delta_lake:
      include_path_column: false
  - filter: '{terms.replace("'", "''")}'
  - keep_columns: [{self.column}]
""".encode()


@dataclass(frozen=True)
class Signal:
    """One sensor's distribution then and now, as a Jensen-Shannon distance of at most `limit` in [0, 1]."""

    name: str
    kind: SignalKind
    feature: str
    limit: float
    reference: Rows
    production: Rows


@dataclass(frozen=True)
class Monitor:
    """A monitor that runs daily; its breaches carry `tags`, by which they find their circuit."""

    name: str
    signals: tuple[Signal, ...]
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def digest(self) -> str:
        """12 hex digits that tell whether a monitor is this one already."""
        content = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()[:12]


def monitor(
    key: CircuitKey,
    sensors: tuple[str, ...],
    alerts: AlertPolicy,
    *,
    readings: str,
    forecasts: str,
    cutoff: date,
    since: date,
) -> Monitor:
    """What a circuit's monitor compares: readings since the cutoff date, and forecasts since the model serves.

    The last day of training is the cutoff date, so what is new begins with the day after it.
    """
    data = _signals(
        SignalKind.DATA, key, sensors, readings, "value", cutoff + timedelta(days=1), alerts.data_drift
    )
    predictions = _signals(
        SignalKind.PREDICTION, key, sensors, forecasts, "forecast", since, alerts.model_drift
    )
    tags = {"plant_id": key.plant_id, "circuit_id": key.circuit_id}
    return Monitor(f"monitor-{key.plant_id}-{key.circuit_id}", (*data, *predictions), tags)


def _signals(
    kind: SignalKind,
    key: CircuitKey,
    sensors: tuple[str, ...],
    table: str,
    feature: str,
    day: date,
    limit: float,
) -> list[Signal]:
    found: list[Signal] = []
    for index, sensor in enumerate(sensors, 1):
        name = f"{kind}_{index}"
        folder = f"monitors/{key.plant_id}_{key.circuit_id}/{name}"
        reference = Rows(f"{folder}/before", table, feature, key, sensor, day, before=True)
        production = Rows(f"{folder}/since", table, feature, key, sensor, day, before=False)
        found.append(Signal(name, kind, feature, limit, reference, production))
    return found
