"""Azure ML through its real SDK: what is registered, submitted, shared, deployed and invoked."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from busbar.clients.machine_learning import MachineLearning
from busbar.domain.errors import (
    BusbarError,
    ConfigurationError,
    NotFound,
    TemporarilyUnavailable,
    VersionConflict,
)
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage
from tests.azure import LocalAzure
from tests.components import shipped_version

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
# The runner builds a job's environment from this file: nothing to install, so the jobs here start in seconds.
CONDA = b"name: env\nchannels: [conda-forge]\ndependencies:\n  - python=3.13\n"


@pytest.fixture(scope="session")
def ml(local_azure: LocalAzure) -> MachineLearning:
    return MachineLearning(local_azure.settings)


def unique(prefix: str) -> str:
    return f"{prefix}{uuid4().hex[:10]}"


def eventually[T](look: Callable[[], T | None], seconds: float = 120) -> T:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.3)
    return found


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


class Fleet:
    """A training and a scoring pipeline component of the real interface, whose commands are a line of Python."""

    def __init__(self, ml: MachineLearning, folder: Path):
        self.ml, self.folder = ml, folder
        self.environment = unique("env")
        ml.create_environment(Stage.DEV, self.environment, "1.0.0", IMAGE, CONDA, "e1")
        ml.create_environment("registry", self.environment, "1.0.0", IMAGE, CONDA, "e1")
        self.train, self.training = unique("train_"), unique("training_")
        self.notebook, self.comparison = unique("notebook_"), unique("compare_")
        self.score, self.scoring, self.merge = unique("score_"), unique("scoring_"), unique("merge_")
        write(folder / "shared" / "note.py", "TEXT = 'included'\n")
        self._training_components()
        self._scoring_components()
        self._merge_component()
        self.purge = unique("purge_")
        self._purge_component()
        self._notebook_component()
        self._comparison_component()

    def _training_components(self) -> None:
        inputs = """inputs:
  circuit_config: {type: uri_file}
  training_data: {type: mltable, mode: direct}
  champion_model: {type: mlflow_model, optional: true}
outputs:
  trained_model: {type: mlflow_model}
  metrics: {type: uri_file}
  artifacts: {type: uri_folder}
"""
        code = """
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from shared import note
config, model, metrics, artifacts = map(pathlib.Path, sys.argv[1:5])
if "FAIL" in config.read_text():
    print("the data is too short", file=sys.stderr); raise SystemExit(2)
model.mkdir(parents=True, exist_ok=True); (model / "MLmodel").write_text("flavors: {}\\n")
metrics.write_text(note.TEXT + ": " + config.read_text())
artifacts.mkdir(parents=True, exist_ok=True); (artifacts / "plot.png").write_text("x")
"""
        write(self.folder / "training" / "train" / "src" / "train.py", code)
        self.train_file = write(
            self.folder / "training" / "train" / "component.yaml",
            f"""type: command
name: {self.train}
version: "1.0.0"
environment: azureml:{self.environment}:1.0.0
code: ./src
additional_includes: [../../shared]
{inputs}command: >-
  python train.py ${{{{inputs.circuit_config}}}}
  ${{{{outputs.trained_model}}}} ${{{{outputs.metrics}}}} ${{{{outputs.artifacts}}}}
""",
        )
        self.training_file = write(
            self.folder / "training" / "pipeline" / "component.yaml",
            f"""type: pipeline
name: {self.training}
version: "1.0.0"
{inputs}jobs:
  train:
    type: command
    component: azureml:{self.train}:1.0.0
    inputs:
      circuit_config: ${{{{parent.inputs.circuit_config}}}}
      training_data: ${{{{parent.inputs.training_data}}}}
      champion_model: ${{{{parent.inputs.champion_model}}}}
    outputs:
      trained_model: ${{{{parent.outputs.trained_model}}}}
      metrics: ${{{{parent.outputs.metrics}}}}
      artifacts: ${{{{parent.outputs.artifacts}}}}
""",
        )
        self.ml.create_component(Stage.DEV, self.train_file, "t1")
        self.ml.create_component(Stage.DEV, self.training_file, "p1")

    def _scoring_components(self) -> None:
        inputs = """inputs:
  model: {type: mlflow_model}
  circuit_config: {type: uri_file}
  sensor_data: {type: string}
  window_share: {type: number, default: 1.0}
  windows: {type: integer, default: 1}
outputs:
  summary: {type: uri_file}
"""
        names = ("model", "circuit_config", "sensor_data", "window_share", "windows")
        values = " ".join(f"${{{{inputs.{name}}}}}" for name in names)
        code = """
import pathlib, sys
model, config, data, share, windows, summary = sys.argv[1:]
seen = [p.name for p in pathlib.Path(model).rglob("MLmodel")]
pathlib.Path(summary).write_text(repr((seen, pathlib.Path(config).read_text(), data, float(share), int(windows))))
"""
        write(self.folder / "scoring" / "score" / "src" / "score.py", code)
        for place, environment, component in (
            ("dev", f"azureml:{self.environment}:1.0.0", f"azureml:{self.score}:1.0.0"),
            (
                "registry",
                f"azureml://registries/mlops-central-registry/environments/{self.environment}/versions/1.0.0",
                f"azureml://registries/mlops-central-registry/components/{self.score}/versions/1.0.0",
            ),
        ):
            command = write(
                self.folder / "scoring" / "score" / "component.yaml",
                f"""type: command
name: {self.score}
version: "1.0.0"
environment: {environment}
code: ./src
{inputs}command: python score.py {values} ${{{{outputs.summary}}}}
""",
            )
            steps = "".join(f"      {name}: ${{{{parent.inputs.{name}}}}}\n" for name in names)
            pipeline = write(
                self.folder / "scoring" / "pipeline" / "component.yaml",
                f"""type: pipeline
name: {self.scoring}
version: "1.0.0"
{inputs}jobs:
  score:
    type: command
    component: {component}
    inputs:
{steps}    outputs:
      summary: ${{{{parent.outputs.summary}}}}
""",
            )
            self.ml.create_component(place, command, "s1")
            self.ml.create_component(place, pipeline, "s2")

    def _merge_component(self) -> None:
        code = """
import pathlib, sys
mapping, raw, readings, pinned, report = sys.argv[1:]
pathlib.Path(report).write_text(repr((pathlib.Path(mapping).read_text(), raw, readings, pinned)))
"""
        write(self.folder / "data" / "merge" / "src" / "merge.py", code)
        file = write(
            self.folder / "data" / "merge" / "component.yaml",
            f"""type: command
name: {self.merge}
version: "1.0.0"
environment: azureml:{self.environment}:1.0.0
code: ./src
inputs:
  mapping: {{type: uri_file}}
  raw: {{type: string}}
  readings: {{type: string}}
  pinned_versions: {{type: string, optional: true}}
outputs:
  report: {{type: uri_file}}
command: >-
  python merge.py ${{{{inputs.mapping}}}} ${{{{inputs.raw}}}} ${{{{inputs.readings}}}}
  $[[${{{{inputs.pinned_versions}}}}]] ${{{{outputs.report}}}}
""",
        )
        self.ml.create_component(Stage.DEV, file, "m1")

    def _purge_component(self) -> None:
        code = """
import pathlib, sys
forecasts, before, report = sys.argv[1:]
pathlib.Path(report).write_text(repr((forecasts, before)))
"""
        write(self.folder / "data" / "purge" / "src" / "purge.py", code)
        file = write(
            self.folder / "data" / "purge" / "component.yaml",
            f"""type: command
name: {self.purge}
version: "1.0.0"
environment: azureml:{self.environment}:1.0.0
code: ./src
inputs:
  forecasts: {{type: string}}
  before: {{type: string}}
outputs:
  report: {{type: uri_file}}
command: python purge.py ${{{{inputs.forecasts}}}} ${{{{inputs.before}}}} ${{{{outputs.report}}}}
""",
        )
        self.ml.create_component(Stage.DEV, file, "d1")

    def _notebook_component(self) -> None:
        code = """
import pathlib, sys
release, data, notebook, page = sys.argv[1:]
pathlib.Path(notebook).write_text("{}")
pathlib.Path(page).write_text(pathlib.Path(release).read_text() + data)
"""
        write(self.folder / "evidence" / "notebook" / "src" / "build.py", code)
        file = write(
            self.folder / "evidence" / "notebook" / "component.yaml",
            f"""type: command
name: {self.notebook}
version: "1.0.0"
environment: azureml:{self.environment}:1.0.0
code: ./src
inputs:
  release: {{type: uri_file}}
  workspace_data: {{type: string}}
outputs:
  notebook: {{type: uri_file}}
  page: {{type: uri_file}}
command: >-
  python build.py ${{{{inputs.release}}}} ${{{{inputs.workspace_data}}}}
  ${{{{outputs.notebook}}}} ${{{{outputs.page}}}}
""",
        )
        self.ml.create_component(Stage.DEV, file, "n1")

    def _comparison_component(self) -> None:
        """Its report says what it was given, and what the other environment's forecasts held."""
        code = """
import pathlib, sys
models, data, readings, forecasts, report, *reference = sys.argv[1:]
pathlib.Path(forecasts).mkdir(parents=True, exist_ok=True)
pathlib.Path(forecasts, "kept").write_text("forecasts")
seen = [pathlib.Path(one, "kept").read_text() for one in reference]
pathlib.Path(report).write_text(repr((pathlib.Path(models).read_text(), readings, seen)))
"""
        write(self.folder / "scoring" / "compare" / "src" / "compare.py", code)
        for version in ("1.0.0-env1.0.0", "1.0.0-env1.1.0"):
            file = write(
                self.folder / "scoring" / "compare" / "component.yaml",
                f"""type: command
name: {self.comparison}
version: "{version}"
environment: azureml:{self.environment}:1.0.0
code: ./src
inputs:
  models: {{type: uri_file}}
  workspace_data: {{type: string}}
  sensor_data: {{type: string}}
  reference: {{type: uri_folder, optional: true}}
outputs:
  forecasts: {{type: uri_folder}}
  report: {{type: uri_file}}
command: >-
  python compare.py ${{{{inputs.models}}}} ${{{{inputs.workspace_data}}}} ${{{{inputs.sensor_data}}}}
  ${{{{outputs.forecasts}}}} ${{{{outputs.report}}}} $[[${{{{inputs.reference}}}}]]
""",
            )
            self.ml.create_component(Stage.DEV, file, "c1")

    def data(self) -> str:
        """A data asset, as `name:version`."""
        name = unique("PLANT1_")
        folder = f"mltable/{name}/2025-12-09"
        self.ml.write_file(Stage.DEV, f"{folder}/MLTable", b"type: mltable\npaths: [{folder: x}]\n")
        self.ml.create_data(name, "2025-12-09", folder, {"delta_version": "12"})
        return f"{name}:2025-12-09"

    def submit(self, job: str, config: str = "units: 64", **tags: str) -> None:
        self.ml.write_file(Stage.DEV, f"circuit_configs/{job}.yaml", config.encode())
        self.ml.submit_training(
            job,
            component=f"{self.training}:1.0.0",
            circuit_config=f"circuit_configs/{job}.yaml",
            training_data=self.data(),
            champion=None,
            compute="training-cluster",
            tags={"orchestration_id": "o1", **tags},
            display_name="train P/C",
        )

    def finished(self, job: str, stage: Stage = Stage.DEV) -> JobStatus:
        def look() -> JobStatus | None:
            state = self.ml.job(stage, job)
            return state.status if state and state.status.finished else None

        return eventually(look)


@pytest.fixture(scope="session")
def fleet(ml: MachineLearning, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(ml, tmp_path_factory.mktemp("ml_components"))


@pytest.fixture(scope="session")
def trained(fleet: Fleet) -> str:
    job = unique("train-")
    fleet.submit(job)
    assert fleet.finished(job) is JobStatus.COMPLETED, fleet.ml.job(Stage.DEV, job)
    return job


@pytest.fixture(scope="session")
def model(fleet: Fleet, trained: str) -> str:
    name = unique("PLANT1_CIRC1_model")
    fleet.ml.create_model(name, "1", trained, {"job": trained})
    return name


def test_an_environment_is_registered_once(ml: MachineLearning):
    name = unique("env")
    for place in (Stage.DEV, "registry"):
        assert ml.environment_digest(place, name, "1.0.0") is None
        ml.create_environment(place, name, "1.0.0", IMAGE, CONDA, "d1")
        ml.create_environment(place, name, "1.0.0", IMAGE, CONDA, "d1")
        assert ml.environment_digest(place, name, "1.0.0") == "d1"
        with pytest.raises(VersionConflict, match=r"content_digest d1, not d2"):
            ml.create_environment(place, name, "1.0.0", IMAGE, CONDA + b"  - pip\n", "d2")


def test_components_are_registered_once_with_their_digest(fleet: Fleet):
    ml = fleet.ml
    assert ml.component_digests(Stage.DEV, fleet.train) == {"1.0.0": "t1"}
    assert ml.component_digests(Stage.DEV, fleet.training) == {"1.0.0": "p1"}
    assert ml.component_digests("registry", fleet.scoring) == {"1.0.0": "s2"}
    assert ml.component_digests(Stage.DEV, unique("nobody")) == {}
    ml.create_component(Stage.DEV, fleet.train_file.parent, "t1")
    with pytest.raises(
        VersionConflict, match=f"{fleet.train}:1.0.0 in dev exists with content_digest t1, not t2"
    ):
        ml.create_component(Stage.DEV, fleet.train_file, "t2")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("type: command\nname: x\n", r"line 1, command: Missing data .*; line 1, environment: Missing data"),
        ("- not\n- a mapping\n", ""),
        ("a: [", ""),
        ("type: nonsense\n", ""),
    ],
)
def test_a_wrong_component_file_is_the_authors_to_mend(
    ml: MachineLearning, tmp_path: Path, text: str, problem: str
):
    with pytest.raises(
        ConfigurationError, match=rf"component\.yaml: \S.*{problem}|component\.yaml: {problem}"
    ):
        ml.create_component(Stage.DEV, write(tmp_path / "component.yaml", text), "d")


def test_a_data_asset_pins_a_delta_version(fleet: Fleet):
    name, version = fleet.data().split(":")
    assert fleet.ml.pinned(name, version) == 12
    assert 12 in fleet.ml.pinned_versions()
    assert fleet.ml.pinned(name, "2026-01-01") is None
    fleet.ml.create_data(name, version, f"mltable/{name}/{version}", {"delta_version": "12"})
    with pytest.raises(VersionConflict, match="delta_version 12, not 13"):
        fleet.ml.create_data(name, version, f"mltable/{name}/{version}", {"delta_version": "13"})


def test_a_training_job_runs_and_its_outputs_are_read(fleet: Fleet, trained: str):
    state = fleet.ml.job(Stage.DEV, trained)
    assert state is not None
    assert state.status is JobStatus.COMPLETED
    assert state.tags["orchestration_id"] == "o1"
    assert state.started_at is not None
    assert state.started_at.endswith("+00:00")
    assert fleet.ml.read_file(Stage.DEV, f"jobs/{trained}/metrics.json") == b"included: units: 64"
    assert fleet.ml.read_file(Stage.DEV, f"jobs/{trained}/artifacts/plot.png") == b"x"
    fleet.ml.cancel(Stage.DEV, trained)


def test_a_failed_job_says_why(fleet: Fleet):
    job = unique("train-")
    fleet.submit(job, "FAIL")
    assert fleet.finished(job) is JobStatus.FAILED
    state = fleet.ml.job(Stage.DEV, job)
    assert state is not None
    assert "the data is too short" in state.error


def test_a_job_submitted_from_many_threads_is_one_job(fleet: Fleet):
    job = unique("train-")
    data = fleet.data()
    fleet.ml.write_file(Stage.DEV, f"circuit_configs/{job}.yaml", b"units: 64")

    def submit(tag: str) -> None:
        fleet.ml.submit_training(
            job,
            component=f"{fleet.training}:1.0.0",
            circuit_config=f"circuit_configs/{job}.yaml",
            training_data=data,
            champion=None,
            compute="training-cluster",
            tags={"orchestration_id": tag},
            display_name="train P/C",
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(submit, ["o1"] * 4))
    with pytest.raises(VersionConflict, match=f"job {job} exists with orchestration_id o1, not o2"):
        submit("o2")
    fleet.ml.cancel(Stage.DEV, job)
    assert fleet.finished(job) in (JobStatus.CANCELED, JobStatus.COMPLETED)


def test_a_job_nobody_submitted(ml: MachineLearning):
    assert ml.job(Stage.DEV, unique("train-")) is None
    ml.cancel(Stage.DEV, unique("train-"))


def test_a_job_of_an_unknown_component_is_an_error_of_the_domain(ml: MachineLearning, fleet: Fleet):
    with pytest.raises(NotFound):
        ml.submit_training(
            unique("train-"),
            component="nobody:1.0.0",
            circuit_config="x",
            training_data=fleet.data(),
            champion=None,
            compute="training-cluster",
            tags={},
            display_name="x",
        )


def test_a_merge_runs(fleet: Fleet):
    job = unique("merge-")
    fleet.ml.write_file(Stage.DEV, f"merges/{job}/mapping.yaml", b"plant_id: P")
    for _ in range(2):
        fleet.ml.submit_merge(
            job,
            component=f"{fleet.merge}:1.0.0",
            mapping=f"merges/{job}/mapping.yaml",
            raw="abfss://raw@account.dfs.core.windows.net",
            readings="abfss://sensors@account.dfs.core.windows.net/readings",
            literals={"pinned_versions": "3,12"},
            compute="training-cluster",
            tags={"orchestration_id": "merge"},
        )
    assert fleet.finished(job) is JobStatus.COMPLETED
    report = fleet.ml.read_file(Stage.DEV, f"jobs/{job}/report.json")
    assert b"plant_id: P" in report
    assert b"3,12" in report
    state = fleet.ml.job(Stage.DEV, job)
    assert state is not None
    assert state.tags["orchestration_id"] == "merge"


def test_old_forecasts_are_purged_by_a_job(fleet: Fleet):
    job, table = unique("purge-"), "abfss://predictions@account.dfs.core.windows.net/forecasts"
    for _ in range(2):
        fleet.ml.submit_prediction_purge(
            job,
            component=f"{fleet.purge}:1.0.0",
            forecasts=table,
            before="2026-01-01",
            compute="training-cluster",
            tags={"orchestration_id": "purge"},
        )
    assert fleet.finished(job) is JobStatus.COMPLETED
    assert fleet.ml.read_file(Stage.DEV, f"jobs/{job}/report.json") == f"('{table}', '2026-01-01')".encode()


def test_an_evidence_notebook_is_made(fleet: Fleet):
    job = unique("evidence-")
    fleet.ml.write_file(Stage.DEV, f"evidence/{job}/release.json", b"the release")
    for _ in range(2):
        fleet.ml.submit_evidence(
            job,
            component=f"{fleet.notebook}:1.0.0",
            release=f"evidence/{job}/release.json",
            compute="training-cluster",
            tags={"orchestration_id": "evidence"},
        )
    assert fleet.finished(job) is JobStatus.COMPLETED
    page = fleet.ml.read_file(Stage.DEV, f"jobs/{job}/evidence.html")
    assert page.startswith(b"the releaseabfss://azureml-mlops-dev-workspace@")
    assert page.endswith(b".dfs.core.windows.net")
    assert fleet.ml.read_file(Stage.DEV, f"jobs/{job}/evidence.ipynb") == b"{}"


def test_the_second_environment_is_given_the_forecasts_of_the_first(fleet: Fleet):
    job, readings = unique("environment-trial-"), "abfss://sensors@account.dfs.core.windows.net/readings"
    fleet.ml.write_file(Stage.DEV, f"environments/{job}/models-1.json", b"the models")
    for _ in range(2):
        fleet.ml.submit_comparison(
            job,
            before=f"{fleet.comparison}:1.0.0-env1.0.0",
            after=f"{fleet.comparison}:1.0.0-env1.1.0",
            models=f"environments/{job}/models-1.json",
            sensor_data=readings,
            compute="training-cluster",
            tags={"orchestration_id": "trial"},
        )
    assert fleet.finished(job) is JobStatus.COMPLETED
    before, after = (fleet.ml.read_file(Stage.DEV, f"jobs/{job}/{part}.json") for part in ("before", "after"))
    assert before.decode() == repr(("the models", readings, []))
    assert after.decode() == repr(("the models", readings, ["forecasts"]))


def test_a_model_is_registered_once_and_listed(fleet: Fleet, trained: str, model: str):
    ml = fleet.ml
    assert [(found.version, found.tags["job"]) for found in ml.models(Stage.DEV, model)] == [("1", trained)]
    ml.create_model(model, "1", trained, {"job": trained})
    with pytest.raises(VersionConflict, match=f"model {model}:1 exists with job {trained}, not other"):
        ml.create_model(model, "1", trained, {"job": "other"})
    assert ml.models(Stage.DEV, unique("nobody")) == []


def test_models_are_shared_side_by_side_while_others_read(fleet: Fleet, trained: str):
    ml = fleet.ml
    names = [unique("shared") for _ in range(3)]
    for name in names:
        ml.create_model(name, "1", trained, {"job": trained})
    stop = threading.Event()

    def read() -> list[bool]:
        seen: list[bool] = []
        while not stop.is_set():
            seen.append(bool(ml.models(Stage.DEV, names[0])))
        return seen

    with ThreadPoolExecutor(4) as pool:
        reading = pool.submit(read)
        list(pool.map(ml.share_model, names, ["1"] * len(names)))
        stop.set()
        assert all(reading.result()), "a share must not lead other reads to the registry"
    for name in names:
        eventually(lambda name=name: ml.model_in_registry(name, "1"), 20)
        ml.share_model(name, "1")


def test_a_model_that_dev_lacks_is_not_shared(ml: MachineLearning):
    with pytest.raises(NotFound, match="not in the dev workspace"):
        ml.share_model(unique("nobody"), "1")


def a_deployment(fleet: Fleet, stage: Stage, component: str) -> tuple[str, str]:
    ml, endpoint = fleet.ml, unique("be-p1-")
    assert ml.deployment(stage, endpoint, "circ1-v1") is None
    for _ in range(2):
        ml.ensure_endpoint(stage, endpoint, {"plant_id": "P1"})
        ml.create_deployment(
            stage, endpoint, "circ1-v1", component, f"{stage}-scoring-cluster", {"model_version": "1"}
        )
    state = eventually(lambda: ml.deployment(stage, endpoint, "circ1-v1"))
    assert (state.ready, state.failed, state.tags["model_version"]) == (True, False, "1")
    return endpoint, "circ1-v1"


def score(fleet: Fleet, stage: Stage, endpoint: str, deployment: str, model_id: str) -> bytes:
    job = unique("score-")
    fleet.ml.write_file(stage, f"circuit_configs/{job}.yaml", b"circuit")
    for _ in range(2):
        fleet.ml.invoke(
            stage,
            endpoint,
            deployment,
            job,
            model=model_id,
            circuit_config=f"circuit_configs/{job}.yaml",
            literals={"sensor_data": "abfss://x", "window_share": 0.25, "windows": 3},
        )
    assert fleet.finished(job, stage) is JobStatus.COMPLETED, fleet.ml.job(stage, job)
    return fleet.ml.read_file(stage, f"jobs/{job}/summary.json")


EXPECTED = b"(['MLmodel'], 'circuit', 'abfss://x', 0.25, 3)"


def test_a_deployment_of_the_workspace_scores(fleet: Fleet, model: str):
    endpoint, deployment = a_deployment(fleet, Stage.DEV, f"azureml:{fleet.scoring}:1.0.0")
    assert score(fleet, Stage.DEV, endpoint, deployment, f"azureml:{model}:1") == EXPECTED


def test_a_deployment_of_the_registry_scores_in_another_stage(fleet: Fleet, model: str):
    ml = fleet.ml
    ml.share_model(model, "1")
    eventually(lambda: ml.model_in_registry(model, "1"), 20)
    registry = "azureml://registries/mlops-central-registry"
    endpoint, deployment = a_deployment(
        fleet, Stage.TEST, f"{registry}/components/{fleet.scoring}/versions/1.0.0"
    )
    assert score(fleet, Stage.TEST, endpoint, deployment, f"{registry}/models/{model}/versions/1") == EXPECTED


def test_deployments_change_by_name_only(fleet: Fleet):
    ml = fleet.ml
    endpoint, deployment = a_deployment(fleet, Stage.DEV, f"azureml:{fleet.scoring}:1.0.0")
    with pytest.raises(VersionConflict, match="model_version 1, not 2"):
        ml.create_deployment(
            Stage.DEV,
            endpoint,
            deployment,
            f"azureml:{fleet.scoring}:1.0.0",
            "dev-scoring-cluster",
            {"model_version": "2"},
        )
    with pytest.raises(VersionConflict, match="plant_id P1, not P2"):
        ml.ensure_endpoint(Stage.DEV, endpoint, {"plant_id": "P2"})
    ml.create_deployment(
        Stage.DEV,
        endpoint,
        "circ1-v2",
        f"azureml:{fleet.scoring}:1.0.0",
        "dev-scoring-cluster",
        {"model_version": "2"},
    )
    assert endpoint in ml.endpoint_names(Stage.DEV)
    assert endpoint not in ml.endpoint_names(Stage.TEST)
    assert ml.deployment_names(Stage.DEV, endpoint) == ["circ1-v1", "circ1-v2"]
    assert ml.deployment_names(Stage.DEV, "nobody") == []
    for _ in range(2):
        ml.delete_deployment(Stage.DEV, endpoint, deployment)
    eventually(lambda: ml.deployment(Stage.DEV, endpoint, deployment) is None)


def test_invocations_side_by_side_reach_the_deployment_they_name(fleet: Fleet, model: str):
    ml, endpoint = fleet.ml, unique("be-p1-")
    ml.ensure_endpoint(Stage.DEV, endpoint, {})
    names = [f"circ{number}-v1" for number in range(3)]
    for name in names:
        ml.create_deployment(
            Stage.DEV, endpoint, name, f"azureml:{fleet.scoring}:1.0.0", "dev-scoring-cluster", {"name": name}
        )
    ml.write_file(Stage.DEV, "circuit_configs/side.yaml", b"circuit")

    def invoke(name: str) -> str:
        return ml.invoke(
            Stage.DEV,
            endpoint,
            name,
            unique(f"score-{name}-"),
            model=f"azureml:{model}:1",
            circuit_config="circuit_configs/side.yaml",
            literals={"sensor_data": "abfss://x"},
        )

    with ThreadPoolExecutor(3) as pool:
        jobs = list(pool.map(invoke, names * 2))
    client = ml._client(Stage.DEV)  # pyright: ignore[reportPrivateUsage] - which deployment ran is not ours to ask
    for job in jobs:
        ran_on = client.jobs.get(job).properties["azureml.deploymentName"]
        assert job.startswith(f"score-{ran_on}-")


def test_files_of_a_datastore(ml: MachineLearning):
    path = f"test/{uuid4()}"
    with pytest.raises(NotFound):
        ml.read_file(Stage.PROD, path)
    ml.write_file(Stage.PROD, path, b"1")
    assert ml.read_file(Stage.PROD, path) == b"1"


def test_a_silent_azure_is_tried_again_later(local_azure: LocalAzure, monkeypatch: pytest.MonkeyPatch):
    from azure.core.exceptions import HttpResponseError
    from azure.core.pipeline.transport import RequestsTransport

    ml = MachineLearning(local_azure.settings)
    ml.environment_digest(Stage.DEV, "nobody", "1.0.0")

    def throttled(*_: object, **__: object) -> None:
        error = HttpResponseError("slow down")
        error.status_code = 429
        raise error

    monkeypatch.setattr(RequestsTransport, "send", throttled)
    with pytest.raises(TemporarilyUnavailable, match="slow down") as raised:
        ml.environment_digest(Stage.DEV, "nobody", "1.0.0")
    assert isinstance(raised.value, BusbarError)


def test_a_throttled_call_is_repeated_when_azure_says_so(
    local_azure: LocalAzure, monkeypatch: pytest.MonkeyPatch
):
    from azure.core.pipeline.transport import RequestsTransport

    ml, calls, send = MachineLearning(local_azure.settings), count(1), RequestsTransport.send
    ml.environment_digest(Stage.DEV, "nobody", "1.0.0")

    def busy(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer: Any = send(self, *args, **kwargs)
        if next(calls) <= 2:
            answer.status_code, answer.headers["Retry-After"] = 429, "0"
        return answer

    monkeypatch.setattr(RequestsTransport, "send", busy)
    assert ml.environment_digest(Stage.DEV, "nobody", "1.0.0") is None
    assert next(calls) == 4


COMPONENTS = (
    "data/etl_merge",
    "training/train_lstm",
    "training/evaluate_model",
    "training/training_pipeline",
    "scoring/batch_score",
    "scoring/scoring_pipeline",
    "scoring/online_score",
)


def test_the_components_of_this_repository_are_taken(ml: MachineLearning):
    root = Path(__file__).parent.parent.parent / "ml_components"
    conda = (root / "environments" / "sensor-forecasting-conda.yaml").read_bytes()
    ml.create_environment(Stage.DEV, "sensor-forecasting-env", "1.0.0", IMAGE, conda, "e1")
    for folder in COMPONENTS:
        ml.create_component(Stage.DEV, root / folder, f"digest of {folder}")
    for folder in COMPONENTS:
        name = folder.split("/")[1]
        assert ml.component_digests(Stage.DEV, name) == {shipped_version(folder): f"digest of {folder}"}
