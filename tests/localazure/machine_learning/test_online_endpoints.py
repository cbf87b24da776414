"""Online endpoints and deployments through the real SDK, with real scoring processes."""

import json
import os
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from localazure.identity import Tokens
from localazure.machine_learning.storage import Location, Storage
from tests.localazure.machine_learning.conftest import WORKSPACE, Cloud, wait_until
from tests.localazure.machine_learning.sdk import DATASTORE, PARTS, environment

pytestmark = pytest.mark.timeout(180)

Ask = Callable[..., httpx.Response]


def deployment(endpoint: str, name: str, **changes: Any) -> Any:
    from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment

    asked: dict[str, Any] = {
        "model": "azureml:words:1",
        "environment": "azureml:plain-env:1.0.0",
        "code_configuration": CodeConfiguration(code=str(PARTS / "scoring"), scoring_script="score.py"),
        "environment_variables": {"COLOUR": name},
        "instance_type": "Standard_DS3_v2",
        "instance_count": 1,
    }
    return ManagedOnlineDeployment(name=name, endpoint_name=endpoint, **{**asked, **changes})


def create(ml: Any, name: str, **changes: Any) -> None:
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=name, **changes)).result()


def deploy(ml: Any, endpoint: str, name: str, **changes: Any) -> None:
    ml.online_deployments.begin_create_or_update(deployment(endpoint, name, **changes)).result()


def split(ml: Any, endpoint: str, traffic: dict[str, int], mirror: dict[str, int] | None = None) -> None:
    found = ml.online_endpoints.get(endpoint)
    found.traffic, found.mirror_traffic = traffic, mirror or {}
    ml.online_endpoints.begin_create_or_update(found).result()


@pytest.fixture(scope="module")
def prepared(ml: Any, storage: Storage) -> Any:
    """The development workspace with a model and an environment in it."""
    from azure.ai.ml.entities import Model

    storage.write(Location(f"azureml-{WORKSPACE}", "words/model.txt"), b"hello")
    ml.models.create_or_update(
        Model(name="words", version="1", path=f"{DATASTORE}/words/model.txt", type="custom_model")
    )
    ml.environments.create_or_update(environment())
    return ml


@pytest.fixture(scope="module")
def endpoint(prepared: Any) -> str:
    """An endpoint whose two deployments share the traffic."""
    create(prepared, "fleet-online", auth_mode="key", tags={"plant": "PLANT1"})
    for name in ("blue", "green"):
        deploy(prepared, "fleet-online", name)
    split(prepared, "fleet-online", {"blue": 100})
    return "fleet-online"


@pytest.fixture
def ask(cloud: Cloud, prepared: Any) -> Iterator[Ask]:
    """Scores as any program would: over HTTPS, with a key of the endpoint."""
    context = ssl.create_default_context(cafile=str(cloud.runtime.ca_bundle))
    with httpx.Client(verify=context, timeout=60) as http:

        def send(
            endpoint: str, payload: Any = None, key: str | None = None, **headers: str
        ) -> httpx.Response:
            if key is None:
                key = prepared.online_endpoints.get_keys(endpoint).primary_key
            uri = prepared.online_endpoints.get(endpoint).scoring_uri
            own = {
                "Authorization": f"Bearer {key}",
                **{name.replace("_", "-"): v for name, v in headers.items()},
            }
            return http.post(uri, json=payload or {}, headers=own)

        yield send


def test_what_was_deployed_is_read_back(prepared: Any, endpoint: str) -> None:
    found = prepared.online_endpoints.get(endpoint)
    assert (found.provisioning_state, found.auth_mode, found.tags) == (
        "Succeeded",
        "key",
        {"plant": "PLANT1"},
    )
    assert found.scoring_uri.endswith("/score")
    assert found.traffic == {"blue": 100, "green": 0}
    assert endpoint in [item.name for item in prepared.online_endpoints.list()]
    blue = prepared.online_deployments.get("blue", endpoint)
    assert (blue.provisioning_state, blue.instance_count) == ("Succeeded", 1)
    assert {item.name for item in prepared.online_deployments.list(endpoint)} >= {"blue", "green"}


def test_the_sdk_invokes_the_model(prepared: Any, endpoint: str, tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text("{}")
    asked = {"endpoint_name": endpoint, "request_file": str(tmp_path / "request.json")}
    answer = json.loads(prepared.online_endpoints.invoke(**asked))
    assert (answer["model"], answer["colour"]) == ("hello", "blue")
    assert answer["ours"] == []  # the emulator's own modules hide none of the deployment's
    answer = json.loads(prepared.online_endpoints.invoke(**asked, deployment_name="green"))
    assert answer["colour"] == "green"


def test_an_answer_names_its_deployment(endpoint: str, ask: Ask) -> None:
    answer = ask(endpoint, azureml_model_deployment="green")
    assert (answer.status_code, answer.headers["azureml-model-deployment"]) == (200, "green")
    assert answer.headers["x-ms-run-function-failed"] == "False"
    assert ask(endpoint, azureml_model_deployment="purple").status_code == 404


def test_logs_are_told_by_container(prepared: Any, endpoint: str, ask: Ask) -> None:
    assert ask(endpoint, {"say": "something"}).status_code == 200
    logs = prepared.online_deployments.get_logs("blue", endpoint, 100)
    assert "init ran" in logs
    assert 'run was asked {"say":"something"}' in logs
    assert "POST /score 200" in logs
    assert len(prepared.online_deployments.get_logs("blue", endpoint, 1).splitlines()) == 1
    stored = prepared.online_deployments.get_logs("blue", endpoint, 100, container_type="storage-initializer")
    assert "words/model.txt" in stored


def test_a_model_that_raises_is_a_424(prepared: Any, endpoint: str, ask: Ask) -> None:
    answer = ask(endpoint, {"raise": "no such sensor"})
    assert answer.status_code == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == "500"
    assert answer.headers["ms-azureml-model-error-reason"] == "model_error"
    assert "no such sensor" not in answer.text
    assert "ValueError: no such sensor" in prepared.online_deployments.get_logs("blue", endpoint, 100)


def test_a_process_that_dies_is_started_again(endpoint: str, ask: Ask) -> None:
    before = ask(endpoint).json()["pid"]
    answer = ask(endpoint, {"die": True})
    assert (answer.status_code, answer.headers["ms-azureml-model-error-statuscode"]) == (424, "503")
    after = ask(endpoint)
    assert (after.status_code, after.json()["pid"] != before) == (200, True)


def test_a_model_that_takes_too_long_is_a_408(prepared: Any, endpoint: str, ask: Ask) -> None:
    from azure.ai.ml.entities import OnlineRequestSettings

    deploy(prepared, endpoint, "slow", request_settings=OnlineRequestSettings(request_timeout_ms=300))
    answer = ask(endpoint, {"sleep": 1.5}, azureml_model_deployment="slow")
    assert (answer.status_code, answer.json()["error"]["code"]) == (408, "RequestTimeout")


def test_more_requests_than_twice_what_is_worked_on_are_refused(prepared: Any, ask: Ask) -> None:
    from concurrent.futures import ThreadPoolExecutor

    create(prepared, "crowd", auth_mode="key")
    deploy(prepared, "crowd", "only")
    key = prepared.online_endpoints.get_keys("crowd").primary_key
    asked = {"key": key, "azureml_model_deployment": "only"}
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: ask("crowd", {"sleep": 1}, **asked), range(6)))
    assert Counter(answer.status_code for answer in answers) == {200: 2, 429: 4}
    assert ask("crowd", **asked).status_code == 200


def test_traffic_is_split_as_asked(prepared: Any, endpoint: str, ask: Ask) -> None:
    split(prepared, endpoint, {"blue": 80, "green": 20})
    key = prepared.online_endpoints.get_keys(endpoint).primary_key
    colours = Counter(ask(endpoint, key=key).json()["colour"] for _ in range(100))
    split(prepared, endpoint, {"blue": 100})
    assert colours["blue"] + colours["green"] == 100
    assert 8 <= colours["green"] <= 34  # four standard deviations


def test_mirrored_requests_are_answered_by_the_live_deployment(
    prepared: Any, endpoint: str, ask: Ask, tmp_path: Path
) -> None:
    split(prepared, endpoint, {"blue": 100}, {"green": 50})
    key, note = prepared.online_endpoints.get_keys(endpoint).primary_key, tmp_path / "note"
    answers = {ask(endpoint, {"note": str(note)}, key=key).json()["colour"] for _ in range(40)}
    assert answers == {"blue"}
    wait_until(lambda: note.read_text().split().count("green") >= 8, "the copies to arrive")
    assert note.read_text().split().count("green") <= 32
    note.unlink()
    for _ in range(12):  # a request for a deployment is not copied
        ask(endpoint, {"note": str(note)}, key=key, azureml_model_deployment="blue")
    assert Counter(note.read_text().split()) == {"blue": 12}
    split(prepared, endpoint, {"blue": 100})


@pytest.mark.parametrize(
    ("traffic", "mirror", "said"),
    [
        ({"blue": 50}, {}, "sums to 50"),
        ({"blue": 60, "green": 60}, {}, "sums to 120"),
        ({"purple": 100}, {}, "purple"),
        ({"blue": 100}, {"green": 51}, "50 percent"),
        ({"blue": 100}, {"blue": 10}, "live or mirrored"),
        ({"blue": 100}, {"purple": 10}, "purple"),
        ({"blue": 100}, {"green": 10, "slow": 10}, "one deployment only"),
    ],
)
def test_a_split_that_the_service_does_not_take(
    prepared: Any, endpoint: str, traffic: dict[str, int], mirror: dict[str, int], said: str
) -> None:
    from azure.core.exceptions import HttpResponseError

    if "slow" in mirror:
        deploy(prepared, endpoint, "slow")
    with pytest.raises(HttpResponseError, match=said) as caught:
        split(prepared, endpoint, traffic, mirror)
    assert caught.value.status_code == 400


def test_without_traffic_nobody_answers(prepared: Any, ask: Ask) -> None:
    create(prepared, "silent", auth_mode="key")
    answer = ask("silent")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceNotFound")


def test_keys_are_rotated_one_at_a_time(prepared: Any, endpoint: str, ask: Ask) -> None:
    before = prepared.online_endpoints.get_keys(endpoint)
    prepared.online_endpoints.begin_regenerate_keys(endpoint, key_type="primary").result()
    after = prepared.online_endpoints.get_keys(endpoint)
    assert after.primary_key != before.primary_key
    assert after.secondary_key == before.secondary_key
    statuses = [ask(endpoint, key=key).status_code for key in (before.primary_key, after.primary_key)]
    assert [*statuses, ask(endpoint, key=after.secondary_key).status_code] == [401, 200, 200]


def test_an_endpoint_with_aad_tokens_takes_tokens_for_azure_ml_only(
    prepared: Any, cloud: Cloud, ask: Ask, tmp_path: Path
) -> None:
    create(prepared, "tokens", auth_mode="aad_token")
    deploy(prepared, "tokens", "blue")
    split(prepared, "tokens", {"blue": 100})
    (tmp_path / "request.json").write_text("{}")
    asked = {"request_file": str(tmp_path / "request.json"), "deployment_name": "blue"}
    invoked = prepared.online_endpoints.invoke("tokens", **asked)
    assert json.loads(invoked)["colour"] == "blue"
    tokens = Tokens(cloud.runtime.state, cloud.runtime.config.tenant_id)
    wrong, _ = tokens.issue("https://storage.azure.com")
    expired, _ = tokens.issue("https://ml.azure.com", lifetime_seconds=-10)
    assert [ask("tokens", key=key).status_code for key in (wrong, expired, "rubbish")] == [401, 401, 401]


def test_an_endpoint_with_its_own_tokens_gives_and_takes_them(prepared: Any, ask: Ask) -> None:
    create(prepared, "own-tokens", auth_mode="aml_token")
    deploy(prepared, "own-tokens", "blue")
    split(prepared, "own-tokens", {"blue": 100})
    token = prepared.online_endpoints.get_keys("own-tokens").access_token
    assert [ask("own-tokens", key=key).status_code for key in (token, "rubbish")] == [200, 401]


def test_a_failing_init_fails_the_deployment_and_is_in_its_log(prepared: Any, endpoint: str) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match=r"(?s)ResourceNotReady.*the model does not load"):
        deploy(prepared, endpoint, "broken", environment_variables={"COLOUR": "x", "FAIL": "1"})
    assert prepared.online_deployments.get("broken", endpoint).provisioning_state == "Failed"
    assert "RuntimeError: the model does not load" in prepared.online_deployments.get_logs(
        "broken", endpoint, 50
    )


def test_an_update_that_fails_leaves_the_old_revision_in_service(prepared: Any, ask: Ask) -> None:
    from azure.core.exceptions import HttpResponseError

    create(prepared, "rolling", auth_mode="key")
    deploy(prepared, "rolling", "blue")
    split(prepared, "rolling", {"blue": 100})
    before = ask("rolling").json()
    with pytest.raises(HttpResponseError):
        deploy(prepared, "rolling", "blue", environment_variables={"COLOUR": "x", "FAIL": "1"})
    assert ask("rolling").json() == before
    deploy(prepared, "rolling", "blue", environment_variables={"COLOUR": "navy"})
    assert ask("rolling").json()["colour"] == "navy"
    with pytest.raises(ProcessLookupError):
        wait_until(lambda: os.kill(before["pid"], 0), "the old process to end")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"instance_type": "MyComputer"}, "instanceType"),
        ({"instance_count": 0}, "instanceCount"),
        ({"instance_count": 51}, "instanceCount"),
        ({"environment": None}, "environmentId"),
        ({"name": "a--b"}, "3 to 32"),
    ],
)
def test_a_deployment_that_the_service_does_not_take(
    prepared: Any, endpoint: str, changes: dict[str, Any], said: str
) -> None:
    from azure.core.exceptions import HttpResponseError

    asked = {"name": "refused"} | changes
    with pytest.raises(HttpResponseError, match=said) as caught:
        deploy(prepared, endpoint, asked.pop("name"), **asked)
    assert caught.value.status_code == 400


def test_a_model_without_a_script_has_to_be_an_mlflow_model(prepared: Any, endpoint: str) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match="mlflow_model"):
        deploy(prepared, endpoint, "scriptless", code_configuration=None)


def test_what_has_traffic_is_not_deleted_and_what_is_deleted_ends(
    prepared: Any, ask: Ask, cloud: Cloud
) -> None:
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    create(prepared, "leaving", auth_mode="key")
    deploy(prepared, "leaving", "blue")
    split(prepared, "leaving", {"blue": 100})
    pid = ask("leaving").json()["pid"]
    with pytest.raises(HttpResponseError, match="has traffic"):
        prepared.online_deployments.begin_delete("blue", "leaving").result()
    prepared.online_endpoints.begin_delete("leaving").result()
    with pytest.raises(ResourceNotFoundError):
        prepared.online_endpoints.get("leaving")
    with pytest.raises(ProcessLookupError):
        wait_until(lambda: os.kill(pid, 0), "the process to end")
    files = cloud.runtime.state / "online" / WORKSPACE / "leaving" / "blue"
    wait_until(lambda: not files.exists(), "the files to be deleted")


def test_a_name_is_taken_in_the_whole_region(prepared: Any, endpoint: str, cloud: Cloud) -> None:
    from azure.core.exceptions import HttpResponseError

    from tests.localazure.machine_learning.conftest import client

    other = client(cloud, workspace="mlops-test-workspace")
    with pytest.raises(HttpResponseError, match="unique in a region"):
        create(other, endpoint, auth_mode="key")


def test_a_deployment_is_an_event(prepared: Any, endpoint: str, cloud: Cloud) -> None:
    deployed = [event for _, event in cloud.events if event["eventType"].endswith("ModelDeployed")]
    assert endpoint in [event["data"]["ServiceName"] for event in deployed]
