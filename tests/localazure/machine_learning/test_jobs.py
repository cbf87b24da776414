import json
import os
import subprocess
from typing import Any

import pytest

from localazure.machine_learning.storage import Location, Storage
from tests.localazure.machine_learning.conftest import WORKSPACE, Cloud, finish, wait_until
from tests.localazure.machine_learning.sdk import DATASTORE, chain_job

pytestmark = pytest.mark.timeout(180)
CONTAINER = f"azureml-{WORKSPACE}"


@pytest.fixture(scope="module")
def chain(published: Any) -> Any:
    """A pipeline job that completed."""
    published.jobs.create_or_update(chain_job(published, "chain-1"))
    return finish(published, "chain-1")


def test_a_pipeline_of_registered_components_writes_its_outputs(chain: Any, storage: Storage) -> None:
    assert (chain.status, chain.tags) == ("Completed", {"orchestration_id": "o-chain-1"})
    assert storage.read(Location(CONTAINER, "jobs/chain-1/loud.txt")) == b"HIHI!"
    assert storage.read(Location(CONTAINER, "jobs/chain-1/trained/MLmodel")) == b"flavors: {}\n"


def test_the_command_sees_azures_variables_and_no_secrets(chain: Any, cloud: Cloud, storage: Storage) -> None:
    content = storage.read(Location(CONTAINER, "jobs/chain-1/trained/variables.json"))
    variables = json.loads(content or b"{}")
    assert variables["MLFLOW_RUN_ID"] == variables["AZUREML_RUN_ID"] == "chain-1_first"
    assert variables["MLFLOW_EXPERIMENT_NAME"] == "training"
    assert variables["MLFLOW_TRACKING_URI"].startswith(
        f"{cloud.runtime.addresses.azure}/mlflow/v1.0/subscriptions/"
    )
    assert variables["AZURE_STORAGE_ENDPOINT"] == cloud.runtime.addresses.storage_ip
    assert variables["IDENTITY_HEADER"] == cloud.runtime.secrets["identity_header"]
    hidden = [cloud.runtime.secrets[name] for name in ("webhook", "functions_key", "git_token")]
    assert not any(secret in variables.values() for secret in hidden)


def test_logs_are_kept_here_and_in_storage(chain: Any, cloud: Cloud, storage: Storage) -> None:
    log = (cloud.folder("chain-1_first") / "user_logs" / "std_log.txt").read_bytes()
    assert b"heard hi" in log
    assert storage.read(Location(CONTAINER, "ExperimentRun/dcid.chain-1_first/user_logs/std_log.txt")) == log
    assert not (cloud.folder("chain-1_first") / "inputs").exists()


def test_every_status_is_announced_with_the_jobs_tags(chain: Any, cloud: Cloud) -> None:
    events = cloud.events_of("chain-1")
    statuses = [data["runStatus"] for kind, data in events if kind == "RunStatusChanged"]
    assert statuses == ["NotStarted", "Running", "Completed"]
    assert [kind for kind, _ in events][-2:] == ["RunStatusChanged", "RunCompleted"]
    assert all(data["runTags"] == {"orchestration_id": "o-chain-1"} for _, data in events)
    source, event = next(item for item in cloud.events if item[1]["data"].get("runId") == "chain-1")
    assert source == WORKSPACE
    assert event["topic"].endswith(f"/workspaces/{WORKSPACE}")
    assert event["subject"] == f"experiments/{event['data']['experimentId']}/runs/chain-1"
    assert event["data"]["experimentName"] == "training"


def test_steps_announce_themselves_without_the_jobs_tags(chain: Any, cloud: Cloud) -> None:
    events = cloud.events_of("chain-1_second")
    statuses = [data["runStatus"] for kind, data in events if kind == "RunStatusChanged"]
    assert statuses == ["NotStarted", "Preparing", "Queued", "Running", "Completed"]
    assert all(data["runTags"] == {} and data["runType"] == "azureml.StepRun" for _, data in events)


def test_steps_are_found_through_the_run_history(chain: Any, published: Any) -> None:
    steps = {job.name: job.status for job in published.jobs.list(parent_job_name="chain-1")}
    assert steps == {"chain-1_first": "Completed", "chain-1_second": "Completed"}
    assert published.jobs.get("chain-1_first").display_name == "first"
    assert "chain-1_first" not in [job.name for job in published.jobs.list()]


def test_a_name_is_taken_once(chain: Any, published: Any) -> None:
    from azure.core.exceptions import HttpResponseError

    assert published.jobs.create_or_update(chain_job(published, "chain-1")).status == "Completed"
    with pytest.raises(HttpResponseError, match="use a different name"):
        published.jobs.create_or_update(chain_job(published, "chain-1", f"{DATASTORE}/texts/fail.txt"))


def test_a_failing_command_fails_the_job_with_the_end_of_its_log(published: Any, cloud: Cloud) -> None:
    published.jobs.create_or_update(chain_job(published, "failing", f"{DATASTORE}/texts/fail.txt"))
    job = finish(published, "failing")
    assert job.status == "Failed"
    assert "The step first failed: The command ended with exit code 1." in job.properties["error"]
    assert "the text asked to fail" in job.properties["error"]
    assert [kind for kind, _ in cloud.events_of("failing")].count("RunCompleted") == 0
    assert cloud.events_of("failing")[-1][1]["runStatus"] == "Failed"
    assert cloud.events_of("failing_second")[-1:] == []


def test_a_missing_file_fails_the_job(published: Any) -> None:
    published.jobs.create_or_update(chain_job(published, "no-file", f"{DATASTORE}/texts/absent.txt"))
    assert "text holds no files" in finish(published, "no-file").properties["error"]


def test_an_unknown_compute_is_refused(published: Any) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match=r"nowhere.*it has cpu-cluster"):
        published.jobs.create_or_update(chain_job(published, "refused", compute="nowhere"))


def test_a_running_job_is_cancelled_with_its_processes(published: Any, cloud: Cloud) -> None:
    published.jobs.create_or_update(chain_job(published, "sleeping", f"{DATASTORE}/texts/sleep.txt"))
    log = cloud.folder("sleeping_first") / "user_logs" / "std_log.txt"
    wait_until(lambda: log.exists() and "heard sleep" in log.read_text(), "the command to start")
    assert _processes("sleeping_first")
    published.jobs.begin_cancel("sleeping")
    assert finish(published, "sleeping").status == "Canceled"
    wait_until(lambda: not _processes("sleeping_first"), "the processes to end")
    assert cloud.events_of("sleeping_first")[-1][1]["runStatus"] == "Canceled"


def test_a_compute_runs_as_many_jobs_as_it_has_nodes(cloud: Cloud, single: Any) -> None:
    for name, text in (("one", "sleep"), ("two", "hello")):
        single.jobs.create_or_update(chain_job(single, name, f"{DATASTORE}/texts/{text}.txt", "single"))

    def is_waiting() -> bool:
        return (
            cloud.events_of("two_first")[-1:] != []
            and cloud.events_of("two_first")[-1][1]["runStatus"] == "Queued"
        )

    wait_until(lambda: is_waiting() and _processes("one_first"), "the second job to queue")
    assert single.jobs.get("two").status == "Running"
    single.jobs.begin_cancel("one")
    assert finish(single, "two").status == "Completed"


@pytest.fixture
def single(cloud: Cloud, storage: Storage) -> Any:
    """Another workspace, whose compute has one node."""
    from tests.localazure.machine_learning.conftest import client
    from tests.localazure.machine_learning.sdk import register

    ml = client(cloud, workspace="mlops-test-workspace")
    register(ml)
    for name, text in {"hello": "hi", "sleep": "sleep 60"}.items():
        storage.write(Location("azureml-mlops-test-workspace", f"texts/{name}.txt"), text.encode())
    return ml


def test_one_component_and_one_command_are_jobs_too(published: Any, storage: Storage) -> None:
    from azure.ai.ml import Input, Output, command
    from azure.ai.ml.entities import PipelineJob, PipelineJobSettings

    step = published.components.get("shout", "1.0.0")(
        text=Input(type="uri_file", path=f"{DATASTORE}/texts/hello.txt")
    )
    step.outputs.loud = Output(type="uri_file", path=f"{DATASTORE}/jobs/alone/loud.txt")
    settings = PipelineJobSettings(default_compute="cpu-cluster")
    published.jobs.create_or_update(
        PipelineJob(name="alone", experiment_name="etl", jobs={"only": step}, settings=settings)
    )
    published.jobs.create_or_update(
        command(
            name="inline",
            experiment_name="etl",
            command="cat ${{inputs.folder}}/hello.txt > ${{outputs.copy}}/copy && echo ${{inputs.word}}",
            environment="azureml:plain-env:1.0.0",
            compute="cpu-cluster",
            inputs={"folder": Input(type="uri_folder", path=f"{DATASTORE}/texts/"), "word": "said"},
            outputs={"copy": Output(type="uri_folder", path=f"{DATASTORE}/jobs/inline/")},
        )
    )
    assert finish(published, "alone").status == finish(published, "inline").status == "Completed"
    assert storage.read(Location(CONTAINER, "jobs/alone/loud.txt")) == b"HIHI"
    assert storage.read(Location(CONTAINER, "jobs/inline/copy")) == b"hi"


def _processes(run: str) -> list[str]:
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in listed.splitlines() if f"{os.sep}{run}{os.sep}" in line and "shout.py" in line]
