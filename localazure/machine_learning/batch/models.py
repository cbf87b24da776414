"""Batch deployments of a model: what they ask for, and the job that scores a folder with them."""

import hashlib
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field

from localazure.machine_learning.assets.references import parse_asset
from localazure.machine_learning.assets.routes import read_asset, write_asset
from localazure.machine_learning.context import Context
from localazure.machine_learning.endpoint_rules import refused
from localazure.machine_learning.jobs.planning import plan_job, wire_type
from localazure.machine_learning.online.settings import CodeConfiguration, Wire, validated
from localazure.machine_learning.routing import Json, Scope
from localazure.machine_learning.scoring import batch_driver

_DATA = ("uri_file", "uri_folder", "mltable")
_ANY_DATA: Json = {
    "data": {"jobInputType": "uri_folder", "uri": "azureml://datastores/workspaceblobstore/paths/any"}
}


class _Retry(Wire):
    max_retries: int = Field(default=3, ge=0)
    timeout: timedelta = Field(default=timedelta(seconds=30), gt=timedelta())


class _Reference(Wire):
    asset_id: str


class ModelDeployment(Wire):
    """`output_action` is `appendrow` or `summaryonly`; `error_threshold` -1 ignores every failed file."""

    model: _Reference
    compute: str
    environment_id: str | None = None
    code_configuration: CodeConfiguration | None = None
    environment_variables: dict[str, str] = Field(default_factory=dict)
    mini_batch_size: int = Field(default=10, ge=1)
    output_action: Annotated[str, BeforeValidator(lambda value: str(value).lower())] = Field(
        default="appendrow", pattern="^(appendrow|summaryonly)$"
    )
    output_file_name: str = Field(default="predictions.csv", pattern=r"^[\w.-]+$")
    error_threshold: int = Field(default=-1, ge=-1)
    retry_settings: _Retry = _Retry()

    @classmethod
    def read(cls, properties: Json) -> Self:
        """Refuses with 400 what the service does not take."""
        return validated(cls, properties)


def check_model_deployment(context: Context, scope: Scope, properties: Json) -> None:
    """Refuses with 400 or 404 a deployment that no job could run."""
    plan_job(context, scope, scoring_job(context, scope, properties, {"inputData": _ANY_DATA}))


def scoring_job(context: Context, scope: Scope, properties: Json, asked: Json) -> Json:
    """The ARM command job of one invocation: a folder in, `score` out; refuses with 400 other inputs."""
    deployment = ModelDeployment.read(properties)
    model = parse_asset(deployment.model.asset_id, scope, context.scopes)
    found = read_asset(context, model.scope, "models", model.name, model.version)["properties"]
    is_mlflow = found.get("modelType") == "mlflow_model"
    if not deployment.code_configuration and not is_mlflow:
        raise refused("codeConfiguration is missing: only an mlflow_model is scored without a script.")
    environment = deployment.environment_id or (
        _own_environment(context, scope, model.name, model.scope, found) if is_mlflow else None
    )
    if environment is None:
        raise refused("environmentId is missing: a scoring script needs an environment.")
    return {
        "jobType": "Command",
        "command": _command(deployment),
        "codeId": deployment.code_configuration.code_id if deployment.code_configuration else None,
        "environmentId": environment,
        "computeId": deployment.compute,
        "environmentVariables": deployment.environment_variables,
        "inputs": {
            "data": _data(asked.get("inputData") or {}),
            "model": {"jobInputType": "custom_model", "uri": deployment.model.asset_id},
        },
        "outputs": {"score": _folder(asked.get("outputData") or {})},
    }


def _command(deployment: ModelDeployment) -> str:
    script = deployment.code_configuration.scoring_script if deployment.code_configuration else ""
    options: list[Any] = [
        *("--file-name", deployment.output_file_name),
        *("--mini-batch-size", deployment.mini_batch_size),
        *("--error-threshold", deployment.error_threshold),
        *("--retries", deployment.retry_settings.max_retries),
        *("--timeout", deployment.retry_settings.timeout.total_seconds()),
        *(("--append-row",) if deployment.output_action == "appendrow" else ()),
        *(("--script", script) if script else ()),
    ]
    driver = shlex.join(["python", str(Path(batch_driver.__file__)), *map(str, options)])
    # The model is brought to a folder named `model`; AZUREML_MODEL_DIR is what holds it.
    return (
        'export AZUREML_MODEL_DIR="$(dirname ${{inputs.model}})"; '
        f"{driver} --input ${{{{inputs.data}}}} --output ${{{{outputs.score}}}}"
    )


def _data(inputs: Json) -> Json:
    data = [value for value in inputs.values() if wire_type(value) in _DATA]
    if len(data) != 1 or len(inputs) != 1:
        raise refused(
            f"A deployment of a model takes one input, of type {', '.join(_DATA)}; {len(inputs)} inputs were given."
        )
    return {**data[0], "mode": None}


def _folder(outputs: Json) -> Json:
    """Where the predictions go: the folder asked for, whatever the output is called."""
    if len(outputs) > 1:
        raise refused("A deployment of a model has one output, score.")
    uri = next((value.get("uri") for value in outputs.values()), None)
    return {"jobOutputType": "uri_folder", **({"uri": uri} if uri else {})}


def _own_environment(context: Context, scope: Scope, name: str, home: Scope, properties: Json) -> str | None:
    """The environment that an MLflow model describes itself, registered as the service registers it."""
    conda = context.storage.read(context.locate(properties["modelUri"], home.name).child("conda.yaml"))
    if conda is None:
        return None
    version = hashlib.sha256(conda).hexdigest()[:16]
    content = {
        "condaFile": conda.decode(),
        "image": "mcr.microsoft.com/azureml/mlflow-ubuntu20.04-py38-cpu-inference",
    }
    write_asset(context, scope, "environments", f"DefaultNcdEnv-{name}", version, content)
    return scope.asset_id("environments", f"DefaultNcdEnv-{name}", version)
