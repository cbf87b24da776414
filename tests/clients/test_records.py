"""Records, on a real table and blob service."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from busbar.clients.blobs import Blobs
from busbar.clients.records import Records
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import Conflict, NotFound
from busbar.domain.gates import GateResult, Metrics
from busbar.domain.merges import MergeRecord
from busbar.domain.policies import Stage
from busbar.domain.records import (
    Candidate,
    CircuitRecord,
    DeploymentRecord,
    Offer,
    RunRecord,
    RunStatus,
    ScoringRecord,
    Served,
)
from busbar.domain.release import Pin, ReleaseSet
from busbar.domain.training import Verdict
from tests.azure import LocalAzure

METRICS = Metrics(mae=1.2, rmse=1.9, accuracy=0.93, champion_mse=None)


def a_key() -> CircuitKey:
    return CircuitKey(f"P{uuid4().hex[:12]}", "CIRC1")


def a_record(key: CircuitKey) -> CircuitRecord:
    gate = GateResult("min_recall", False, float("nan"), 0.5)
    return CircuitRecord(
        key, "abc", Verdict.TRAINED, "because", "run", "c" * 40, "2025-12-09", "2025-12-09T12:00:00+00:00",
        metrics=METRICS, gates=(gate,),
    )  # fmt: skip


def a_release(*keys: CircuitKey) -> ReleaseSet:
    pins = tuple(
        Pin(key, f"{key.plant_id}_model", "1", "abc", "2025-12-09", "2025-12-09", "env:1.0.0", "1.0.0", "1.0.0",
            "job", "config.yaml", METRICS)
        for key in keys
    )  # fmt: skip
    return ReleaseSet(f"train-{uuid4()}", "c" * 40, "someone", pins, "sensor-forecasting-env")


def test_a_circuit_comes_back_as_it_was_saved(local_azure: LocalAzure):
    records, record = Records(local_azure.settings), a_record(a_key())
    assert records.circuit(record.key) is None
    records.save_circuit(record)
    found = records.circuit(record.key)
    assert found is not None
    assert str(found) == str(record)  # text: a NaN equals no other
    assert str(record) in [str(other) for other in records.circuits()]


def test_a_body_longer_than_a_property_holds_comes_back_whole(local_azure: LocalAzure):
    records, record = Records(local_azure.settings), replace(a_record(a_key()), reason="ä" * 50_000, gates=())
    records.save_circuit(record)
    assert records.circuit(record.key) == record


def test_updates_under_contention_lose_nothing(local_azure: LocalAzure):
    records, record = Records(local_azure.settings), a_record(a_key())
    records.save_circuit(record)
    changes = {"job": "j1", "model_version": "3", "registry_version": "3", "reason": "new"}

    def change(name: str) -> None:
        records.update_circuit(record.key, **{name: changes[name]})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change, changes))
    found = records.circuit(record.key)
    assert found is not None
    assert {name: getattr(found, name) for name in changes} == changes
    assert found.updated_at > record.updated_at


def test_an_update_of_an_unknown_circuit_says_so(local_azure: LocalAzure):
    with pytest.raises(NotFound, match="no record"):
        Records(local_azure.settings).update_circuit(a_key(), job="j")


def test_deployments_and_scorings_are_kept_per_stage(local_azure: LocalAzure):
    records, key = Records(local_azure.settings), a_key()
    deployed = DeploymentRecord(key, Stage.TEST, "be", "circ1-v1", "m", "1", "2025-12-09", "c.yaml", "now")
    scored = ScoringRecord(key, Stage.TEST, "2025-12-09", "job", "completed", 24, "now")
    assert records.change_deployment(Stage.TEST, key, lambda _: deployed) == deployed
    records.save_scoring(scored)
    assert records.deployment(Stage.TEST, key) == deployed
    assert records.deployment(Stage.PROD, key) is None
    assert deployed in records.deployments()
    assert deployed in records.deployments(Stage.TEST)
    assert deployed not in records.deployments(Stage.DEV)
    assert scored in records.scorings()


def test_two_writers_of_a_deployment_lose_nothing_of_each_other(local_azure: LocalAzure):
    records, key = Records(local_azure.settings), a_key()
    first = DeploymentRecord(key, Stage.PROD, "be", "circ1-v1", "m", "1", "2025-12-09", "c.yaml", "now")
    candidate = Candidate("circ1-v2", "m", "2", "2025-12-09", "c.yaml", "now", share=10)
    served = Served("circ1-v0", "m", "0", "2025-12-09", "c.yaml", "before")

    def write(**changes: Any) -> None:
        records.change_deployment(Stage.PROD, key, lambda record: replace(record or first, **changes))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda changes: write(**changes), [{"candidate": candidate}, {"previous": served}] * 2))
    assert records.deployment(Stage.PROD, key) == replace(first, candidate=candidate, previous=served)


def test_a_change_to_nothing_removes_the_deployment(local_azure: LocalAzure):
    records, key = Records(local_azure.settings), a_key()
    first = DeploymentRecord(key, Stage.PROD, "be", "circ1-v1", "m", "1", "2025-12-09", "c.yaml", "now")
    records.change_deployment(Stage.PROD, key, lambda _: first)
    for _ in range(2):
        assert records.change_deployment(Stage.PROD, key, lambda _: None) is None
    assert records.deployment(Stage.PROD, key) is None


def test_a_change_that_refuses_leaves_the_deployment_as_it_is(local_azure: LocalAzure):
    records, key = Records(local_azure.settings), a_key()

    def refuse(record: DeploymentRecord | None) -> DeploymentRecord:
        raise Conflict("no")

    with pytest.raises(Conflict):
        records.change_deployment(Stage.PROD, key, refuse)
    assert records.deployment(Stage.PROD, key) is None


def test_merges_are_kept_newest_first(local_azure: LocalAzure):
    def merge(id: str, at: str) -> MergeRecord:
        latest = {
            f"PLANT{number}/CIRC1": at for number in range(2000)
        }  # more than one property of a row holds
        return MergeRecord(id, "run", "c" * 40, at, reasons=(("is no time", 3),), version=4, latest=latest)

    records = Records(local_azure.settings)
    older, newer = (merge(f"merge-{uuid4().hex}-a1", at) for at in ("2031-01-01T00:00", "2031-01-02T00:00"))
    for one in (older, newer, older):
        records.save_merge(one)
    assert [one for one in records.merges() if one.at.startswith("2031")] == [newer, older]
    assert records.merge(older.id) == older
    assert records.merge("nobody") is None


def test_until_when_a_schedule_was_seen_to(local_azure: LocalAzure):
    records = Records(local_azure.settings)
    for due in ("2025-12-08T02:00:00+00:00", "2025-12-09T02:00:00+00:00"):
        records.save_schedule(Stage.TEST, due)
    assert records.schedule(Stage.TEST) == "2025-12-09T02:00:00+00:00"
    assert records.schedule(Stage.PROD) is None


def test_runs_come_newest_first(local_azure: LocalAzure):
    records, tag = Records(local_azure.settings), uuid4().hex
    for hour in (2, 3, 1):
        records.save_run(
            RunRecord(
                f"{tag}-{hour}", "c", "develop", "someone", RunStatus.RUNNING, "…", f"2025-12-09T0{hour}:00"
            )
        )
    assert [run.id for run in records.runs() if run.id.startswith(tag)] == [
        f"{tag}-{hour}" for hour in (3, 2, 1)
    ]
    assert records.run(f"{tag}-2") is not None
    assert records.run("nobody") is None


def test_a_release_set_is_kept_for_good(local_azure: LocalAzure):
    records, release = Records(local_azure.settings), a_release(a_key(), a_key())
    assert records.release(release.id) is None
    records.save_release(release)
    records.save_release(release)
    assert records.release(release.id) == release
    assert release.id in records.releases()
    Blobs(local_azure.settings).write("releases", f"{release.id}.json", b"{}")
    with pytest.raises(Conflict, match="other content"):
        records.save_release(release)


def test_the_latest_offer_wins_and_a_repeat_changes_nothing(local_azure: LocalAzure):
    records = Records(local_azure.settings)
    first, second = a_release(a_key()), a_release(a_key())
    for release in (first, second):
        records.save_release(release)
        records.save_offer(Stage.PROD, Offer(release.id))
    records.save_offer(Stage.PROD, Offer(first.id, (CircuitKey("P", "C"),)))
    assert records.latest_offer(Stage.PROD) == Offer(second.id)
    assert records.latest_offer(Stage.DEV) is None
