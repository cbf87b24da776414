"""Every component and the environment load and validate with the Azure ML SDK, and fit each other."""

import re
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import load_component, load_environment
from ruamel.yaml import YAML

from busbar.domain.versions import Version

ML_COMPONENTS = Path(__file__).parents[2] / "ml_components"
FILES = sorted(ML_COMPONENTS.glob("*/*/component.yaml"))
COMMANDS = [file for file in FILES if (file.parent / "src").is_dir()]
PIPELINES = [file for file in FILES if file not in COMMANDS]


def _read(file: Path) -> dict[str, Any]:
    return YAML(typ="safe").load(file.read_text())


def _name(file: Path) -> str:
    return file.parent.name


ENVIRONMENT = _read(ML_COMPONENTS / "environments" / "sensor-forecasting-env.yaml")


def test_all_components_are_there() -> None:
    assert {_name(file) for file in FILES} == {
        "etl_merge", "train_lstm", "evaluate_model", "training_pipeline", "batch_score", "scoring_pipeline",
        "online_score", "validate_predictions", "calculate_metrics", "detect_drift", "evidence_notebook",
        "purge_predictions",
        "compare_environments", "monitor_circuits", "score_circuits",
    }  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=_name)
def test_loads_and_validates(file: Path) -> None:
    component = load_component(file)
    result = component._validate()  # the SDK has no public form of it before registration
    assert result.passed, result.error_messages
    assert component.name == _name(file)
    assert Version.parse(str(component.version))


@pytest.mark.parametrize("file", COMMANDS, ids=_name)
def test_the_command_uses_every_input_and_output(file: Path) -> None:
    document = _read(file)
    used = set(re.findall(r"\$\{\{(inputs|outputs)\.(\w+)\}\}", document["command"]))
    declared = {(kind, name) for kind in ("inputs", "outputs") for name in document[kind]}
    assert used == declared
    # the oldest that it works with; it runs in the commit's
    name, oldest = document["environment"].removeprefix("azureml:").split(":")
    assert name == ENVIRONMENT["name"]
    assert Version.parse(oldest) <= Version.parse(ENVIRONMENT["version"])
    script = file.parent / "src" / document["command"].split()[1]
    flags = set(re.findall(r"(--\w+) ", document["command"]))
    assert all(f'"{flag}"' in script.read_text() for flag in flags)


@pytest.mark.parametrize("file", PIPELINES, ids=_name)
def test_a_pipelines_steps_hand_every_input_of_their_components(file: Path) -> None:
    components = {_name(command): _read(command) for command in COMMANDS}
    for step in _read(file)["jobs"].values():
        _, name, version = step["component"].split(":")
        assert version == components[name]["version"]
        assert step["inputs"].keys() == components[name]["inputs"].keys()
        assert step["outputs"].keys() <= components[name]["outputs"].keys()


def test_the_environment_loads_and_pins_every_package() -> None:
    folder = ML_COMPONENTS / "environments"
    environment = load_environment(folder / "sensor-forecasting-env.yaml")
    assert (environment.name, environment.version) == (ENVIRONMENT["name"], ENVIRONMENT["version"])
    dependencies = _read(folder / "sensor-forecasting-conda.yaml")["dependencies"]
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", package) for package in dependencies[-1]["pip"])
