"""The release set as Busbar writes it, and which of its circuits are looked at closely."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import InputError

CLOSE = 0.10  # within a tenth of a limit is close to it
DRAWN = 60  # figures a page: it stays below 10 MB


@dataclass(frozen=True)
class Gate:
    """A limit of a deployment stage, and what was measured; `sign` says how measured must stand to it."""

    stage: str
    gate: str
    sign: str
    measured: float | None
    limit: float
    passed: bool

    @property
    def margin(self) -> float:
        """How far inside the limit, as a share of it (of 1 where the limit is 0); negative outside."""
        if self.measured is None:
            return -1.0
        inside = self.limit - self.measured if self.sign == "≤" else self.measured - self.limit
        return inside / (abs(self.limit) or 1.0)

    def __str__(self) -> str:
        measured = "not measured" if self.measured is None else f"{self.measured:.4g}"
        return f"{self.stage} {self.gate}: {measured} ({self.sign} {self.limit:.4g})"


@dataclass(frozen=True)
class Circuit:
    """One pin of the release set. Paths are relative to the workspace's data."""

    plant_id: str
    circuit_id: str
    model_version: str
    job: str
    circuit_config: str
    training_data: str | None
    lineage: Mapping[str, Any]
    metrics: Mapping[str, float | None]
    serves: Mapping[str, str]
    gates: tuple[Gate, ...]

    @property
    def name(self) -> str:
        """PLANT/CIRCUIT"""
        return f"{self.plant_id}/{self.circuit_id}"

    @property
    def skill(self) -> float:
        """Over seasonal-naive: 1 is perfect, 0 no better."""
        return self.metrics.get("skill_seasonal_naive") or 0.0

    @property
    def against_champion(self) -> float | None:
        """Its error as a multiple of the champion's; None where there was none to measure."""
        champion, own = self.metrics.get("champion_mse"), self.metrics.get("standardised_mse")
        return own / champion if own is not None and champion else None

    @property
    def tightest(self) -> Gate | None:
        """The gate with the least margin."""
        return min(self.gates, key=lambda gate: gate.margin, default=None)


@dataclass(frozen=True)
class Release:
    """A release set: which models, from which commit, by whom."""

    release_id: str
    digest: str
    commit: str
    run: str
    requester: str
    circuits: tuple[Circuit, ...]

    @property
    def plants(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(circuit.plant_id for circuit in self.circuits))

    def of_plant(self, plant: str) -> tuple[Circuit, ...]:
        return tuple(circuit for circuit in self.circuits if circuit.plant_id == plant)

    def drawn(self) -> dict[str, str]:
        """The circuits to draw, by name, each with why: the best, the worst, the close ones (closest first)."""
        if not self.circuits:
            return {}
        by_skill = sorted(self.circuits, key=lambda circuit: circuit.skill)
        chosen = {by_skill[-1].name: "best skill", by_skill[0].name: "worst skill"}
        for circuit, gate in self.close():
            if len(chosen) >= DRAWN:
                break
            chosen[circuit.name] = f"close to a limit: {gate}"
        return chosen

    def close(self) -> list[tuple[Circuit, Gate]]:
        """The circuits that are close to a limit (or beyond it) with that limit, the closest first."""
        tightest = ((circuit, circuit.tightest) for circuit in self.circuits)
        found = [(circuit, gate) for circuit, gate in tightest if gate and gate.margin < CLOSE]
        return sorted(found, key=lambda pair: pair[1].margin)


def read_release(path: Path) -> Release:
    """Read the document; raises `InputError` saying what does not fit."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema_version"] != 1:
            raise InputError(f"release: schema_version {document['schema_version']} is not 1")
        circuits = tuple(_circuit(item) for item in document["circuits"])
        return Release(
            **{name: str(document[name]) for name in ("release_id", "digest", "commit", "run", "requester")},
            circuits=tuple(sorted(circuits, key=lambda one: (one.plant_id, one.circuit_id))),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"release {path.name} is no release set: {error!r}") from error


def _circuit(item: Mapping[str, Any]) -> Circuit:
    return Circuit(**{**item, "gates": tuple(Gate(**gate) for gate in item["gates"])})
