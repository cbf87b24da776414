"""Every component and the environment load and validate with the Azure ML SDK, and fit each other."""

import re
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import load_component, load_environment, load_job
from azure.ai.ml.entities import SparkComponent
from ruamel.yaml import YAML

from busbar.domain.versions import Version

ML_COMPONENTS = Path(__file__).parents[2] / "ml_components"
FILES = sorted(ML_COMPONENTS.glob("*/*/component.yaml"))
SPARK = ML_COMPONENTS / "data" / "etl_merge_spark" / "component.yaml"
SPARK_JOBS = sorted((SPARK.parent / "jobs").glob("*.yaml"))
COMMANDS = [file for file in FILES if (file.parent / "src").is_dir() and file != SPARK]
PIPELINES = [file for file in FILES if file not in (*COMMANDS, SPARK)]


def _read(file: Path) -> dict[str, Any]:
    return YAML(typ="safe").load(file.read_text())


def _name(file: Path) -> str:
    return file.parent.name


ENVIRONMENT = _read(ML_COMPONENTS / "environments" / "sensor-forecasting-env.yaml")


def test_all_components_are_there() -> None:
    assert {_name(file) for file in FILES} == {
        "etl_merge", "train_lstm", "evaluate_model", "training_pipeline", "batch_score", "scoring_pipeline",
        "online_score", "validate_predictions", "calculate_metrics", "detect_drift", "evidence_notebook",
        "purge_predictions", "etl_merge_spark",
        "compare_environments", "monitor_circuits", "score_circuits",
    }  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=_name)
def test_loads_and_validates(file: Path) -> None:
    component = load_component(file)
    result = component._validate()  # the SDK has no public form of it before registration
    assert result.passed, result.error_messages
    assert component.name == _name(file)
    assert Version.parse(str(component.version))


def test_the_spark_component_is_one_of_spark() -> None:
    component = load_component(SPARK)
    assert isinstance(component, SparkComponent)
    assert component.entry.entry == "etl_merge_spark.py"
    assert (SPARK.parent / "src" / component.entry.entry).is_file()
    assert (component.driver_cores, component.executor_cores) == (4, 4)
    assert component.dynamic_allocation_enabled


@pytest.mark.parametrize("file", SPARK_JOBS, ids=lambda file: file.stem)
def test_a_spark_job_loads_and_hands_on_its_inputs(file: Path) -> None:
    job = load_job(file)
    result = job._validate()
    assert result.passed, result.error_messages
    step, component = job.jobs["merge"], load_component(SPARK)
    required = {name for name, port in component.inputs.items() if port.default is None}
    assert step.inputs.keys() >= required
    pool, serverless = step.compute, step.resources
    assert bool(pool) != bool(serverless), "a pool of one's own, or serverless Spark"


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
