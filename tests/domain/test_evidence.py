"""What a release set's notebook is made of."""

import json
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import pytest

from busbar.domain.circuits import CircuitKey
from busbar.domain.evidence import release_document
from busbar.domain.policies import Policies, Stage, StagePolicy, Thresholds
from busbar.domain.release import ReleaseSet
from tests.activities.bench import pin, serving

COMPONENT = Path(__file__).parents[2] / "ml_components" / "evidence" / "evidence_notebook" / "src"
SHARED = COMPONENT.parents[2]
PIN = replace(pin(), delta_version=3)
LIMITED = Policies(
    stages={
        Stage.TEST: StagePolicy(thresholds=Thresholds(max_mae=7.0)),
        Stage.PROD: StagePolicy(thresholds=Thresholds(max_mae=5.0, min_precision=0.85)),
    }
)


def circuit(policies: Policies = LIMITED, pinned: Any = PIN) -> dict[str, Any]:
    release = ReleaseSet("train-c", "c" * 40, "data-scientist", (pinned,), "env")
    [found] = release_document(release, policies, [serving(stage=Stage.TEST, version="2")])["circuits"]
    return found


def test_every_limit_of_test_and_prod_is_there_with_what_was_measured():
    gates = {(gate["stage"], gate["gate"]): gate for gate in circuit()["gates"]}
    test = gates["test", "max_mae"]
    assert test == {
        "stage": "test", "gate": "max_mae", "sign": "≤", "measured": 1.0, "limit": 7.0, "passed": True,
    }  # fmt: skip
    assert gates["prod", "max_mae"]["limit"] == 5.0
    assert ("test", "min_precision") not in gates
    assert {("test", "min_skill_seasonal_naive"), ("prod", "min_skill_seasonal_naive")} <= set(gates)


def test_what_was_not_measured_is_null_and_not_nan():
    gate = next(gate for gate in circuit()["gates"] if gate["gate"] == "min_precision")
    assert (gate["measured"], gate["passed"]) == (None, False)
    json.dumps(circuit(), allow_nan=False)


def test_a_circuits_own_limits_count():
    own = replace(PIN, thresholds=Thresholds(max_mae=0.5))
    limits = {gate["limit"] for gate in circuit(pinned=own)["gates"] if gate["gate"] == "max_mae"}
    assert limits == {0.5}


def test_it_says_where_the_data_lies_and_what_serves():
    found = circuit()
    assert found["training_data"] == "mltable/PLANT1_CIRC1/2025-12-09/delta-3"
    assert found["serves"] == {"test": "2"}
    assert found["lineage"]["data_asset"] == "PLANT1_CIRC1:2025-12-09"
    assert circuit(pinned=replace(PIN, delta_version=None))["training_data"] is None


def test_another_circuits_deployment_is_not_its_own():
    other = serving(CircuitKey("PLANT1", "CIRC2"), Stage.PROD)
    release = ReleaseSet("train-c", "c" * 40, "data-scientist", (PIN,), "env")
    assert release_document(release, LIMITED, [other])["circuits"][0]["serves"] == {}


@pytest.mark.parametrize("metrics", [pin().metrics, replace(pin().metrics, precision=nan)])
def test_the_component_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metrics: Any):
    """The two sides share no code: this is what holds them together."""
    monkeypatch.syspath_prepend(str(SHARED))
    monkeypatch.syspath_prepend(str(COMPONENT))
    from document import read_release  # pyright: ignore[reportMissingImports]

    pins = (
        replace(PIN, metrics=metrics),
        replace(PIN, key=CircuitKey("PLANT2", "CIRC1"), delta_version=None),
    )
    release = ReleaseSet("train-c", "c" * 40, "data-scientist", pins, "env")
    path = tmp_path / "release.json"
    path.write_text(json.dumps(release_document(release, LIMITED, ())))
    read = read_release(path)
    assert (read.release_id, read.plants) == (release.id, ("PLANT1", "PLANT2"))
    assert read.drawn()
