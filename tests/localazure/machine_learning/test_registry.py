import time
from pathlib import Path
from typing import Any

import pytest

from localazure.machine_learning.storage import Location, Storage
from tests.localazure.machine_learning.conftest import REGISTRY, WORKSPACE, Cloud, client, finish, wait_until
from tests.localazure.machine_learning.sdk import DATASTORE, component, environment

pytestmark = pytest.mark.timeout(180)
IDS = f"azureml://registries/{REGISTRY}"


@pytest.fixture(scope="module")
def stocked(registry: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The registry with the sample environment and components, which name the registry's own assets."""
    registry.environments.create_or_update(environment())
    folder = tmp_path_factory.mktemp("registry")
    own_environment = {"azureml:plain-env:1.0.0": f"{IDS}/environments/plain-env/versions/1.0.0"}
    registry.components.create_or_update(component("shout", folder, own_environment))
    own_component = {"azureml:shout:1.0.0": f"{IDS}/components/shout/versions/1.0.0"}
    registry.components.create_or_update(component("chain", folder, own_component))
    return registry


def test_assets_have_registry_ids(stocked: Any) -> None:
    assert stocked.environments.get("plain-env", "1.0.0").id == f"{IDS}/environments/plain-env/versions/1.0.0"
    assert stocked.components.get("chain", "1.0.0").id == f"{IDS}/components/chain/versions/1.0.0"
    assert [item.version for item in stocked.components.list("chain")] == ["1.0.0"]


def test_registered_again_the_same_is_fine_and_other_content_is_not(stocked: Any, tmp_path: Path) -> None:
    from azure.core.exceptions import HttpResponseError

    own = {"azureml:plain-env:1.0.0": f"{IDS}/environments/plain-env/versions/1.0.0"}
    stocked.components.create_or_update(component("shout", tmp_path, own))
    with pytest.raises(HttpResponseError, match="immutable"):
        stocked.components.create_or_update(component("shout", tmp_path / "b", {**own, "--times": "--count"}))


def test_a_shared_model_appears_after_its_propagation(
    cloud: Cloud, ml: Any, registry: Any, storage: Storage
) -> None:
    from azure.ai.ml.entities import Model
    from azure.core.exceptions import ResourceNotFoundError

    storage.write(Location(f"azureml-{WORKSPACE}", "shared/MLmodel"), b"flavors: {}")
    tags = {"training_hash": "abc"}
    ml.models.create_or_update(
        Model(name="m2", version="4", type="mlflow_model", path=f"{DATASTORE}/shared", tags=tags)
    )
    begun = time.monotonic()
    with pytest.raises(ResourceNotFoundError):  # the SDK's own last look comes before the registry shows it
        client(cloud, workspace=WORKSPACE).models.share(
            "m2", "4", registry_name=REGISTRY, share_with_name="m2", share_with_version="4"
        )
    wait_until(
        lambda: [model.version for model in registry.models.list("m2")] == ["4"], "the model to appear"
    )
    assert time.monotonic() - begun >= 1.4
    found = registry.models.get("m2", "4")
    assert (found.id, found.tags) == (f"{IDS}/models/m2/versions/4", tags)
    assert storage.read(Location(f"registry-{REGISTRY}", "models/m2/4/MLmodel")) == b"flavors: {}"


def test_sharing_an_unknown_model_fails(cloud: Cloud) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match="m9"):
        client(cloud, workspace=WORKSPACE).models.share(
            "m9", "1", registry_name=REGISTRY, share_with_name="m9", share_with_version="1"
        )


def test_a_deployment_of_the_registrys_component_scores_with_the_registrys_model(
    cloud: Cloud, published: Any, stocked: Any, storage: Storage
) -> None:
    from azure.ai.ml import Input, Output
    from azure.ai.ml.entities import BatchEndpoint, Model, PipelineComponentBatchDeployment
    from azure.core.exceptions import ResourceNotFoundError

    storage.write(Location(f"azureml-{WORKSPACE}", "scorer/MLmodel"), b"[model]")
    published.models.create_or_update(
        Model(name="m3", version="1", type="mlflow_model", path=f"{DATASTORE}/scorer")
    )
    with pytest.raises(ResourceNotFoundError):
        client(cloud, workspace=WORKSPACE).models.share(
            "m3", "1", registry_name=REGISTRY, share_with_name="m3", share_with_version="1"
        )
    wait_until(lambda: list(stocked.models.list("m3")), "the model to appear")
    published.batch_endpoints.begin_create_or_update(BatchEndpoint(name="plant3", tags={})).result()
    deployment = PipelineComponentBatchDeployment(
        name="circ1-v1",
        endpoint_name="plant3",
        component=f"{IDS}/components/chain/versions/1.0.0",
        settings={"default_compute": "cpu-cluster"},
        tags={"model": "m3:1"},
    )
    published.batch_deployments.begin_create_or_update(deployment).result()
    published.batch_endpoints.invoke(
        endpoint_name="plant3",
        deployment_name="circ1-v1",
        job_name="score-registry",
        inputs={
            "text": Input(type="uri_file", path=f"{DATASTORE}/texts/hello.txt"),
            "ending": Input(type="string", default="?"),
            "model": {"jobInputType": "MLFlowModel", "uri": stocked.models.get("m3", "1").id},
        },
        outputs={"loud": Output(type="uri_file", path=f"{DATASTORE}/scores/registry.txt")},
    )
    assert finish(published, "score-registry").status == "Completed"
    assert storage.read(Location(f"azureml-{WORKSPACE}", "scores/registry.txt")) == b"HIHI?[MODEL]"
