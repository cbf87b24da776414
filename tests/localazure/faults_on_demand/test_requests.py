"""Throttled, failed, slow and unanswered requests: what the real SDKs make of them."""

import ssl
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.localazure.faults_on_demand.conftest import GROUP, WORKSPACE, Stack, client
from tests.localazure.machine_learning.sdk import environment

READS = {"method": "GET", "path": "*/environments/*"}
WRITES = {"method": "PUT", "path": "*/environments/*/versions/*"}


@pytest.mark.parametrize(
    ("kind", "parameters", "status"), [("throttle", {"retry_after": 0}, 429), ("error", {}, 503)]
)
def test_the_sdk_tries_again_inside_the_call(
    stack: Stack, ml: Any, kind: str, parameters: dict[str, Any], status: int
) -> None:
    from azure.core.exceptions import HttpResponseError

    fault = stack.fault(kind, where=READS, times=2, parameters=parameters)
    assert ml.environments.get("plain-env", "1.0.0").version == "1.0.0"
    assert len(stack.injected(fault)) == 2
    stack.fault(kind, where=READS, times=1, parameters=parameters)
    with pytest.raises(HttpResponseError) as refusal:
        client(stack, retry_total=0).environments.get("plain-env", "1.0.0")
    assert refusal.value.status_code == status


def test_throttling_says_when_to_come_back(stack: Stack, arm: httpx.Client) -> None:
    stack.fault("throttle", parameters={"retry_after": 7}, times=1)
    answer = arm.get("/environments")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["error"]["code"] == "TooManyRequests"


@pytest.mark.parametrize("when", ["after", "before"])
def test_a_put_without_an_answer_is_repeated_and_done_once(stack: Stack, ml: Any, when: str) -> None:
    fault = stack.fault("drop", where=WRITES, times=1, parameters={"when": when})
    name = f"dropped-{when}"
    ml.environments.create_or_update(environment(name=name))
    assert [one.version for one in ml.environments.list(name)] == ["1.0.0"]
    assert [one["method"] for one in stack.injected(fault)] == ["PUT"]


@pytest.mark.parametrize(("when", "mails"), [("after", 1), ("before", 0)])
def test_a_post_without_an_answer_fails_and_its_repeat_lands_once(
    stack: Stack, when: str, mails: int
) -> None:
    from azure.communication.email import EmailClient
    from azure.core.exceptions import AzureError
    from azure.identity import DefaultAzureCredential

    address, operation = f"{when}@example.com", str(uuid.uuid4())
    message = {
        "senderAddress": "DoNotReply@example.com",
        "recipients": {"to": [{"address": address}]},
        "content": {"subject": "Hello", "plainText": "Hello"},
    }

    def arrived() -> int:
        found = stack.ask("GET", "/mailbox/api/messages", params={"to": address}).json()
        return len(found["messages"])

    with EmailClient(stack.runtime.addresses.azure, DefaultAzureCredential()) as mail:
        stack.fault("drop", where={"path": "/emails:send"}, times=1, parameters={"when": when})
        with pytest.raises(AzureError):
            mail.begin_send(message, operation_id=operation)
        assert arrived() == mails
        assert mail.begin_send(message, operation_id=operation).result()["status"] == "Succeeded"
    assert arrived() == 1


def test_a_slow_answer_is_waited_for_or_given_up(stack: Stack, ml: Any, arm: httpx.Client) -> None:
    fault = stack.fault("slow", where=READS, times=2, parameters={"seconds": 1})
    assert ml.environments.get("plain-env", "1.0.0")
    with pytest.raises(httpx.ReadTimeout):
        arm.get("/environments/plain-env/versions/1.0.0", timeout=0.5)
    assert len(stack.injected(fault)) == 2


def test_every_third_request_and_no_other_service(stack: Stack, arm: httpx.Client) -> None:
    where = {"service": "machine-learning", "path": "*/environments"}
    stack.fault("error", where=where, every=3, parameters={"status": 500})
    statuses = [arm.get("/environments").status_code for _ in range(6)]
    assert statuses == [200, 200, 500, 200, 200, 500]
    assert stack.ask("GET", "/mailbox").status_code == 200


@pytest.mark.parametrize("path", ["/", "/health", "/mailbox", "/admin/faults", "/metadata/endpoints"])
def test_what_looks_after_the_emulators_meets_no_faults(stack: Stack, path: str) -> None:
    stack.fault("error")
    assert stack.ask("GET", path).status_code == 200


@pytest.mark.parametrize(
    ("path", "service", "field"),
    [
        ("/emails/operations/x", "email", ("error", "code")),
        ("/topics/orders/api/events", "event-grid", ("error", "code")),
        ("/api/v3/repos/plants/fleet/branches", "git-host", ("documentation_url",)),
        ("/local/plants/_apis/git/repositories", "git-host", ("typeKey",)),
        ("/msi/token", "identity", ("error_description",)),
        ("/mlflow/v1.0/subscriptions/s/api/2.0/mlflow/runs/get", "", ("error_code",)),
    ],
)
def test_each_service_refuses_in_its_own_shape(
    stack: Stack, path: str, service: str, field: tuple[str, ...]
) -> None:
    fault = stack.fault("throttle", where={"path": path}, times=1)
    method = "POST" if path.startswith("/topics") else "GET"
    answer = stack.ask(method, path)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    value = answer.json()
    for name in field:
        value = value[name]
    assert value
    (into,) = stack.injected(fault)
    assert into["service"] == service


def test_the_same_requests_under_the_same_seed_meet_the_same_faults(stack: Stack, arm: httpx.Client) -> None:
    def statuses(seed: int) -> list[int]:
        stack.clear()
        stack.fault("throttle", where={"path": "*/environments"}, probability=0.4, seed=seed)
        return [arm.get("/environments").status_code for _ in range(20)]

    first = statuses(5)
    assert set(first) == {200, 429}
    assert statuses(5) == first
    assert statuses(6) != first


@pytest.fixture(scope="module")
def arm(session_stack: Stack) -> Iterator[httpx.Client]:
    """Plain requests to the workspace, with a token."""
    from localazure.identity import Tokens

    runtime = session_stack.runtime
    token, _ = Tokens(runtime.state, runtime.config.tenant_id).issue("https://management.azure.com")
    scope = f"/subscriptions/{runtime.config.subscription_id}/resourceGroups/{GROUP}"
    provider = f"/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
    with httpx.Client(
        base_url=f"{runtime.addresses.azure}{scope}{provider}",
        params={"api-version": "2025-12-01"},
        headers={"Authorization": f"Bearer {token}"},
        verify=ssl.create_default_context(cafile=str(runtime.ca_bundle)),
        trust_env=False,
    ) as session:
        yield session
