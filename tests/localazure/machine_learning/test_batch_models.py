"""Batch deployments of a model through the real SDK: a folder of files in, predictions out."""

import uuid
from typing import Any

import pytest

from localazure.machine_learning.storage import Location, Storage
from tests.localazure.machine_learning.conftest import WORKSPACE, Cloud, finish
from tests.localazure.machine_learning.sdk import DATASTORE, PARTS, environment

pytestmark = pytest.mark.timeout(180)
CONTAINER = f"azureml-{WORKSPACE}"
ENDPOINT = "batch-words"


@pytest.fixture(scope="module")
def prepared(ml: Any, storage: Storage) -> Any:
    from azure.ai.ml.entities import BatchEndpoint, Model

    storage.write(Location(CONTAINER, "batch-words/model/model.txt"), b"hello")
    ml.models.create_or_update(
        Model(name="batch-words", version="1", path=f"{DATASTORE}/batch-words/model", type="custom_model")
    )
    ml.environments.create_or_update(environment())
    ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name=ENDPOINT, tags={})).result()
    return ml


def deployment(name: str, settings: dict[str, Any] | None = None, **changes: Any) -> Any:
    from azure.ai.ml.entities import (
        BatchRetrySettings,
        CodeConfiguration,
        ModelBatchDeployment,
        ModelBatchDeploymentSettings,
    )

    asked: dict[str, Any] = {
        "mini_batch_size": 2,
        "output_action": "append_row",
        "error_threshold": -1,
        "retry_settings": BatchRetrySettings(max_retries=1, timeout=30),
        "environment_variables": {"COLOUR": "blue"},
    }
    parts: dict[str, Any] = {
        "model": "azureml:batch-words:1",
        "environment": "azureml:plain-env:1.0.0",
        "compute": "cpu-cluster",
        "code_configuration": CodeConfiguration(code=str(PARTS / "batch_scoring"), scoring_script="score.py"),
        "settings": ModelBatchDeploymentSettings(**{**asked, **(settings or {})}),
    }
    return ModelBatchDeployment(name=name, endpoint_name=ENDPOINT, **{**parts, **changes})


def deploy(ml: Any, name: str, settings: dict[str, Any] | None = None, **changes: Any) -> None:
    ml.batch_deployments.begin_create_or_update(deployment(name, settings, **changes)).result()


def score(ml: Any, storage: Storage, name: str, **files: str) -> tuple[Any, list[str]]:
    """The ended job of an invocation over `files`, and the lines it predicted."""
    from azure.ai.ml import Input, Output

    folder = f"batch/{uuid.uuid4().hex[:8]}"
    for file, text in files.items():
        storage.write(Location(CONTAINER, f"{folder}/in/{file}"), text.encode())
    job = ml.batch_endpoints.invoke(
        endpoint_name=ENDPOINT,
        deployment_name=name,
        inputs={"data": Input(type="uri_folder", path=f"{DATASTORE}/{folder}/in")},
        outputs={"score": Output(type="uri_folder", path=f"{DATASTORE}/{folder}/out")},
    )
    ended = finish(ml, job.name)
    found = storage.read(Location(CONTAINER, f"{folder}/out/predictions.csv"))
    return ended, [] if found is None else found.decode().splitlines()


def log_of(cloud: Cloud, job: Any) -> str:
    return (cloud.folder(job.name) / "user_logs" / "std_log.txt").read_text()


def test_every_file_gets_its_row(prepared: Any, storage: Storage, cloud: Cloud) -> None:
    deploy(prepared, "rows")
    job, lines = score(prepared, storage, "rows", a="x", b="y", c="z")
    assert job.status == "Completed"
    assert lines == ["a,hello", "b,hello", "c,hello"]
    log = log_of(cloud, job)
    assert "mini-batch: a b\n" in log
    assert "mini-batch: c\n" in log
    assert "3 files: 3 succeeded, 0 failed" in log
    assert job.name in [one.name for one in prepared.batch_endpoints.list_jobs(ENDPOINT)]


def test_what_fails_is_tried_again_then_left_out(prepared: Any, storage: Storage, cloud: Cloud) -> None:
    deploy(prepared, "retried", {"mini_batch_size": 1})
    job, lines = score(prepared, storage, "retried", a="x", b="once", c="raise")
    assert (job.status, lines) == ("Completed", ["a,hello", "b,hello"])
    assert "3 files: 2 succeeded, 1 failed" in log_of(cloud, job)


def test_more_failures_than_the_threshold_fail_the_job(prepared: Any, storage: Storage) -> None:
    deploy(prepared, "strict", {"mini_batch_size": 1, "error_threshold": 1})
    assert score(prepared, storage, "strict", a="raise", b="x")[0].status == "Completed"
    job, _ = score(prepared, storage, "strict", a="raise", b="raise", c="x")
    assert job.status == "Failed"
    assert "error threshold 1 is exceeded" in job.properties["error"]


def test_a_mini_batch_that_takes_too_long_fails(prepared: Any, storage: Storage, cloud: Cloud) -> None:
    from azure.ai.ml.entities import BatchRetrySettings

    settings = {"mini_batch_size": 1, "retry_settings": BatchRetrySettings(max_retries=0, timeout=1)}
    deploy(prepared, "hasty", settings)
    job, lines = score(prepared, storage, "hasty", a="sleep", b="x")
    assert (job.status, lines) == ("Completed", ["b,hello"])
    assert "took longer than 1 seconds" in log_of(cloud, job)


def test_a_summary_has_no_predictions_but_what_the_script_wrote(prepared: Any, storage: Storage) -> None:
    deploy(prepared, "summary", {"output_action": "summary_only"})
    job, lines = score(prepared, storage, "summary", a="x")
    assert (job.status, lines) == ("Completed", [])
    written = storage.names(Location(CONTAINER, job.outputs["score"].path.partition("/paths/")[2]))
    assert [name.rpartition("/")[2] for name in written] == ["own-a"]


def test_a_single_file_and_the_default_place_do(prepared: Any, storage: Storage) -> None:
    from azure.ai.ml import Input

    deploy(prepared, "single")
    storage.write(Location(CONTAINER, "batch/single.txt"), b"x")
    job = prepared.batch_endpoints.invoke(
        endpoint_name=ENDPOINT,
        deployment_name="single",
        input=Input(type="uri_file", path=f"{DATASTORE}/batch/single.txt"),
    )
    assert finish(prepared, job.name).status == "Completed"
    place = Location(CONTAINER, f"azureml/{job.name}/score/predictions.csv")
    assert storage.read(place) == b"single.txt,hello\r\n"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"environment": None}, "environmentId"),
        ({"code_configuration": None}, "mlflow_model"),
        ({"compute": "nowhere"}, "nowhere"),
        ({"model": "azureml:unknown:1"}, "unknown"),
    ],
)
def test_a_deployment_that_no_job_could_run(prepared: Any, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Exception, match=said):
        deploy(prepared, "refused", **changes)


@pytest.mark.parametrize("inputs", [{}, {"a": "uri_folder", "b": "uri_folder"}])
def test_one_input_is_taken(prepared: Any, inputs: dict[str, str]) -> None:
    from azure.ai.ml import Input
    from azure.core.exceptions import HttpResponseError

    deploy(prepared, "rows")
    given = {name: Input(type=kind, path=f"{DATASTORE}/batch") for name, kind in inputs.items()}
    with pytest.raises(HttpResponseError, match="takes one input") as caught:
        prepared.batch_endpoints.invoke(endpoint_name=ENDPOINT, deployment_name="rows", inputs=given)
    assert caught.value.status_code == 400
