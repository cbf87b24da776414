from pathlib import Path
from typing import Any

import pytest

from localazure.machine_learning.storage import Location, Storage
from tests.localazure.machine_learning.conftest import WORKSPACE, Cloud
from tests.localazure.machine_learning.sdk import DATASTORE, component, environment

pytestmark = pytest.mark.timeout(120)


def test_an_environment_keeps_its_content_and_its_tags_change(ml: Any) -> None:
    from azure.core.exceptions import ResourceExistsError

    ml.environments.create_or_update(environment(name="kept-env", tags={"content_digest": "a"}))
    ml.environments.create_or_update(environment(name="kept-env", tags={"content_digest": "b"}))
    with pytest.raises(ResourceExistsError, match="immutable"):
        ml.environments.create_or_update(environment(name="kept-env", image="debian:13"))
    found = ml.environments.get("kept-env", "1.0.0")
    assert (found.tags, found.image) == ({"content_digest": "b"}, "ubuntu:24.04")


def test_what_is_not_there_is_not_found(ml: Any) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    for get in (ml.environments.get, ml.components.get, ml.data.get, ml.models.get):
        with pytest.raises(ResourceNotFoundError):
            get("nothing", "1")
    for get in (ml.jobs.get, ml.batch_endpoints.get, ml.compute.get, ml.datastores.get):
        with pytest.raises(ResourceNotFoundError):
            get("nothing")


def test_a_component_is_registered_once_and_refused_with_other_code(published: Any, tmp_path: Path) -> None:
    from azure.core.exceptions import ResourceExistsError

    same = component("shout", tmp_path)
    assert published.components.create_or_update(same).id == published.components.get("shout", "1.0.0").id
    other = component("shout", tmp_path)
    (tmp_path / "parts" / "shared" / "letters.py").write_text("def capitals(text): return text")
    with pytest.raises(ResourceExistsError, match="immutable"):
        published.components.create_or_update(other)


def test_a_component_of_an_unknown_environment_runs_nowhere(published: Any, tmp_path: Path) -> None:
    from azure.ai.ml import Input
    from azure.ai.ml.entities import PipelineJob, PipelineJobSettings
    from azure.core.exceptions import ResourceNotFoundError

    renamed = {"name: shout": "name: lost", "azureml:plain-env:1.0.0": "azureml:no-env:1.0.0"}
    published.components.create_or_update(component("shout", tmp_path, renamed))
    step = published.components.get("lost", "1.0.0")(
        text=Input(type="uri_file", path=f"{DATASTORE}/texts/hello.txt")
    )
    job = PipelineJob(
        name="lost", jobs={"only": step}, settings=PipelineJobSettings(default_compute="cpu-cluster")
    )
    with pytest.raises(ResourceNotFoundError, match="no-env"):
        published.jobs.create_or_update(job)


def test_data_versions_list_newest_first_and_keep_their_path(ml: Any) -> None:
    from azure.ai.ml.entities import Data
    from azure.core.exceptions import HttpResponseError

    def register(version: str, path: str, **tags: str) -> None:
        asset = Data(
            name="PLANT1_CIRC1", version=version, type="mltable", path=path, tags=tags, skip_validation=True
        )
        ml.data.create_or_update(asset)

    register("2025-12-09", f"{DATASTORE}/mltable/a/", delta_version="12")
    register("2025-12-09.2", f"{DATASTORE}/mltable/b/")
    register("2025-12-09", f"{DATASTORE}/mltable/a/", delta_version="12", seen="yes")
    with pytest.raises(HttpResponseError, match="immutable"):
        register("2025-12-09", f"{DATASTORE}/mltable/c/")
    assert [item.version for item in ml.data.list("PLANT1_CIRC1")] == ["2025-12-09.2", "2025-12-09"]
    found = ml.data.get("PLANT1_CIRC1", "2025-12-09")
    assert (found.tags, found.path) == ({"delta_version": "12", "seen": "yes"}, f"{DATASTORE}/mltable/a/")


def test_models_are_registered_announced_listed_and_archived(ml: Any, storage: Storage, cloud: Cloud) -> None:
    from azure.ai.ml.constants import ListViewType
    from azure.ai.ml.entities import Model
    from azure.core.exceptions import HttpResponseError

    storage.write(Location(f"azureml-{WORKSPACE}", "trained/MLmodel"), b"flavors: {}")
    for version in ("1", "2"):
        model = Model(
            name="m1", version=version, type="mlflow_model", path=f"{DATASTORE}/trained", tags={"v": version}
        )
        ml.models.create_or_update(model)
    with pytest.raises(HttpResponseError, match="holds no files"):
        ml.models.create_or_update(
            Model(name="m1", version="3", type="mlflow_model", path=f"{DATASTORE}/nothing")
        )
    announced = [event["data"] for _, event in cloud.events if event["subject"] == "models/m1:2"]
    assert announced == [
        {"ModelName": "m1", "ModelVersion": 2, "ModelTags": {"v": "2"}, "ModelProperties": {}}
    ]

    ml.models.archive("m1", "1")
    assert [model.version for model in ml.models.list("m1")] == ["2"]
    assert [model.version for model in ml.models.list("m1", list_view_type=ListViewType.ALL)] == ["2", "1"]
    assert ml.models.get("m1", label="latest").version == "2"


def test_requests_without_a_valid_token_are_refused(cloud: Cloud) -> None:
    import httpx

    from localazure.identity import Tokens

    path = cloud.runtime.addresses.azure + (
        f"/subscriptions/{cloud.runtime.config.subscription_id}/resourceGroups/g"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}/jobs"
    )
    token, _ = Tokens(cloud.runtime.state, cloud.runtime.config.tenant_id).issue(
        "https://management.azure.com", -10
    )
    for headers in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": f"Bearer {token}"}):
        answer = httpx.get(path, headers=headers, verify=_trusting(cloud.runtime.ca_bundle))
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "Unauthorized")


def _trusting(bundle: Path) -> Any:
    import ssl

    return ssl.create_default_context(cafile=str(bundle))
