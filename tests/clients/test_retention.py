"""Retention through the real SDK: what is deployed survives whole, an old model that nothing refers to is put away."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from activities.retention import (
    REPORTS,
    close_retention,
    note_prediction_purge,
    plan_retention,
    purge_batch,
    survey_holdings,
)
from busbar.clients.approvals import Approvals
from busbar.clients.audit import Audit
from busbar.clients.blobs import Blobs
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.releases import Releases
from busbar.clients.reports import Reports
from busbar.codec import from_wire
from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.events import JobStatus
from busbar.domain.policies import RetentionPolicy, Stage
from busbar.domain.records import DeploymentRecord, Served
from busbar.domain.release import Pin
from busbar.domain.retention import PLACES, REGISTRY, Item, RetentionPlan, pinned
from busbar.domain.steps import PredictionPurge, PurgeBatch, RetentionReport, RetentionRun, Survey
from tests.activities.bench import METRICS, repository
from tests.azure import LocalAzure
from tests.clients.test_machine_learning import Fleet, eventually
from tests.fakes import FakeDrifts

LATER = (datetime.now(UTC) + timedelta(days=400)).isoformat()
COMMIT = (
    uuid4().hex + uuid4().hex[:8]
)  # other tests' runs lie in the same table: none of them is of this commit
TERMS = {stage: RetentionPolicy(30, 14, 60, 30) for stage in Stage}
OLD = (datetime.fromisoformat(LATER) - timedelta(days=14)).date()
DRIFT = f"drift reports of dev before {OLD}, of test before {OLD}, of prod before {OLD} deleted"


@dataclass(frozen=True)
class World:
    """A fleet of one circuit on the local Azure, which other tests share: a plant and a table of its own."""

    ml: MachineLearning
    records: Records
    releases: Releases
    approvals: Approvals
    reports: Reports
    audit: Audit
    fleet: Fleet
    key: CircuitKey

    def given(self, *wanted: str) -> dict[str, Any]:
        return {name: repository() if name == "repository" else getattr(self, name) for name in wanted}

    def train(self, number: int) -> Pin:
        """A job that ran, its data, its model in dev and in the registry."""
        key, cutoff = self.key, f"2025-06-{number:02}"
        job = names.training_job(key, uuid4().hex[:12], number)
        asset, folder = names.data_asset(key), names.mltable_folder(names.data_asset(key), cutoff, 3)
        self.ml.write_file(Stage.DEV, f"{folder}/MLTable", b"type: mltable\npaths: [{folder: x}]\n")
        self.ml.create_data(asset, cutoff, folder, {"delta_version": str(number)})
        self.fleet.submit(job, data_asset_name=asset, data_asset_version=cutoff)
        assert self.fleet.finished(job) is JobStatus.COMPLETED
        self.ml.create_model(names.model(key), str(number), job, {"job": job, "build_id": COMMIT})
        self.ml.share_model(names.model(key), str(number))
        eventually(lambda: self.ml.model_in_registry(names.model(key), str(number)))
        config, environment = "circuit.yaml", "sensor-forecasting-env:1.0.0"
        pin = Pin(
            key, names.model(key), str(number), "0123456789ab", cutoff, cutoff, environment, "1.0.0", "1.0.0", job,
            config, METRICS,
        )  # fmt: skip
        self.releases.keep_pin(pin)
        return pin

    def serve(self, pin: Pin) -> None:
        served = Served("circ1", pin.model_name, pin.model_version, pin.cutoff_date, "c.yaml", "now")
        record = DeploymentRecord.first(self.key, Stage.PROD, "be", served)
        self.records.change_deployment(Stage.PROD, self.key, lambda _: record)

    def look(self, run: RetentionRun) -> RetentionReport:
        for kind, place in PLACES:
            survey_holdings(Survey(run, kind, place), **self.given("ml", "records", "releases", "reports"))
        plan_retention(run, **self.given("records", "releases", "approvals", "repository", "reports"))
        return self.report(run)

    def purge(self, run: RetentionRun) -> RetentionReport:
        self.look(run)
        clients = self.given("ml", "records", "releases", "approvals", "repository", "reports")
        for _ in range(2):  # as after a process that died before it could say that it was done
            purge_batch(PurgeBatch(run, 0), **clients)
        note_prediction_purge(PredictionPurge(run, problem="there are none"), **self.given("ml", "reports"))
        drifts: Any = FakeDrifts()  # the reports of other tests are not this one's to purge
        close_retention(run, **self.given("reports", "audit"), drifts=drifts)
        return self.report(run)

    def report(self, run: RetentionRun) -> RetentionReport:
        return from_wire(RetentionReport, self.reports.read(REPORTS, run.id))

    def there(self) -> set[Item]:
        """What of the circuit Azure ML lists."""
        run = replace(RUN, id=f"retention-{uuid4().hex}")
        found = self.look(run).plan
        own = (ruling.item for ruling in (*found.purge, *found.kept))
        return {item for item in own if self.key.plant_id in item.name}


RUN = RetentionRun(f"retention-{uuid4().hex}", "operator", LATER, TERMS)


@pytest.fixture
def world(local_azure: LocalAzure, tmp_path: Path) -> World:
    settings = local_azure.settings
    ml, audit = MachineLearning(settings), Audit(settings, f"audit{uuid4().hex[:12]}")
    stores = Records(settings), Releases(settings), Approvals(settings), Reports(settings)
    return World(ml, *stores, audit, Fleet(ml, tmp_path), CircuitKey(f"P{uuid4().hex[:12]}", "CIRC1"))


def test_a_deployed_model_survives_and_an_old_one_that_nothing_refers_to_is_put_away(world: World):
    old, deployed = world.train(1), world.train(2)
    world.serve(deployed)
    shown = world.look(RUN)
    goes = {ruling.item for ruling in shown.plan.purge}
    assert set(pinned(old)) <= goes
    assert not set(pinned(deployed)) & goes
    assert world.there() == {*pinned(old), *pinned(deployed)}

    own = tuple(ruling for ruling in shown.plan.purge if ruling.item in pinned(old))
    mine = replace(RUN, id=f"retention-{uuid4().hex}")  # other tests' jobs lie in the same workspace
    world.reports.save(REPORTS, mine.id, RetentionReport(mine, RetentionPlan(own), ended=True))
    done = world.purge(replace(RUN, id=f"purge-{mine.id}", apply=True, shown=mine.id))

    assert {fate.item for fate in done.fates if fate.purged} == set(pinned(old))
    assert world.there() == set(pinned(deployed))
    assert not world.ml.has_file(Stage.DEV, f"jobs/{old.job}/metrics.json")
    assert world.ml.has_file(Stage.DEV, f"jobs/{deployed.job}/metrics.json")
    assert world.ml.job(Stage.DEV, old.job) is not None  # its name stays taken
    assert 1 not in world.ml.pinned_versions()
    assert world.ml.pinned(names.data_asset(world.key), "2025-06-01") == 1
    versions = {one.version for one in world.ml.models(Stage.DEV, names.model(world.key))}
    assert versions == {"1", "2"}  # archived ones too: no version is ever given twice
    assert world.ml.model_in_registry(deployed.model_name, "2")
    assert world.audit.entries()[-1].sentence == (
        f"purge-{mine.id}: 2 models, 1 job, 1 data asset purged; forecasts were not purged: there are none; {DRIFT}"
    )


def test_what_is_not_there_can_be_put_away(local_azure: LocalAzure):
    ml = MachineLearning(local_azure.settings)
    ml.archive_model(Stage.DEV, "nobodys_model", "1")
    ml.archive_model(REGISTRY, "nobodys_model", "1")
    ml.archive_data("nobodys", "1")
    ml.archive_job(Stage.DEV, "nobodys")
    ml.delete_files(Stage.DEV, "jobs/nobodys")
    assert ml.kept_models(Stage.DEV, ["nobodys_model"]) == ml.kept_data(["nobodys"]) == []


def test_a_folder_goes_whole_and_its_neighbour_stays(local_azure: LocalAzure):
    blobs, container = Blobs(local_azure.settings), f"c{uuid4().hex}"
    for path in ("jobs/a/x", "jobs/a/deep/y", "jobs/ab/z"):
        blobs.write(container, path, b"1")
    for _ in range(2):
        blobs.delete_below(container, "jobs/a/")
    assert [name for name, _ in blobs.names(container)] == ["jobs/ab/z"]
    blobs.delete_below(f"none{uuid4().hex}", "jobs/a/")
