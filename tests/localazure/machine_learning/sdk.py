"""What the tests do with the real SDK; every import of it is inside a function (it costs seconds)."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PARTS = Path(__file__).parent / "parts"
FINISHED = ("Completed", "Failed", "Canceled")
DATASTORE = "azureml://datastores/workspaceblobstore/paths"


def environment(**changes: Any) -> Any:
    from azure.ai.ml.entities import Environment

    asked: dict[str, Any] = {
        "name": "plain-env",
        "version": "1.0.0",
        "image": "ubuntu:24.04",
        "conda_file": PARTS / "conda.yaml",
    }
    return Environment(**{**asked, **changes})


def component(name: str, folder: Path | None = None, replace: Mapping[str, str] | None = None) -> Any:
    """The component in `parts`; with `replace`, a copy in `folder` whose YAML has these texts replaced."""
    from azure.ai.ml import load_component

    source = PARTS
    if folder is not None:
        source = Path(shutil.copytree(PARTS, folder / "parts", dirs_exist_ok=True))
        path = source / name / "component.yaml"
        text = path.read_text()
        for old, new in (replace or {}).items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
    return load_component(source / name / "component.yaml")


def register(ml: Any) -> None:
    """The environment and both components, in a workspace."""
    ml.environments.create_or_update(environment())
    ml.components.create_or_update(component("shout"))
    ml.components.create_or_update(component("chain"))


def chain_job(
    ml: Any,
    name: str,
    text: str = f"{DATASTORE}/texts/hello.txt",
    compute: str = "cpu-cluster",
    **changes: Any,
) -> Any:
    """A pipeline job of the registered component `chain`, with explicit places for its outputs; not submitted."""
    from azure.ai.ml import Input, Output
    from azure.ai.ml.entities import PipelineJob, PipelineJobSettings

    asked: dict[str, Any] = {
        "component": ml.components.get("chain", "1.0.0"),
        "name": name,
        "experiment_name": "training",
        "tags": {"orchestration_id": f"o-{name}"},
        "settings": PipelineJobSettings(default_compute=compute),
        "inputs": {"text": Input(type="uri_file", path=text)},
        "outputs": {
            "loud": Output(type="uri_file", path=f"{DATASTORE}/jobs/{name}/loud.txt"),
            "trained": Output(type="mlflow_model", path=f"{DATASTORE}/jobs/{name}/trained"),
        },
    }
    return PipelineJob(**{**asked, **changes})
