"""Online endpoints through Azure ML's real SDK: deployed, split, mirrored, asked by a job, deleted."""

import json
import ssl
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from busbar.clients.machine_learning import MachineLearning
from busbar.clients.session import credential
from busbar.domain.errors import NotFound, TemporarilyUnavailable, VersionConflict
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage
from tests.azure import LocalAzure
from tests.clients.test_machine_learning import CONDA, IMAGE, eventually, write

pytestmark = pytest.mark.timeout(180)

LIGHT = Path(__file__).parents[1] / "releases" / "light" / "src"
REGISTRY = "azureml://registries/mlops-central-registry"
TAGS = {"model_version": "1"}


class Circuit:
    """What an online circuit of test needs: components and a model in the registry, its endpoint, a deployment."""

    def __init__(self, ml: MachineLearning, folder: Path):
        unique = uuid4().hex[:8]
        self.ml, self.endpoint = ml, f"oe-{unique}"
        self.environment, self.online = f"env-{unique}", f"online_{unique}"
        self.score, self.scoring, self.model = f"score_{unique}", f"scoring_{unique}", f"model_{unique}"
        ml.create_environment("registry", self.environment, "1.0.0", IMAGE, CONDA, "e1")
        self._components(folder)
        self._register_model()
        ml.write_file(Stage.TEST, f"circuit_configs/{unique}.yaml", b"circuit")
        self.config = f"circuit_configs/{unique}.yaml"
        eventually(self._ensured)
        for name in ("online-v1", "online-v2"):
            self.deploy(name)
        for name in ("online-v1", "online-v2"):
            eventually(lambda name=name: self.stands(name))

    def deploy(self, name: str, **tags: str) -> None:
        self.ml.create_online_deployment(
            Stage.TEST,
            self.endpoint,
            name,
            component=f"{REGISTRY}/components/{self.online}/versions/1.0.0",
            model=f"{REGISTRY}/models/{self.model}/versions/1",
            instance_type="Standard_F2s_v2",
            instances=1,
            tags=TAGS | tags,
        )

    def stands(self, name: str) -> bool:
        state = self.ml.deployment(Stage.TEST, self.endpoint, name)
        assert state is None or not state.failed, state
        return state is not None and state.ready

    def split(self, live: dict[str, int], mirrored: dict[str, int] | None = None) -> None:
        """As the durable retries do it: until it is so."""

        def done() -> bool:
            try:
                self.ml.set_traffic(Stage.TEST, self.endpoint, live, mirrored or {})
            except TemporarilyUnavailable:
                return False
            return True

        eventually(done)

    def traffic(self) -> tuple[dict[str, int], dict[str, int]]:
        client: Any = self.ml._client(Stage.TEST)  # pyright: ignore[reportPrivateUsage]
        found = client.online_endpoints.get(self.endpoint)
        return (
            {name: share for name, share in found.traffic.items() if share},
            {name: share for name, share in found.mirror_traffic.items() if share},
        )

    def asked_by_a_job(self, windows: int, **asked: str) -> dict[str, Any]:
        job = f"score-{uuid4().hex[:8]}"
        for _ in range(2):
            self.ml.submit_scoring(
                Stage.TEST,
                job,
                component=f"{REGISTRY}/components/{self.scoring}/versions/1.0.0",
                compute="test-scoring-cluster",
                model=f"{REGISTRY}/models/{self.model}/versions/1",
                circuit_config=self.config,
                literals={"windows": windows, "mode": "replay"} | asked,
                tags={"deployment": "online-v1"},
            )

        def ended() -> JobStatus | None:
            state = self.ml.job(Stage.TEST, job)
            return state.status if state and state.status.finished else None

        assert eventually(ended) is JobStatus.COMPLETED
        return json.loads(self.ml.read_file(Stage.TEST, f"jobs/{job}/summary.json"))

    def _ensured(self) -> bool:
        try:
            self.ml.ensure_endpoint(Stage.TEST, self.endpoint, {"plant_id": "P1", "circuit_id": "C1"})
        except TemporarilyUnavailable:
            return False
        return True

    def _components(self, folder: Path) -> None:
        environment = f"environment: {REGISTRY}/environments/{self.environment}/versions/1.0.0"
        write(folder / "online" / "src" / "score.py", (LIGHT / "online.py").read_text())
        online = f"""type: command
name: {self.online}
version: "1.0.0"
{environment}
code: ./src
inputs: {{model: {{type: mlflow_model}}}}
command: python score.py ${{{{inputs.model}}}}
"""
        inputs = """inputs:
  model: {type: mlflow_model}
  circuit_config: {type: uri_file}
  windows: {type: integer, default: 1}
  mode: {type: string, default: forecast}
  scoring_uri: {type: string, optional: true}
  asked_deployment: {type: string, optional: true}
outputs: {summary: {type: uri_file}}
"""
        write(folder / "score" / "src" / "score.py", (LIGHT / "score.py").read_text())
        score = f"""type: command
name: {self.score}
version: "1.0.0"
{environment}
code: ./src
{inputs}command: >-
  python score.py --model ${{{{inputs.model}}}} --circuit_config ${{{{inputs.circuit_config}}}}
  --windows ${{{{inputs.windows}}}} --mode ${{{{inputs.mode}}}}
  $[[--scoring_uri ${{{{inputs.scoring_uri}}}}]] $[[--asked_deployment ${{{{inputs.asked_deployment}}}}]]
  --summary ${{{{outputs.summary}}}}
"""
        names = ("model", "circuit_config", "windows", "mode", "scoring_uri", "asked_deployment")
        steps = "".join(f"      {name}: ${{{{parent.inputs.{name}}}}}\n" for name in names)
        scoring = f"""type: pipeline
name: {self.scoring}
version: "1.0.0"
{inputs}jobs:
  score:
    type: command
    component: {REGISTRY}/components/{self.score}/versions/1.0.0
    inputs:
{steps}    outputs: {{summary: "${{{{parent.outputs.summary}}}}"}}
"""
        for name, text in (("online", online), ("score", score), ("scoring", scoring)):
            self.ml.create_component("registry", write(folder / name / "component.yaml", text), name)

    def _register_model(self) -> None:
        from azure.ai.ml.entities import Model

        path = f"models/{self.model}"
        self.ml.write_file(Stage.DEV, f"{path}/MLmodel", b"flavors: {}\n")
        self.ml.write_file(Stage.DEV, f"{path}/model.json", b'{"seed": 7}')
        place = f"azureml://datastores/workspaceblobstore/paths/{path}"
        client: Any = self.ml._client(Stage.DEV)  # pyright: ignore[reportPrivateUsage] - no job made it
        client.models.create_or_update(Model(name=self.model, version="1", path=place, type="mlflow_model"))
        self.ml.share_model(self.model, "1")
        eventually(lambda: self.ml.model_in_registry(self.model, "1"), 20)


@pytest.fixture(scope="module")
def circuit(local_azure: LocalAzure, tmp_path_factory: pytest.TempPathFactory) -> Circuit:
    return Circuit(MachineLearning(local_azure.settings), tmp_path_factory.mktemp("online"))


def test_an_online_deployment_runs_the_registered_entry_script(circuit: Circuit, local_azure: LocalAzure):
    circuit.split({"online-v1": 100})
    token = credential().get_token("https://ml.azure.com/.default").token
    trusted = ssl.create_default_context(cafile=local_azure.environment["SSL_CERT_FILE"])
    uri = circuit.ml.scoring_uri(Stage.TEST, circuit.endpoint)
    with httpx.Client(verify=trusted, timeout=60) as http:
        answer = http.post(uri, json={"late": False}, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()) == (200, {"seed": 7})
        assert http.post(uri, json={"late": False}).status_code == 401


def test_both_kinds_of_endpoints_are_listed_and_a_repeat_changes_nothing(circuit: Circuit):
    ml, endpoint = circuit.ml, circuit.endpoint
    assert endpoint in ml.endpoint_names(Stage.TEST)
    assert set(ml.deployment_names(Stage.TEST, endpoint)) >= {"online-v1", "online-v2"}
    circuit.deploy("online-v1")
    with pytest.raises(VersionConflict, match="model_version 1, not 2"):
        circuit.deploy("online-v1", model_version="2")
    assert ml.deployment(Stage.TEST, endpoint, "online-v9") is None
    with pytest.raises(NotFound):
        ml.scoring_uri(Stage.TEST, "oe-nobody")


def test_requests_are_split_and_mirrored_by_the_platform(circuit: Circuit):
    uri = circuit.ml.scoring_uri(Stage.TEST, circuit.endpoint)
    circuit.split({"online-v1": 100}, {"online-v2": 50})
    assert circuit.traffic() == ({"online-v1": 100}, {"online-v2": 50})
    assert circuit.asked_by_a_job(5, scoring_uri=uri)["requests"]["answered"] == {"online-v1": 5}
    circuit.split({"online-v1": 50, "online-v2": 50})
    assert circuit.traffic() == ({"online-v1": 50, "online-v2": 50}, {})
    answered = Counter(circuit.asked_by_a_job(30, scoring_uri=uri)["requests"]["answered"])
    assert (answered.total(), set(answered)) == (30, {"online-v1", "online-v2"})


def test_a_job_asks_the_deployment_it_names(circuit: Circuit):
    circuit.split({"online-v1": 100})
    uri = circuit.ml.scoring_uri(Stage.TEST, circuit.endpoint)
    summary = circuit.asked_by_a_job(3, scoring_uri=uri, asked_deployment="online-v2")
    assert summary["requests"] == {"sent": 3, "failed": 0, "answered": {"online-v2": 3}}
    assert circuit.asked_by_a_job(3)["requests"] is None


def test_what_is_deleted_leaves_the_traffic_to_the_others(circuit: Circuit):
    ml, endpoint = circuit.ml, circuit.endpoint
    circuit.deploy("online-v3")
    eventually(lambda: circuit.stands("online-v3"))
    circuit.split({"online-v1": 75, "online-v3": 25})

    def deleted() -> bool:
        try:
            ml.delete_deployment(Stage.TEST, endpoint, "online-v3")
        except TemporarilyUnavailable:
            return False
        return ml.deployment(Stage.TEST, endpoint, "online-v3") is None

    eventually(deleted)
    assert circuit.traffic() == ({"online-v1": 100}, {})


def test_the_last_deployment_takes_its_endpoint_along(circuit: Circuit):
    ml, endpoint = circuit.ml, f"{circuit.endpoint}-2"

    def ensured() -> bool:
        try:
            ml.ensure_endpoint(Stage.TEST, endpoint, {"plant_id": "P1"})
        except TemporarilyUnavailable:
            return False
        return True

    eventually(ensured)
    ml.create_online_deployment(
        Stage.TEST,
        endpoint,
        "online-v1",
        component=f"{REGISTRY}/components/{circuit.online}/versions/1.0.0",
        model=f"{REGISTRY}/models/{circuit.model}/versions/1",
        instance_type="Standard_F2s_v2",
        instances=1,
        tags=TAGS,
    )
    state = eventually(lambda: ml.deployment(Stage.TEST, endpoint, "online-v1"))
    assert not state.failed
    for _ in range(2):
        ml.delete_deployment(Stage.TEST, endpoint, "online-v1")
    eventually(lambda: endpoint not in ml.endpoint_names(Stage.TEST))
    eventually(ensured)  # it may come again
