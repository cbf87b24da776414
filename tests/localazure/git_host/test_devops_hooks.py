"""Azure DevOps' service hooks: what they carry, how they are repeated, and what ends them."""

import base64
import json

import pytest
from pydantic import ValidationError

from localazure.config import Config, GitWebhook
from localazure.git_host import GitHost
from tests.localazure.git_host.working_copy import REPOSITORY, ZERO, Clone, bare

EVENTS = ["git.push", "git.pullrequest.created", "git.pullrequest.updated", "git.pullrequest.merged"]


@pytest.fixture
def config():
    hook = {"target": "/hooks/devops", "kind": "azure-devops", "events": EVENTS}
    retries = {"retry_seconds": [0.01, 0.01]}
    return Config.model_validate(
        {"repositories": [{"name": REPOSITORY, "webhooks": [hook]}], "git_host": retries}
    )


def test_a_push_of_several_refs_is_one_event(azure, clone, receiver, request):
    first = clone.commit("first", a="1")
    clone.push("origin", "HEAD:main", "HEAD:other")
    second = clone.commit("second", a="2")
    clone.push("origin", "HEAD:main", ":other")
    _, got = receiver.wait_for(2)
    basic = base64.b64encode(f"azure-devops:{azure.runtime.secrets['webhook']}".encode()).decode()
    assert (got.path, got.headers["authorization"]) == ("/hooks/devops", f"Basic {basic}")
    assert (got.json["eventType"], got.json["publisherId"], got.json["notificationId"]) == (
        "git.push",
        "tfs",
        2,
    )
    resource = got.json["resource"]
    assert {(one["name"], one["oldObjectId"], one["newObjectId"]) for one in resource["refUpdates"]} == {
        ("refs/heads/main", first, second), ("refs/heads/other", first, ZERO)
    }  # fmt: skip
    assert [one["commitId"] for one in resource["commits"]] == [second]
    assert (resource["repository"]["name"], resource["pushId"]) == ("fleet", 2)
    sample = request.config.rootpath.parent / "shared" / "payloads" / "ado_git_push.json"
    if not sample.exists():
        pytest.skip("the sample payloads are not beside the repository")
    wanted = json.loads(sample.read_text())
    assert wanted.keys() <= got.json.keys()
    assert wanted["resource"].keys() <= resource.keys()
    assert wanted["resource"]["repository"].keys() <= resource["repository"].keys()


def test_pull_requests_are_told_of_with_every_attempt_to_merge(devops, clone, receiver):
    clone.commit("base", a="1")
    clone.push("origin", "HEAD:main")
    clone.commit("one", b="1")
    clone.push("origin", "HEAD:feature")
    receiver.wait_for(2)
    body = {"sourceRefName": "refs/heads/feature", "targetRefName": "refs/heads/main", "title": "T"}
    devops("POST", "/pullrequests", 201, json=body)
    created, tried = receiver.wait_for(4)[2:]
    assert (created.json["eventType"], tried.json["eventType"]) == (EVENTS[1], EVENTS[3])
    assert (tried.json["resource"]["status"], tried.json["resource"]["mergeStatus"]) == (
        "active",
        "succeeded",
    )
    head = clone.commit("two", c="1")
    clone.push("origin", "HEAD:feature")
    updated = receiver.wait_for(7)[4:]
    assert sorted(got.json["eventType"] for got in updated) == [
        "git.pullrequest.merged",
        EVENTS[2],
        "git.push",
    ]
    done = {"status": "completed", "lastMergeSourceCommit": {"commitId": head}}
    devops("PATCH", "/pullrequests/1", json=done)
    ended = {got.json["eventType"]: got.json["resource"].get("status") for got in receiver.wait_for(10)[7:]}
    assert ended == {
        "git.pullrequest.updated": "completed",
        "git.pullrequest.merged": "completed",
        "git.push": None,
    }


@pytest.mark.parametrize(
    ("answers", "status", "attempts"),
    [
        ([503, 408], "delivered", 3),
        ([502, 504, 503], "failed", 3),
        ([500], "failed", 1),
        ([401], "failed", 1),
    ],
)
def test_only_some_answers_are_tried_again(azure, clone, receiver, wait, answers, status, attempts):
    receiver.statuses = list(answers)
    clone.commit(a="1")
    clone.push("origin", "HEAD:main")
    told = lambda: azure.http.get("/admin/git/deliveries").json()["deliveries"]  # noqa: E731 - read again below
    wait(lambda: [one["status"] for one in told()] == [status])
    assert told()[0]["attempts"] == attempts == len(receiver.received)
    assert len({got.body for got in receiver.received}) == 1


def test_what_waits_to_be_tried_again_survives_a_restart(make_runtime, serving_again, receiver, tmp_path):
    hook = {"target": "/hooks/devops", "kind": "azure-devops"}
    repositories = [{"name": REPOSITORY, "webhooks": [hook]}]
    runtime = make_runtime(
        Config.model_validate({"repositories": repositories, "git_host": {"retry_seconds": [2]}})
    )
    receiver.statuses = [503]
    with serving_again(runtime, [GitHost(runtime)]):
        clone = Clone(tmp_path / "clone", bare(runtime))
        clone.commit(a="1")
        clone.push("origin", "HEAD:main")
        receiver.wait_for(1)
    with serving_again(runtime, [GitHost(runtime)]):
        first, second = receiver.wait_for(2)
    assert first.body == second.body


def test_gone_ends_the_subscription_until_it_is_enabled_again(azure, token, clone, receiver, wait):
    receiver.statuses = [410]
    hooks = "/local/_apis/hooks/subscriptions"
    ask = lambda method, path="", **more: azure.http.request(  # noqa: E731 - asked again below
        method, f"{hooks}{path}", params={"api-version": "7.1"}, auth=("", token), **more
    )
    clone.commit(a="1")
    clone.push("origin", "HEAD:main")
    wait(lambda: ask("GET").json()["value"][0]["status"] == "disabledBySystem")
    clone.commit(a="2")
    clone.push("origin", "HEAD:main")
    identifier = ask("GET").json()["value"][0]["id"]
    assert ask("PUT", f"/{identifier}", json={"status": "enabled"}).json()["status"] == "enabled"
    last = clone.commit(a="3")
    clone.push("origin", "HEAD:main")
    after = [got.json["resource"]["refUpdates"][0]["newObjectId"] for got in receiver.wait_for(2)]
    assert (len(after), after[1]) == (2, last)
    assert ask("GET", "/nothing").status_code == 404


def test_subscriptions_are_made_through_the_api(azure, token, devops, clone, receiver):
    body = {
        "publisherId": "tfs", "eventType": "git.push", "consumerId": "webHooks", "consumerActionId": "httpRequest",
        "publisherInputs": {"repository": devops("GET").json()["id"]},
        "consumerInputs": {"url": f"{receiver.url}/own", "basicAuthUsername": "me", "basicAuthPassword": "p"},
    }  # fmt: skip
    url, params = "/local/_apis/hooks/subscriptions", {"api-version": "7.1"}
    made = azure.http.post(url, params=params, auth=("", token), json=body).json()
    assert made["consumerInputs"]["basicAuthPassword"] == "********"
    clone.commit(a="1")
    clone.push("origin", "HEAD:main")
    own = next(got for got in receiver.wait_for(2) if got.path == "/own")
    assert base64.b64decode(own.headers["authorization"].removeprefix("Basic ")) == b"me:p"
    assert own.json["subscriptionId"] == made["id"]
    for change in ({"eventType": "build.complete"}, {"publisherInputs": {}},
                   {"consumerInputs": {"url": "https://example.com"}}):  # fmt: skip
        refused = azure.http.post(url, params=params, auth=("", token), json=body | change)
        assert refused.status_code == 400
    azure.http.delete(f"{url}/{made['id']}", params=params, auth=("", token)).raise_for_status()


@pytest.mark.parametrize(
    ("hook", "valid"),
    [
        ({"target": "/path"}, True),
        ({"target": "http://127.0.0.1:7071/x", "events": ["push", "pull_request"]}, True),
        ({"target": "https://localhost/x", "kind": "azure-devops", "events": EVENTS}, True),
        ({"target": "https://example.com/x"}, False),
        ({"target": "http://localhost.example.com/"}, False),
        ({"target": "relative"}, False),
        ({"target": "/x", "events": ["git.push"]}, False),
        ({"target": "/x", "kind": "azure-devops", "events": ["push"]}, False),
        ({"target": "/x", "kind": "gitlab"}, False),
    ],
)
def test_hooks_of_the_configuration(hook, valid):
    if valid:
        assert GitWebhook.model_validate(hook).target == hook["target"]
    else:
        with pytest.raises(ValidationError):
            GitWebhook.model_validate(hook)
