"""Jobs that fail, hang and lose their node; operations that hang and fail; models that spread slowly."""

import time
import uuid
from typing import Any

import pytest

from tests.localazure.faults_on_demand.conftest import COMPUTE, REGISTRY, Stack, client, until
from tests.localazure.machine_learning.sdk import FINISHED

pytestmark = pytest.mark.timeout(180)


def submit(ml: Any, name: str, command: str = "echo done") -> str:
    from azure.ai.ml import command as job

    asked = job(command=command, environment="plain-env:1.0.0", compute=COMPUTE, name=name)
    return ml.jobs.create_or_update(asked).name


def finished(ml: Any, name: str) -> Any:
    until(lambda: ml.jobs.get(name).status in FINISHED, f"{name} to end")
    return ml.jobs.get(name)


@pytest.mark.parametrize("after_seconds", [0, 0.5])
def test_a_job_fails_with_the_message_and_the_next_does_not(
    stack: Stack, ml: Any, after_seconds: float
) -> None:
    names = [f"fails-{after_seconds}-{number}".replace(".", "") for number in range(2)]
    parameters = {"message": "CUDA out of memory", "after_seconds": after_seconds}
    fault = stack.fault("job-fails", where={"job": "fails-*"}, parameters=parameters)
    failed = finished(ml, submit(ml, names[0], "sleep 30"))
    assert (failed.status, failed.properties["error"]) == ("Failed", "CUDA out of memory")
    assert finished(ml, submit(ml, names[1])).status == "Completed"
    assert [(one["job"], one["compute"]) for one in stack.injected(fault)] == [(names[0], COMPUTE)]


def test_one_step_of_a_pipeline_fails(stack: Stack, ml: Any) -> None:
    from azure.ai.ml import command as job
    from azure.ai.ml import dsl

    def step(name: str) -> Any:
        return job(
            name=name, command="echo done", environment=ml.environments.get("plain-env", "1.0.0"), version="1"
        )

    first, second = ml.components.create_or_update(step("first").component), step("second").component
    second = ml.components.create_or_update(second)

    @dsl.pipeline(default_compute=COMPUTE)
    def pipeline() -> None:
        first()
        second()

    stack.fault("job-fails", where={"step": "second"}, parameters={"message": "no data"})
    asked = pipeline()
    asked.name = "pipeline-1"
    ml.jobs.create_or_update(asked)
    ended = finished(ml, "pipeline-1")
    assert ended.status == "Failed"
    assert "no data" in ended.properties["error"]
    steps = {one.display_name or one.name: one.status for one in ml.jobs.list(parent_job_name="pipeline-1")}
    assert sorted(steps.values()) == ["Completed", "Failed"]


def test_a_job_hangs_until_it_is_cancelled(stack: Stack, ml: Any) -> None:
    fault = stack.fault("job-hangs")
    name = submit(ml, "hangs-1")
    until(lambda: stack.injected(fault), "the job to hang")
    until(lambda: ml.jobs.get(name).status == "Running", "the job to run")
    ml.jobs.begin_cancel(name).result()
    assert finished(ml, name).status == "Canceled"


def test_a_preempted_job_is_killed_queued_again_and_completes(stack: Stack, ml: Any) -> None:
    stack.fault("node-preempted", where={"job": "preempted-1"}, parameters={"after_seconds": 2})
    submit(ml, "preempted-1", "echo begun; sleep 3; echo done")
    assert finished(ml, "preempted-1").status == "Completed"
    log = stack.runtime.state / "jobs" / "faulty-workspace" / "preempted-1" / "user_logs" / "std_log.txt"
    assert log.read_text().split()[-3:] == ["begun", "begun", "done"]


def test_an_operation_that_fails_raises_in_the_poller(stack: Stack, ml: Any) -> None:
    from azure.ai.ml.entities import BatchEndpoint
    from azure.core.exceptions import HttpResponseError

    parameters = {"code": "ImageBuildFailure", "message": "the image does not build"}
    stack.fault("deployment-fails", where={"resource": "batchEndpoints"}, parameters=parameters)
    with pytest.raises(HttpResponseError, match="the image does not build"):
        ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name="failing-endpoint")).result()
    assert ml.batch_endpoints.get("failing-endpoint").provisioning_state == "Failed"
    ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name="failing-endpoint")).result()
    assert ml.batch_endpoints.get("failing-endpoint").provisioning_state == "Succeeded"


def test_an_operation_that_hangs_is_waited_for(stack: Stack, ml: Any) -> None:
    from azure.ai.ml.entities import BatchEndpoint

    where = {"resource": "batchEndpoints", "name": "hanging-*"}
    stack.fault("deployment-hangs", where=where, parameters={"seconds": 2})
    begun = time.monotonic()
    poller = ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name="hanging-endpoint"))
    assert ml.batch_endpoints.get("hanging-endpoint").provisioning_state == "Creating"
    poller.result()
    assert time.monotonic() - begun >= 2
    assert ml.batch_endpoints.get("hanging-endpoint").provisioning_state == "Succeeded"


def test_a_model_spreads_as_slowly_as_asked(stack: Stack, ml: Any, tmp_path: Any) -> None:
    from azure.ai.ml.entities import Model
    from azure.core.exceptions import ResourceNotFoundError

    (tmp_path / "weights").write_text("1 2 3")
    name = f"spreading-{uuid.uuid4().hex[:6]}"
    ml.models.create_or_update(
        Model(name=name, version="1", path=str(tmp_path / "weights"), type="custom_model")
    )
    registry = client(stack, registry=True)
    fault = stack.fault("propagation", where={"name": "spreading-*"}, parameters={"seconds": 3})
    begun = time.monotonic()
    with pytest.raises(ResourceNotFoundError):  # the SDK's own last look comes before the registry shows it
        client(stack).models.share(
            name, "1", registry_name=REGISTRY, share_with_name=name, share_with_version="1"
        )
    until(lambda: [one.version for one in registry.models.list(name)] == ["1"], "the model to appear")
    assert time.monotonic() - begun >= 3
    assert [(one["registry"], one["asset"]) for one in stack.injected(fault)] == [(REGISTRY, "models")]
