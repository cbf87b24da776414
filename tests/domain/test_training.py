"""What to train, and the hash that decides it."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from busbar.domain.changes import ChangeType
from busbar.domain.circuits import Circuit, CircuitKey, Limits, Serving
from busbar.domain.errors import BadRequest
from busbar.domain.policies import Thresholds
from busbar.domain.training import Assets, Trained, Verdict, decide, training_hash

KEY = CircuitKey("PLANT1", "CIRC1")
CIRCUIT = Circuit(
    key=KEY,
    sensors=("temperature", "flow"),
    cutoff_date=date(2025, 12, 9),
    training_days=90,
    frequency_minutes=60,
    hyperparameters={"look_back": 96, "learning_rate": 0.002},
    limits={"flow": Limits(high=80.0)},
)
ASSETS = Assets("sensor-forecasting-env", "1.5.0", "1.0.0", "1.0.0")
PINNED = "38291d8e2a30"


def test_the_hash_is_pinned():
    """A change of it retrains every fleet: bump this only on purpose."""
    assert training_hash(CIRCUIT, 12, ASSETS) == PINNED


@pytest.mark.parametrize(
    "changes",
    [
        {"cutoff_date": date(2025, 12, 10)},
        {"training_days": 91},
        {"frequency_minutes": 30},
        {"sensors": ("flow", "temperature")},
        {"hyperparameters": {"look_back": 96, "learning_rate": 0.003}},
        {"hyperparameters": {"look_back": 96}},
        {"limits": {}},
        {"limits": {"flow": Limits(low=80.0)}},
    ],
)
def test_what_changes_the_model_changes_the_hash(changes: dict[str, Any]):
    assert training_hash(replace(CIRCUIT, **changes), 12, ASSETS) != PINNED


@pytest.mark.parametrize(
    ("delta_version", "assets"),
    [
        (13, ASSETS),
        (12, replace(ASSETS, component_version="1.0.1")),
        (12, replace(ASSETS, environment_version="2.0.0")),
    ],
)
def test_data_component_and_breaking_environment_change_the_hash(delta_version: int, assets: Assets):
    assert training_hash(CIRCUIT, delta_version, assets) != PINNED


@pytest.mark.parametrize(
    ("changes", "assets"),
    [
        ({"owner": "ml-lead"}, ASSETS),
        ({"serving": Serving.ONLINE}, ASSETS),
        ({"thresholds": Thresholds(max_mae=1.0)}, ASSETS),
        ({"delta_version": 12}, ASSETS),
        ({"hyperparameters": {"learning_rate": 0.002, "look_back": 96}}, ASSETS),
        ({}, replace(ASSETS, environment_version="1.6.1")),
        ({}, replace(ASSETS, scoring_version="3.0.0")),
    ],
)
def test_what_leaves_the_model_alone_leaves_the_hash_alone(changes: dict[str, Any], assets: Assets):
    assert training_hash(replace(CIRCUIT, **changes), 12, assets) == PINNED


def test_an_environment_that_is_not_pinned_has_no_hash():
    with pytest.raises(BadRequest, match="never `latest`"):
        training_hash(CIRCUIT, 12, replace(ASSETS, environment_version="latest"))


@pytest.mark.parametrize(
    ("last", "named", "change", "detail", "train", "reason"),
    [
        (None, False, ChangeType.NEW, "new circuit", True, "train PLANT1/CIRC1: new circuit"),
        (
            Trained("other", Verdict.TRAINED),
            False,
            ChangeType.MODIFIED,
            "cutoff_date 2025-12-01 → 2025-12-09",
            True,
            "retrain PLANT1/CIRC1: cutoff_date 2025-12-01 → 2025-12-09",
        ),
        (
            Trained("other", Verdict.TRAINED),
            False,
            None,
            "",
            True,
            "retrain PLANT1/CIRC1: training hash changed",
        ),
        (
            Trained("same", Verdict.TRAINED),
            False,
            None,
            "",
            False,
            "skip PLANT1/CIRC1: training hash same is already trained",
        ),
        (
            Trained("same", Verdict.GATED_OUT),
            False,
            None,
            "",
            False,
            "skip PLANT1/CIRC1: training hash same is already gated out",
        ),
        (
            Trained("same", Verdict.QUARANTINED),
            False,
            None,
            "",
            False,
            "skip PLANT1/CIRC1: training hash same is already quarantined",
        ),
        (
            Trained("same", Verdict.TRAINING),
            False,
            None,
            "",
            True,
            "train PLANT1/CIRC1: an earlier run did not finish it",
        ),
        (Trained("same", Verdict.TRAINED), True, None, "", True, "retrain PLANT1/CIRC1: named by hand"),
    ],
)
def test_decisions(
    last: Trained | None, named: bool, change: ChangeType | None, detail: str, train: bool, reason: str
):
    decision = decide(CIRCUIT, "same", last, named_by_hand=named, change=change, detail=detail)
    assert (decision.key, decision.train, decision.reason) == (KEY, train, reason)
    assert (decision.training_hash, decision.change) == ("same", change)


@pytest.mark.parametrize(
    ("verdict", "train"),
    [
        (Verdict.TRAINED, True),
        (Verdict.QUARANTINED, True),
        (Verdict.CANCELLED, True),
        (Verdict.TRAINING, True),
        (Verdict.GATED_OUT, False),
    ],
)
def test_a_run_that_is_started_again_takes_up_its_circuits(verdict: Verdict, train: bool):
    last = Trained("hash", verdict)
    decision = decide(CIRCUIT, "hash", last, named_by_hand=False, retried=True, change=None, detail="")
    assert decision.train is train
