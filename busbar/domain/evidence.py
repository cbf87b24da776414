"""The evidence notebook of a release set: what it is made of, and where it stands."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import isnan
from typing import Any

from busbar.domain import names
from busbar.domain.gates import GateInput, GateResult, evaluate
from busbar.domain.policies import STAGE_GATES, Policies, Stage
from busbar.domain.records import DeploymentRecord
from busbar.domain.release import Pin, ReleaseSet

SCHEMA_VERSION = 1


class EvidenceStatus(StrEnum):
    """Where a release set's notebook stands; `missing` ones never come: the sentence says why."""

    PENDING = "pending"
    READY = "ready"
    MISSING = "missing"


@dataclass(frozen=True)
class EvidenceNote:
    """What is on record of a release set's notebook."""

    release_id: str
    status: EvidenceStatus
    sentence: str


def release_document(
    release: ReleaseSet, policies: Policies, deployments: Iterable[DeploymentRecord]
) -> dict[str, Any]:
    """What the component evidence_notebook is given (its `release.json`); paths are below the dev datastore."""
    serving: dict[Any, dict[str, str]] = {}
    for record in deployments:
        serving.setdefault(record.key, {})[record.stage] = record.model_version
    return {
        "schema_version": SCHEMA_VERSION,
        "release_id": release.id,
        "digest": release.digest,
        "commit": release.commit,
        "run": release.run,
        "requester": release.requester,
        "circuits": [_circuit(pin, policies, serving.get(pin.key, {})) for pin in release.pins],
    }


def _circuit(pin: Pin, policies: Policies, serves: Mapping[str, str]) -> dict[str, Any]:
    return {
        "plant_id": pin.key.plant_id,
        "circuit_id": pin.key.circuit_id,
        "model_version": pin.model_version,
        "job": pin.job,
        "circuit_config": pin.circuit_config,
        "training_data": _training_data(pin),
        "lineage": {
            "training_hash": pin.training_hash,
            "cutoff_date": pin.cutoff_date,
            "data_asset": f"{names.data_asset(pin.key)}:{pin.data_asset_version}",
            "delta_version": pin.delta_version,
            "environment": pin.environment,
            "training_component": pin.component_version,
            "scoring_component": pin.scoring_version,
        },
        "metrics": asdict(pin.metrics),
        "serves": dict(serves),
        "gates": [_gate(stage, result) for stage in STAGE_GATES for result in _gates(pin, policies, stage)],
    }


def _training_data(pin: Pin) -> str | None:
    if pin.delta_version is None:
        return None
    return names.mltable_folder(names.data_asset(pin.key), pin.data_asset_version, pin.delta_version)


def _gates(pin: Pin, policies: Policies, stage: Stage) -> tuple[GateResult, ...]:
    thresholds = policies.stage(stage).thresholds.overlaid(pin.thresholds)
    return evaluate(GateInput(pin.metrics, thresholds, policies.gates))


def _gate(stage: Stage, result: GateResult) -> dict[str, Any]:
    return {
        "stage": stage.value,
        "gate": result.gate,
        "sign": result.sign,
        "measured": None if isnan(result.measured) else result.measured,
        "limit": result.limit,
        "passed": result.passed,
    }
