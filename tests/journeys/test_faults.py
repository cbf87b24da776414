"""The same journey while Azure misbehaves: busy, repeating and reordering events, losing a node, keeping an answer.

It takes minutes: `FAULTS=1 pytest tests/journeys/test_faults.py`; SEED chooses another course of events.
"""

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from busbar.domain.training import Verdict
from tests.journeys import people, steps
from tests.journeys.fleet import KEYS
from tests.journeys.stack import Stack, running
from tests.journeys.steps import Trained

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.environ.get("FAULTS") != "1", reason="takes minutes: set FAULTS=1"),
]

_WHILE: dict[str, Any] = {"for_seconds": 1800, "seed": int(os.environ.get("SEED", "1"))}
# A registration makes some ten requests and the app repeats it five times: more than one request in twenty is too many.
_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "throttle", "where": {"service": "machine-learning"}, "probability": 0.05, **_WHILE},
    {"kind": "duplicate-event", "probability": 0.5, **_WHILE},
    {"kind": "reorder-events", "parameters": {"within_seconds": 3}, **_WHILE},
    {"kind": "node-preempted", "where": {"step": "train"}, "parameters": {"after_seconds": 3}, "times": 1},
    {"kind": "drop", "where": {"path": "/emails:send"}, "times": 1},
)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("faulty")) as stack:
        for fault in _FAULTS:
            stack.pages.post("/admin/faults", json=fault).raise_for_status()
        yield stack


@pytest.fixture(scope="module")
def trained(faulty: Stack, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return steps.train(faulty, steps.found(faulty, tmp_path_factory.mktemp("fleet")))


def test_every_circuit_is_trained_once_and_its_model_registered_once(faulty: Stack, trained: Trained) -> None:
    verdicts = {key: one.record.verdict for key, one in trained.snapshot.circuits.items()}
    assert verdicts == dict.fromkeys(KEYS, Verdict.TRAINED)
    trainings = {job for job in faulty.jobs() if job.startswith("train-")}
    assert trainings == {trained.job(key) for key in KEYS}
    for key in KEYS:
        assert {version: tags["job"] for version, tags in faulty.models(key).items()} == {
            "1": trained.job(key)
        }


def test_no_mail_is_sent_twice(faulty: Stack, trained: Trained) -> None:
    faulty.settled()
    sent = Counter((mail["to"][0], mail["subject"]) for mail in people.mails(faulty))
    assert sent
    assert [one for one, times in sent.items() if times > 1] == []


def test_the_faults_did_happen(faulty: Stack, trained: Trained) -> None:
    found = faulty.pages.get("/admin/faults").raise_for_status().json()["faults"]
    assert {one["fault"]["kind"]: one["injected"] > 0 for one in found} == {
        one["kind"]: True for one in _FAULTS
    }
