"""MLflow models served without a script, online and in batches, in an environment that has MLflow."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from localazure.machine_learning.environments import CACHE_VARIABLE, parse_conda
from localazure.machine_learning.storage import Location, Storage
from tests.localazure.machine_learning.conftest import WORKSPACE, finish
from tests.localazure.machine_learning.sdk import DATASTORE

ROOT = Path(__file__).parents[3]
CONDA = ROOT / "ml_components" / "environments" / "sensor-forecasting-conda.yaml"
CACHE = Path(os.environ.get(CACHE_VARIABLE) or ROOT / ".localazure" / "environments")
ENVIRONMENT = CACHE / parse_conda(CONDA.read_text()).key
CONTAINER = f"azureml-{WORKSPACE}"

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        not (ENVIRONMENT / "localazure-ready.json").exists(),
        reason=f"the environment {ENVIRONMENT} is not built",
    ),
]

SAVE = """
import sys
import mlflow.pyfunc

class Double(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return (model_input["value"] * 2).rename("prediction")

mlflow.pyfunc.save_model(sys.argv[1], python_model=Double(), pip_requirements=["mlflow-skinny"])
"""


@pytest.fixture(scope="module")
def prepared(ml: Any, storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The workspace with a model that doubles, and the environment that runs it."""
    from azure.ai.ml.entities import BatchEndpoint, Environment, ManagedOnlineEndpoint, Model

    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "save.py").write_text(SAVE)
    python = str(ENVIRONMENT / "bin" / "python")
    own = {"PATH": os.environ["PATH"]}  # without the cloud that the SDK is pointed at
    subprocess.run([python, "save.py", "model"], check=True, cwd=folder, env=own)
    storage.upload(folder / "model", Location(CONTAINER, "double/model"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(CACHE))
        ml.environments.create_or_update(
            Environment(name="mlflow-env", version="1", image="ubuntu:24.04", conda_file=CONDA)
        )
        ml.models.create_or_update(
            Model(name="double", version="1", path=f"{DATASTORE}/double/model", type="mlflow_model")
        )
        endpoint = ManagedOnlineEndpoint(name="double-online", auth_mode="key")
        ml.online_endpoints.begin_create_or_update(endpoint).result()
        ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name="double-batch", tags={})).result()
        yield ml


def test_an_online_deployment_answers_the_documented_payload(prepared: Any, tmp_path: Path) -> None:
    from azure.ai.ml.entities import ManagedOnlineDeployment, OnlineRequestSettings
    from azure.core.exceptions import HttpResponseError

    deployment = ManagedOnlineDeployment(
        name="blue",
        endpoint_name="double-online",
        model="azureml:double:1",
        environment="azureml:mlflow-env:1",
        instance_type="Standard_DS3_v2",
        instance_count=1,
        request_settings=OnlineRequestSettings(request_timeout_ms=60000),
    )
    prepared.online_deployments.begin_create_or_update(deployment).result()

    def ask(payload: str) -> str:
        (tmp_path / "request.json").write_text(payload)
        asked = {"request_file": str(tmp_path / "request.json"), "deployment_name": "blue"}
        return prepared.online_endpoints.invoke("double-online", **asked)

    assert (
        ask('{"input_data": {"columns": ["value"], "index": [0, 1], "data": [[1], [2.5]]}}') == "[2.0, 5.0]"
    )
    assert ask('{"input_data": [{"value": 4}]}') == "[8]"
    with pytest.raises(HttpResponseError) as caught:
        ask('{"value": 4}')
    assert caught.value.status_code == 424


def test_a_batch_deployment_reads_tables(prepared: Any, storage: Storage) -> None:
    from azure.ai.ml import Input
    from azure.ai.ml.entities import ModelBatchDeployment, ModelBatchDeploymentSettings

    for name, text in {"a.csv": "value\n1\n2\n", "b.csv": "value\n3\n"}.items():
        storage.write(Location(CONTAINER, f"double/tables/{name}"), text.encode())
    deployment = ModelBatchDeployment(
        name="blue",
        endpoint_name="double-batch",
        model="azureml:double:1",
        environment="azureml:mlflow-env:1",
        compute="cpu-cluster",
        settings=ModelBatchDeploymentSettings(mini_batch_size=10, output_file_name="doubled.csv"),
    )
    prepared.batch_deployments.begin_create_or_update(deployment).result()
    job = prepared.batch_endpoints.invoke(
        endpoint_name="double-batch",
        deployment_name="blue",
        inputs={"data": Input(type="uri_folder", path=f"{DATASTORE}/double/tables")},
    )
    assert finish(prepared, job.name).status == "Completed"
    written = storage.read(Location(CONTAINER, f"azureml/{job.name}/score/doubled.csv"))
    assert written == b"0,2,a.csv\n1,4,a.csv\n0,6,b.csv\n"
