"""What a deployment's process runs on: its model, code and environment brought to a folder, and how it is started."""

import os
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from localazure.machine_learning.assets.references import parse_asset
from localazure.machine_learning.assets.routes import read_asset
from localazure.machine_learning.context import Context, timestamp
from localazure.machine_learning.environments import parse_conda, prepare
from localazure.machine_learning.jobs.variables import process_variables
from localazure.machine_learning.online.settings import OnlineDeployment
from localazure.machine_learning.routing import Json, Scope
from localazure.machine_learning.scoring import online_server
from localazure.machine_learning.storage import Location, empty

STORAGE_LOG, SERVER_LOG, BUILD_LOG = "storage-initializer.log", "inference-server.log", "build.log"


class DeploymentFailed(RuntimeError):
    """A deployment cannot serve; `error` is ARM's (code, message)."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.error: Json = {"code": code, "message": message}


@dataclass(frozen=True)
class Launch:
    """How one revision of a deployment is started: paths as text, so that it can be kept as a document."""

    scope: str
    folder: str
    venv: str
    model: str | None
    script: str | None

    @classmethod
    def from_document(cls, document: Json) -> Self:
        return cls(**document)

    @property
    def document(self) -> Json:
        return asdict(self)

    def variables(self, context: Context, asked: dict[str, str]) -> dict[str, str]:
        """The process's environment variables; `asked` are the deployment's own."""
        own = {"AML_APP_ROOT": f"{self.folder}/code", "AZUREML_INFERENCE_SERVER_HTTP_ENABLED": "True"}
        model = {"AZUREML_MODEL_DIR": self.model} if self.model else {}
        script = {"AZUREML_ENTRY_SCRIPT": self.script} if self.script else {}
        base = process_variables(context, context.scopes[self.scope], Path(self.venv))
        return {**base, **own, **asked, **model, **script}

    def command(self, descriptor: int) -> str:
        """Serves on the listening socket `descriptor`, in place of the shell that runs it."""
        python, script = str(Path(self.venv) / "bin" / "python"), str(Path(online_server.__file__))
        asked = ["--fd", str(descriptor), "--parent", str(os.getpid())]
        return shlex.join(["exec", python, script, *asked])


def bring(context: Context, scope: Scope, deployment: OnlineDeployment, folder: Path) -> Launch:
    """Fill `folder` (emptied first) for one revision. Raises `DeploymentFailed`, `Refusal`, `EnvironmentFailed`."""
    return _Bringing(context, scope, deployment, empty(folder)).launch()


@dataclass(frozen=True)
class _Bringing:
    context: Context
    scope: Scope
    deployment: OnlineDeployment
    folder: Path

    def launch(self) -> Launch:
        (self.folder / "code").mkdir()
        (self.folder / SERVER_LOG).touch()
        model = self._model()
        script = self._code()
        venv = self._environment(model)
        return Launch(self.scope.key, str(self.folder), str(venv), str(model) if model else None, script)

    def _model(self) -> Path | None:
        if not self.deployment.model:
            return None
        found, properties = self._asset(self.deployment.model, "models")
        if not self.deployment.code_configuration and properties.get("modelType") != "mlflow_model":
            raise DeploymentFailed(
                "BadArgument",
                f"The model {found.name}:{found.version} is of type {properties.get('modelType')}: only an "
                "mlflow_model is served without a codeConfiguration.",
            )
        location = self.context.locate(properties["modelUri"], found.scope.name)
        target = self.folder / "azureml-models" / found.name / found.version
        self._download(location, target / location.path.rpartition("/")[2])
        return target

    def _code(self) -> str | None:
        code = self.deployment.code_configuration
        if code is None:
            return None
        found, properties = self._asset(code.code_id, "codes")
        self._download(self.context.locate(properties["codeUri"], found.scope.name), self.folder / "code")
        script = (self.folder / "code" / code.scoring_script).resolve()
        if not script.is_relative_to(self.folder.resolve() / "code") or not script.is_file():
            raise DeploymentFailed(
                "BadArgument",
                f"The scoring script {code.scoring_script} is not in the code {found.name}:{found.version}.",
            )
        return str(script)

    def _environment(self, model: Path | None) -> Path:
        cache = self.context.runtime.state / "environments"
        with (self.folder / BUILD_LOG).open("a") as log:
            return prepare(parse_conda(self._conda(model)), cache, log)

    def _conda(self, model: Path | None) -> str | None:
        """The environment's packages; an MLflow model without one brings its own."""
        if self.deployment.environment_id:
            _, properties = self._asset(self.deployment.environment_id, "environments")
            return properties.get("condaFile")
        files = sorted(model.rglob("conda.yaml")) if model else []
        return files[0].read_text() if files else None

    def _asset(self, reference: str, kind: str) -> tuple[Any, Json]:
        found = parse_asset(reference, self.scope, self.context.scopes)
        resource = read_asset(self.context, found.scope, kind, found.name, found.version)
        return found, resource["properties"]

    def _download(self, location: Location, target: Path) -> None:
        with (self.folder / STORAGE_LOG).open("a") as log:
            log.write(f"{timestamp()} Downloading {location.container}/{location.path}\n")
            count = self.context.storage.download(location, target)
            log.write(f"{timestamp()} Downloaded {count} files to {target}\n")
        if not count:
            raise DeploymentFailed("BadArgument", f"{location.container}/{location.path} holds no files.")
