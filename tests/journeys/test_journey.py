"""The whole product on the real stack: a push trains, asks, promotes, deploys and scores; and what must not happen.

All in one file, so that one worker runs it (`--dist loadfile`) and one stack is started.
"""

import html
import json
import math
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from busbar.domain import names
from busbar.domain.circuits import CircuitKey, Serving
from busbar.domain.policies import Stage
from busbar.domain.training import Verdict
from tests.components import shipped_version
from tests.journeys import events, people
from tests.journeys.fleet import CIRCUITS, FIRST, KEYS, ONLINE, SECOND, SENSORS, Fleet
from tests.journeys.mistakes import MISTAKES, STALE_COMPONENT, TRAIN_LSTM
from tests.journeys.stack import ROOT, Stack
from tests.journeys.steps import Approved, Looked, Refused, Resumed, Scored, Trained

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (ROOT / "node_modules" / ".bin" / "azurite").exists(), reason="Azurite is not installed: npm ci"
    ),
]


# ---- the journey ---------------------------------------------------------------------------------------------


def test_a_push_trains_real_models(stack: Stack, trained: Trained, tmp_path: Path) -> None:
    assert trained.merge["done"], trained.merge["sentence"]
    verdicts = {key: one.record.verdict for key, one in trained.snapshot.circuits.items()}
    assert verdicts == dict.fromkeys(KEYS, Verdict.TRAINED)
    for key in KEYS:
        folder = stack.download("azureml-mlops-dev-workspace", f"jobs/{trained.job(key)}", tmp_path)
        _assert_sane(json.loads((folder / "metrics.json").read_text()), key)
        assert (folder / "trained_model" / "MLmodel").exists()
        assert any((folder / "artifacts").rglob("*.png"))


def test_mlflow_has_the_runs_metrics(stack: Stack, trained: Trained) -> None:
    for key in KEYS:
        training = stack.mlflow_run(f"{trained.job(key)}_train")["data"]
        assert {one["key"] for one in training["params"]} >= {"units", "epochs"}
        assert {one["key"] for one in training["metrics"]} >= {"validation_mae", "validation_rmse"}
        evaluation = stack.mlflow_run(f"{trained.job(key)}_evaluate")["data"]
        metrics = {one["key"]: one["value"] for one in evaluation["metrics"]}
        measured = trained.snapshot.circuits[key].record.metrics
        assert measured is not None
        assert (metrics["test_mae"], metrics["test_rmse"]) == pytest.approx((measured.mae, measured.rmse))


def test_a_model_says_what_made_it(stack: Stack, trained: Trained) -> None:
    for key in KEYS:
        record = trained.snapshot.circuits[key].record
        models = stack.models(key)
        assert list(models) == ["1"]
        assert (
            models["1"].items()
            >= {
                "build_id": trained.commit,
                "cutoff_date": "2025-12-09",
                "data_asset_name": f"{key.plant_id}_{key.circuit_id}",
                "data_asset_version": "2025-12-09",
                "component_version": shipped_version("training/training_pipeline"),
                "validated": "true",
                "training_hash": record.training_hash,
            }.items()
        )


def test_dev_is_deployed_unasked(stack: Stack, trained: Trained) -> None:
    states = trained.snapshot.circuits
    assert {key: set(states[key].deployments) for key in KEYS} == {key: {Stage.DEV} for key in KEYS}
    assert [one.subject.partition(" to ")[0] for one in trained.snapshot.pending] == [
        "Promote environment sensor-forecasting-env:1.1.0"
    ]
    assert trained.status is not None
    assert trained.status[0] == "success"
    assert "2 trained" in trained.status[1]


def test_the_evidence_notebook_is_there_when_people_are_asked(stack: Stack, approved: Approved) -> None:
    page = stack.functions.get(f"/releases/{approved.run.release_id}/evidence")
    assert page.status_code == 200, page.text
    assert page.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "2 models of 1 plant" in page.text
    assert page.text.count("data:image/png;base64,") == 2
    assert all(str(key) in page.text for key in KEYS)


def test_links_show_and_decide_once(approved: Approved) -> None:
    assert approved.answers == {
        "look": 200,
        "look again": 200,
        "tampered form": 400,
        "no form": 400,
        "broken link": 404,
        "approve": 200,
        "used link": 410,
        "the deputy's link, decided": 410,
        "approve test": 200,
        "first for prod": 200,
        "the same person again": 410,
        "second for prod": 200,
    }


def test_each_approver_gets_one_mail(approved: Approved) -> None:
    assert approved.asked == {
        "registry": ["ml-lead-deputy@example.com", "ml-lead@example.com"],
        "test": ["qa-engineer@example.com", "qa-lead@example.com"],
        "prod": ["plant-lead@example.com", "platform-lead@example.com", "senior-engineer@example.com"],
    }


def test_nothing_moves_before_its_approval(approved: Approved) -> None:
    assert [one.votes for one in approved.seen["looked at"].pending] == [()]
    for moment, stage in (
        ("looked at", Stage.TEST),
        ("before test", Stage.TEST),
        ("one vote for prod", Stage.PROD),
    ):
        assert not [one for one in approved.seen[moment].circuits.values() if stage in one.deployments]
    (asked,) = approved.seen["one vote for prod"].pending
    assert [vote["login"] for vote in asked.votes] == ["plant-lead"]
    assert (
        "2 of 2 circuits deployed to prod (approved by plant-lead and platform-lead)" in approved.run.sentence
    )


def test_what_was_approved_serves(stack: Stack, trained: Trained, approved: Approved) -> None:
    registry = stack.registry()
    for key in KEYS:
        assert [one.version for one in registry.models.list(name=f"{names.model(key)}")] == ["1"]
    for stage in Stage:
        ml = stack.workspace(stage)
        (batch,), (online,) = ml.batch_endpoints.list(), ml.online_endpoints.list()
        assert online.traffic == {"online-v1": 100}
        standing = [*ml.batch_deployments.list(batch.name), *ml.online_deployments.list(online.name)]
        deployments = {one.name: one for one in standing}
        assert set(deployments) == {"online-v1", "circ2-v1"}
        for key in KEYS:
            serving = Serving.ONLINE if key == ONLINE else Serving.BATCH
            tags = deployments[names.deployment(key, "1", serving)].tags
            assert tags["cutoff_date"] == "2025-12-09"
            assert tags["training_hash"] == trained.snapshot.circuits[key].record.training_hash
    assert approved.run.release_id is not None


def test_forecasts_are_written_once(scored: Scored, approved: Approved) -> None:
    first, again = scored.rows
    sensors = [(circuit, sensor) for circuit, several in SENSORS.items() for sensor in several]
    assert Counter((row["circuit_id"], row["sensor"]) for row in first) == dict.fromkeys(sensors, 2 * 24)
    assert {row["model_version"] for row in first} == {"1"}
    assert {row["issued_at"] for row in first} == {datetime(2025, 12, day, tzinfo=UTC) for day in (9, 10)}
    assert min(row["time"] for row in first) == datetime(2025, 12, 9, tzinfo=UTC)
    assert max(row["time"] for row in first) == datetime(2025, 12, 10, 23, tzinfo=UTC)
    assert all(row["lower"] <= row["upper"] and math.isfinite(row["forecast"]) for row in first)
    assert _identities(again) == _identities(first)
    assert len(again) == len(first)
    assert [[one["done"] for one in outcomes] for outcomes in scored.newest] == [[True, True]] * 2


def test_a_missed_day_is_scored_by_a_job_for_many_circuits(stack: Stack, scored: Scored) -> None:
    """What is online is asked by itself; the record is that of the newest day."""
    for outcomes in scored.missed:
        assert [(one["key"]["circuit_id"], one["done"], one["sentence"]) for one in outcomes] == [
            (SECOND.circuit_id, True, "48 rows"),
            (ONLINE.circuit_id, True, "48 rows"),
        ]
    assert len(scored.jobs) == 2
    states = stack.snapshot().circuits.values()
    assert {one.scorings[Stage.PROD].day for one in states} == {"2025-12-09"}


def test_what_prod_serves_is_looked_at(stack: Stack, looked: Looked) -> None:
    assert (
        looked.said == "2 circuits judged: 2 not judged"
    )  # by five weeks of readings no drift can be judged
    for record in looked.state.circuits:
        assert "days of readings before its cutoff date; judging drift needs 56" in record.judged.sentence
        page = f"/circuits/{record.key}/drift"
        assert record.judged.reason in html.unescape(stack.functions.get(page).raise_for_status().text)
        plot = stack.functions.get(f"{page}/plot", params={"stage": "prod", "day": record.judged.day})
        assert b"<svg" in plot.raise_for_status().content
    assert [record.key for record in looked.state.circuits] == list(KEYS)
    assert not any("score first" in record.judged.forecasts for record in looked.state.circuits)


def test_the_board_shows_it(stack: Stack, scored: Scored) -> None:
    page = stack.functions.get("/").raise_for_status().text
    row = page.partition('href="/circuits/PLANT1/CIRC1"')[2].partition("</tr>")[0]
    assert row.count("v1") >= 5, row  # model, dev, registry, test, prod
    assert "2025-12-09" in row
    assert stack.functions.get("/circuits/PLANT1/CIRC1").status_code == 200
    assert httpx.get(str(stack.functions.base_url.join("/api/circuits")), trust_env=False).status_code == 401


# ---- repeats -------------------------------------------------------------------------------------------------


def test_repeats_train_nothing(stack: Stack, fleet: Fleet, trained: Trained, approved: Approved) -> None:
    """Every webhook redelivered, the push published and delivered twice more, job events and the push repeated."""
    before = stack.jobs(), stack.instances(), len(people.mails(stack))

    deliveries = events.deliveries(stack)
    for delivery in deliveries:
        events.redeliver(stack, delivery)
    push = events.push_of(stack, trained.commit)
    for _ in range(2):
        events.publish(stack, push)
        events.deliver(stack, [events.push_event(push)])
    for job in map(trained.job, KEYS):
        events.deliver(stack, events.job_events(job, stack.workspace(Stage.DEV).jobs.get(job).tags))
    fleet.clone.git("push", "--quiet", "origin", ":refs/heads/develop")
    fleet.clone.git("push", "--quiet", "origin", f"{trained.commit}:refs/heads/develop")
    stack.until("the pushes to be noticed", lambda: len(events.deliveries(stack)) == len(deliveries) + 2)
    stack.settled()

    assert (stack.jobs(), stack.instances(), len(people.mails(stack))) == before


# ---- bad input -----------------------------------------------------------------------------------------------


def test_a_webhook_that_is_not_the_hosts_starts_nothing(stack: Stack) -> None:
    before = stack.instances(), events.published(stack)
    body = json.dumps({"ref": "refs/heads/develop", "after": "a" * 40, "before": "b" * 40}).encode()
    assert events.webhook(stack, body, None).status_code == 401
    assert events.webhook(stack, body, "sha256=" + "0" * 64).status_code == 401
    assert events.webhook(stack, body, events.signed("not the secret", body)).status_code == 401
    assert (stack.instances(), events.published(stack)) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b'{"ref": 7}', "ref"),
        (b'{"ref": "refs/heads/develop"}', "repository.full_name"),
        (
            b'{"ref": "refs/heads/develop", "repository": {"full_name": "plants/fleet"}, "before": "x"}',
            "before",
        ),
    ],
)
def test_a_malformed_webhook_is_told_its_field(stack: Stack, body: bytes, field: str) -> None:
    before = stack.instances(), events.published(stack)
    answer = events.webhook(stack, body, events.signed(stack.environment["BUSBAR_WEBHOOK_SECRET"], body))
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert field in answer.json()["error"]
    assert (stack.instances(), events.published(stack)) == before


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place(refused: Refused, name: str) -> None:
    state, text = refused.statuses[name]
    assert state == "failure"
    lines = refused.files[name][CIRCUITS].decode().splitlines()
    wrong = MISTAKES[name]
    last = max(number for number, line in enumerate(lines, 1) if line.startswith(wrong.line))
    assert f"{CIRCUITS}:{last}: {wrong.key}:" in text


def test_changed_content_under_an_old_version_is_refused(refused: Refused) -> None:
    state, text = refused.statuses[STALE_COMPONENT]
    assert state == "failure"
    assert f"{TRAIN_LSTM}/component.yaml" in text
    assert "train_lstm" in text
    assert shipped_version("training/train_lstm") in text


def test_mistakes_train_nothing(refused: Refused) -> None:
    assert refused.after == refused.before


# ---- loss and death ------------------------------------------------------------------------------------------


def test_a_lost_push_is_found(resumed: Resumed) -> None:
    assert (resumed.delivery["status"], resumed.delivery["attempts"]) == ("dropped", 0)
    run = resumed.snapshot.run(names.training_run(resumed.commit))
    assert run is not None
    assert run.requester == "data-scientist"  # who committed it may not approve it


def test_exactly_the_changed_circuit_trains_again(stack: Stack, trained: Trained, resumed: Resumed) -> None:
    new = resumed.jobs - resumed.jobs_before  # the release set's evidence notebook is a job, too
    (job,) = (job for job in new if job.startswith("train-"))
    assert job.startswith("train-PLANT1-CIRC2-")
    assert job.endswith("-a1")
    assert stack.workspace(Stage.DEV).jobs.get(job).status == "Completed"
    runs = {key: one.record.run for key, one in resumed.snapshot.circuits.items()}
    assert runs == {FIRST: trained.run, SECOND: names.training_run(resumed.commit)}
    assert resumed.snapshot.circuits[SECOND].record.cutoff_date == "2025-12-08"


def test_after_a_kill_each_model_is_registered_once(stack: Stack, trained: Trained, resumed: Resumed) -> None:
    assert resumed.survivors == []
    assert list(stack.models(FIRST)) == ["1"]
    second = stack.models(SECOND)
    assert sorted(second) == ["1", "2"]
    assert second["1"]["job"] == trained.job(SECOND)
    assert second["2"]["job"] == resumed.snapshot.circuits[SECOND].record.job


def test_after_a_kill_no_mail_is_sent_twice(stack: Stack, resumed: Resumed) -> None:
    sent = Counter((mail["to"][0], mail["subject"]) for mail in people.mails(stack))
    assert [one for one, times in sent.items() if times > 1] == []


# ---- helpers -------------------------------------------------------------------------------------------------


def _assert_sane(document: dict[str, Any], key: CircuitKey) -> None:
    assert (document["plant_id"], document["circuit_id"]) == (key.plant_id, key.circuit_id)
    assert document["cutoff_date"] == "2025-12-09"
    assert document["rows"] == 35 * 24
    assert all(count > 0 for count in document["windows"].values())
    metrics = document["metrics"]
    assert 0 < metrics["mae"] <= metrics["rmse"] < 50
    assert metrics["accuracy"] > 0.5
    assert metrics["r2"] <= 1
    assert 0 < document["standardised"]["mse"] < document["baselines"]["seasonal_naive"]["mse"]
    assert 0 < document["skill"]["seasonal_naive"] < 1
    assert set(document["sensors"]) == set(SENSORS[key.circuit_id])
    assert document["training"]["epochs"] >= 1
    assert document["training"]["onnx_parity"] < 1e-3


def _identities(rows: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    return {
        (row["circuit_id"], row["sensor"], row["issued_at"], row["time"], row["deployment"]) for row in rows
    }
