"""Lists of assets: pages, order, tags, stages, archives, labels."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from localazure.machine_learning.storage import Location, Storage
from tests.localazure.machine_learning.conftest import WORKSPACE
from tests.localazure.machine_learning.sdk import DATASTORE

pytestmark = pytest.mark.timeout(120)


def _versions(arm: httpx.Client, path: str, query: str = "") -> tuple[list[str], int]:
    """The names on all pages, and how many pages there were."""
    names: list[str] = []
    pages, params = 0, dict(parse_qsl(query))
    while True:
        answer = arm.get(path, params=params).raise_for_status().json()
        names, pages = names + [item["name"] for item in answer["value"]], pages + 1
        if "nextLink" not in answer:
            return names, pages
        params = dict(parse_qsl(urlsplit(answer["nextLink"]).query))


@pytest.fixture
def many(arm: httpx.Client) -> None:
    for number in range(1, 131):
        properties = {
            "dataUri": f"{DATASTORE}/x/",
            "dataType": "uri_folder",
            "tags": {"even": str(number % 2 == 0), "number": str(number)},
        }
        arm.put(f"/data/many/versions/{number}", json={"properties": properties}).raise_for_status()


def test_versions_come_in_pages_in_order_and_by_tag(arm: httpx.Client, ml: Any, many: None) -> None:
    newest_first = [str(number) for number in range(130, 0, -1)]
    assert _versions(arm, "/data/many/versions") == (newest_first, 2)
    assert [item.version for item in ml.data.list("many")] == newest_first
    for query, names in (
        ("$top=1", ["130"]),
        ("$top=2&$orderBy=createdtime asc", ["1", "2"]),
        ("$top=1&$orderBy=createdtime desc", ["130"]),
        ("$tags=number=7", ["7"]),
        ("$tags=even=True,number&$top=2", ["130", "128"]),
        ("$tags=colour", []),
    ):
        assert _versions(arm, "/data/many/versions", query) == (names, 1), query
    assert len(_versions(arm, "/data/many/versions", "$top=120")[0]) == 120
    assert ml.data.get("many", label="latest").version == "130"


def test_an_update_moves_a_version_to_the_front_of_those_updated(arm: httpx.Client, many: None) -> None:
    shown = arm.get("/data/many/versions/5").json()
    body = {"properties": {**shown["properties"], "tags": {"seen": "yes"}, "description": "looked at"}}
    arm.put("/data/many/versions/5", json=body).raise_for_status()
    assert _versions(arm, "/data/many/versions", "$top=1&$orderBy=updatedtime desc")[0] == ["5"]
    changed = arm.get("/data/many/versions/5").json()
    assert changed["properties"]["description"] == "looked at"
    assert changed["systemData"]["createdAt"] == shown["systemData"]["createdAt"]


def test_models_move_through_stages_and_are_found_by_them(ml: Any, storage: Storage) -> None:
    from azure.ai.ml.entities import Model

    storage.write(Location(f"azureml-{WORKSPACE}", "staged/MLmodel"), b"flavors: {}")
    for version, stage in (("1", "Production"), ("2", "Development")):
        path = f"{DATASTORE}/staged"
        model = Model(name="staged", version=version, type="mlflow_model", path=path, stage=stage)
        ml.models.create_or_update(model)
    assert [model.version for model in ml.models.list("staged", stage="Production")] == ["1"]
    second = ml.models.get("staged", "2")
    second.stage = "Production"
    ml.models.create_or_update(second)
    ml.models.archive("staged", "1")
    assert [model.version for model in ml.models.list("staged", stage="Production")] == ["2"]
    assert ml.models.get("staged", "1").stage == "Production"  # archiving leaves the stage


def test_an_archived_container_archives_its_versions_and_those_to_come(ml: Any) -> None:
    from azure.ai.ml.constants import ListViewType
    from azure.ai.ml.entities import Data
    from azure.core.exceptions import HttpResponseError

    def register(version: str) -> None:
        path = f"{DATASTORE}/x/"
        ml.data.create_or_update(Data(name="retired", version=version, type="uri_folder", path=path))

    def shown(**view: Any) -> list[str]:
        return [item.version for item in ml.data.list("retired", **view)]

    register("1")
    ml.data.archive("retired")
    register("2")
    assert (shown(), shown(list_view_type=ListViewType.ARCHIVED_ONLY)) == ([], ["2", "1"])
    assert "retired" not in {item.name for item in ml.data.list()}
    with pytest.raises(HttpResponseError, match="restore the container"):
        ml.data.restore("retired", "1")
    ml.data.restore("retired")
    assert shown() == ["2", "1"]
    ml.data.archive("retired", "1")
    assert shown() == ["2"]
