from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.localazure.machine_learning.conftest import Cloud, finish, workspace_client
from tests.localazure.machine_learning.sdk import chain_job

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def tracking(cloud: Cloud) -> Iterator[httpx.Client]:
    """MLflow's tracking API as a job's process reaches it."""
    with workspace_client(cloud.runtime, "/mlflow/v1.0", "/api/2.0") as session:
        yield session


def _get(session: httpx.Client, route: str, **query: str) -> Any:
    return session.get(f"/mlflow/{route}", params=query).raise_for_status().json()


def _post(session: httpx.Client, path: str, **body: Any) -> Any:
    return session.post(f"/mlflow/{path}", json=body).raise_for_status().json()


def test_a_job_is_a_run_that_takes_metrics(published: Any, tracking: httpx.Client) -> None:
    published.jobs.create_or_update(chain_job(published, "tracked"))
    finish(published, "tracked")
    _post(tracking, "runs/log-metric", run_id="tracked", key="mae", value=2.0, timestamp=1, step=0)
    _post(
        tracking,
        "runs/log-batch",
        run_id="tracked",
        metrics=[{"key": "mae", "value": 1.5, "timestamp": 2, "step": 1}],
        params=[{"key": "epochs", "value": "8"}],
        tags=[{"key": "note", "value": "x"}],
    )
    _post(tracking, "runs/update", run_id="tracked", status="FAILED")
    run = _get(tracking, "runs/get", run_id="tracked")["run"]
    assert run["info"]["status"] == "FINISHED"
    assert [(item["key"], item["value"], item["step"]) for item in run["data"]["metrics"]] == [
        ("mae", 1.5, 1)
    ]
    assert run["data"]["params"] == [{"key": "epochs", "value": "8"}]
    assert {"key": "orchestration_id", "value": "o-tracked"} in run["data"]["tags"]
    history = _get(tracking, "metrics/get-history", run_id="tracked", metric_key="mae")["metrics"]
    assert [point["value"] for point in history] == [2.0, 1.5]
    experiment = _get(tracking, "experiments/get-by-name", experiment_name="training")["experiment"]
    assert experiment["experiment_id"] == run["info"]["experiment_id"]
    found = _post(tracking, "runs/search", experiment_ids=[experiment["experiment_id"]])["runs"]
    assert "tracked" in [item["info"]["run_id"] for item in found]


def test_a_parameter_never_changes(tracking: httpx.Client) -> None:
    run_id = _post(tracking, "runs/create", run_name="own")["run"]["info"]["run_id"]
    _post(tracking, "runs/log-parameter", run_id=run_id, key="a", value="1")
    refused = tracking.post("/mlflow/runs/log-parameter", json={"run_id": run_id, "key": "a", "value": "2"})
    assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_artifacts_are_stored_listed_and_read(tracking: httpx.Client) -> None:
    run = _post(tracking, "runs/create", run_name="own")["run"]["info"]
    base = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    tracking.put(f"/mlflow-artifacts/artifacts/{base}/model/MLmodel", content=b"a").raise_for_status()
    listed = tracking.get("/mlflow-artifacts/artifacts", params={"path": base}).json()["files"]
    assert listed == [{"path": "model", "is_dir": True}]
    assert (
        _get(tracking, "artifacts/list", run_id=run["run_id"], path="model")["files"][0]["path"]
        == "model/MLmodel"
    )
    assert tracking.get(f"/mlflow-artifacts/artifacts/{base}/model/MLmodel").content == b"a"
    assert tracking.put("/mlflow-artifacts/artifacts/texts/hello.txt", content=b"").status_code == 400


def test_what_azure_lacks_is_not_found(tracking: httpx.Client) -> None:
    for path in ("/mlflow/logged-models", "/mlflow/registered-models/create"):
        answer = tracking.post(path, json={})
        assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    missing = tracking.get("/mlflow/runs/get", params={"run_id": "nothing"})
    assert (missing.status_code, missing.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
