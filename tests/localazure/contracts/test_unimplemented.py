"""What no route serves is said loudly below Azure's paths, and is an ordinary 404 elsewhere."""

import logging

import pytest

from localazure.config import Config
from localazure.email import Email
from localazure.identity import Tokens

_WORKSPACE = "/subscriptions/1/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


@pytest.fixture
def azure(make_runtime, serve):
    runtime = make_runtime(Config())
    return serve(runtime, [Email(runtime, Tokens(runtime.state, runtime.config.tenant_id))])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{_WORKSPACE}/featuresets"),
        ("POST", f"{_WORKSPACE}/jobs/j/teleport"),
        ("PUT", "/Subscriptions/1/RESOURCEGROUPS/g"),
        ("GET", "/history/v1.0/nothing"),
        ("DELETE", "/emails/a%0Ab"),
    ],
)
def test_below_azures_paths_it_is_a_501_that_names_it_and_is_counted(azure, caplog, method, path):
    with caplog.at_level(logging.WARNING):
        answers = [azure.http.request(method, f"{path}?api-version=2023-10-01") for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 501
        error = answer.json()["error"]
        assert error["code"] == "NotImplemented"
        assert all(part in error["message"] for part in (method, path, "2023-10-01"))
    assert [record.levelname for record in caplog.records if path in record.getMessage()] == ["WARNING"] * 2
    listed = azure.http.get("/admin/unimplemented").json()["value"]
    assert listed == [{"method": method, "path": path, "api_version": "2023-10-01", "count": 2}]
    assert path in azure.http.get("/").text


def test_a_known_path_with_another_method_is_a_405_that_names_every_method(azure):
    answer = azure.http.delete("/mailbox")
    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "MethodNotAllowed"
    assert {"GET", "HEAD"} <= set(answer.headers["allow"].split(", "))
    assert azure.http.get("/emails:send").headers["allow"] == "POST"
    assert azure.http.get("/admin/unimplemented").json()["value"] == []


def test_elsewhere_it_is_a_404(azure):
    answer = azure.http.get("/no/such/page")
    assert answer.status_code == 404
    assert "/no/such/page" in answer.json()["error"]["message"]
    assert azure.http.get("/admin/unimplemented").json()["value"] == []
