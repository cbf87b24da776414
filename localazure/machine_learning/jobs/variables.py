"""The environment variables of a job's process."""

import os
from collections.abc import Mapping
from pathlib import Path

from localazure.machine_learning.context import Context
from localazure.machine_learning.jobs.runs import Run
from localazure.machine_learning.routing import Scope

# All that a job inherits: the app's settings and this server's secrets stay out.
_INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR")


def process_variables(context: Context, scope: Scope, venv: Path) -> dict[str, str]:
    """What every process of a workspace is given: its environment, and the addresses that stand in for Azure's."""
    runtime = context.runtime
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {
        **inherited,
        "PATH": os.pathsep.join([str(venv / "bin"), inherited.get("PATH", os.defpath)]),
        "VIRTUAL_ENV": str(venv),
        "PYTHONUNBUFFERED": "1",
        "AZUREML_ARM_SUBSCRIPTION": scope.subscription,
        "AZUREML_ARM_RESOURCEGROUP": scope.group,
        "AZUREML_ARM_WORKSPACE_NAME": scope.name,
        "AZURE_STORAGE_ENDPOINT": runtime.addresses.storage_ip,
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        "IDENTITY_ENDPOINT": f"{runtime.addresses.azure}/msi/token",
        "IDENTITY_HEADER": runtime.secrets["identity_header"],
        "SSL_CERT_FILE": str(runtime.ca_bundle),
        "REQUESTS_CA_BUNDLE": str(runtime.ca_bundle),
    }


def job_variables(
    context: Context, scope: Scope, run: Run, venv: Path, asked: Mapping[str, str]
) -> dict[str, str]:
    """What Azure ML sets for a job, plus the addresses that stand in for Azure's; `asked` are the job's own."""
    azure = context.runtime.addresses.azure
    token, _ = context.tokens.issue(azure)
    return {
        **process_variables(context, scope, venv),
        "AZUREML_RUN_ID": run.name,
        "AZUREML_ROOT_RUN_ID": run.parent or run.name,
        "AZUREML_EXPERIMENT_NAME": run.experiment,
        "MLFLOW_TRACKING_URI": f"{azure}/mlflow/v1.0{scope.arm_id}",
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": run.name,
        "MLFLOW_EXPERIMENT_NAME": run.experiment,
        **asked,
    }
