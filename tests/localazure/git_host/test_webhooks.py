"""A real `git push`, and the signed webhooks that it causes."""

import hashlib
import hmac
import json
import subprocess
import uuid

import pytest

from localazure.git_host import GitHost
from localazure.git_host.outbox import signature
from tests.localazure.git_host.working_copy import CONFIG, REPOSITORY, ZERO, Clone, bare


def pushes_sent(azure):
    """What the host tells of its deliveries, newest first, less the greetings."""
    told = azure.http.get("/admin/git/deliveries").json()["deliveries"]
    return [one for one in told if one["event"] == "push"]


def test_signature_is_githubs():
    assert signature("It's a Secret to Everybody", b"Hello, World!") == (
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    )


def test_a_push_is_announced_signed_and_complete(azure, clone, receiver):
    first = clone.commit("first", config__circuits_yaml="a: 1", gone="x")
    clone.push()
    [created] = receiver.wait_for(1)
    second = clone.commit("second", config__circuits_yaml="a: 2", gone=None, new="y")
    clone.push()
    _, moved = receiver.wait_for(2)
    secret = azure.runtime.secrets["webhook"].encode()
    digest = hmac.new(secret, moved.body, hashlib.sha256).hexdigest()
    assert moved.headers["x-hub-signature-256"] == f"sha256={digest}"
    assert moved.path == "/api/webhooks/github"
    assert moved.headers["x-github-event"] == "push"
    assert uuid.UUID(moved.headers["x-github-delivery"]) != uuid.UUID(created.headers["x-github-delivery"])
    assert (created.json["before"], created.json["after"], created.json["created"]) == (ZERO, first, True)
    body = moved.json
    assert (body["ref"], body["before"], body["after"]) == ("refs/heads/main", first, second)
    assert (body["created"], body["deleted"], body["forced"]) == (False, False, False)
    [commit] = body["commits"]
    assert commit == body["head_commit"]
    assert commit["id"] == second
    assert commit["message"] == "second"
    assert (commit["added"], commit["removed"], commit["modified"]) == (
        ["new"],
        ["gone"],
        ["config/circuits.yaml"],
    )
    assert commit["author"] == {"name": "Dev One", "email": "dev1@example.com", "username": "dev1"}
    assert body["repository"]["full_name"] == REPOSITORY
    assert body["repository"]["default_branch"] == "main"
    assert body["sender"]["login"] == body["pusher"]["name"] == "dev1"


def test_branches_created_forced_and_deleted(clone, receiver):
    base = clone.commit("base", a="1")
    clone.push()
    clone.git("checkout", "-q", "-b", "release/1.0")
    first = clone.commit("one", a="2")
    clone.push()
    clone.git("reset", "-q", "--hard", base)
    second = clone.commit("other", a="3")
    clone.push("--force", "origin", "HEAD")
    clone.push("origin", ":release/1.0")
    _, created, forced, deleted = (got.json for got in receiver.wait_for(4))
    assert created["ref"] == "refs/heads/release/1.0"
    assert [c["id"] for c in created["commits"]] == [first]
    assert forced["forced"]
    assert (forced["before"], forced["after"]) == (first, second)
    assert [c["id"] for c in forced["commits"]] == [second]
    assert deleted["deleted"]
    assert deleted["after"] == ZERO
    assert deleted["commits"] == []
    assert deleted["head_commit"] is None


def test_the_body_has_the_shape_of_githubs(clone, receiver, request):
    sample = request.config.rootpath.parent / "shared" / "payloads" / "github_push_normal.json"
    if not sample.exists():
        pytest.skip("the sample payloads are not beside the repository")
    clone.commit("first", a="1")
    clone.push()
    clone.commit("second", a="2")
    clone.push()
    _missing_keys(json.loads(sample.read_text())["body"], receiver.wait_for(2)[1].json)


def _missing_keys(wanted, got, where="body"):
    assert wanted.keys() <= got.keys(), where
    for key, value in wanted.items():
        if isinstance(value, dict):
            _missing_keys(value, got[key], f"{where}.{key}")


def test_a_push_of_many_commits_is_cut_at_2048(clone, receiver):
    stream = "".join(
        f"commit refs/heads/main\ncommitter D <d@example.com> {1700000000 + n} +0100\ndata 1\nm"
        f"\nM 100644 inline f\ndata {len(str(n))}\n{n}\n"
        for n in range(2100)
    )
    subprocess.run(["git", "-C", clone.folder, "fast-import", "--quiet"], input=stream.encode(), check=True)
    clone.push("origin", "main")
    body = receiver.wait_for(1)[0].json
    assert len(body["commits"]) == 2048
    assert body["commits"][-1]["id"] == body["after"]
    assert body["commits"][0]["modified"] == ["f"]
    assert body["commits"][0]["timestamp"].endswith("+01:00")


def test_a_push_while_the_server_is_down_is_announced_once_when_it_comes_up(
    make_runtime, serving_again, receiver, tmp_path
):
    runtime = make_runtime(CONFIG)
    with serving_again(runtime, [GitHost(runtime)]):
        clone = Clone(tmp_path / "clone", bare(runtime))
        receiver.wait_for(1)
    sha = clone.commit("while down", a="1")
    clone.push()
    for _ in range(2):
        with serving_again(runtime, [GitHost(runtime)]):
            receiver.wait_for(2)
    greeting, push = receiver.received
    assert greeting.headers["x-github-event"] == "ping"
    assert push.json["after"] == sha


def test_a_host_that_is_down_is_waited_for(make_runtime, serving_again, elsewhere, receiver, tmp_path):
    runtime = make_runtime(CONFIG)
    deaf = elsewhere(runtime, "http://127.0.0.1:1")
    with serving_again(deaf, [GitHost(deaf)]):
        clone = Clone(tmp_path / "clone", bare(deaf))
        clone.commit(a="1")
        clone.push()
    with serving_again(runtime, [GitHost(runtime)]):
        events = [got.headers["x-github-event"] for got in receiver.wait_for(2)]
    assert events == ["ping", "push"]


def test_a_refused_delivery_is_repeated_only_by_hand_under_its_own_id(azure, clone, receiver, wait):
    receiver.statuses = [500]
    clone.commit(a="1")
    clone.push()
    deliveries = lambda: pushes_sent(azure)  # noqa: E731 - read again below
    wait(lambda: [one["status"] for one in deliveries()] == ["failed"])
    [failed] = deliveries()
    azure.http.post(f"/admin/git/deliveries/{failed['guid']}/redeliver").raise_for_status()
    first, second = receiver.wait_for(2)
    assert first.body == second.body
    assert first.headers["x-github-delivery"] == second.headers["x-github-delivery"] == failed["guid"]
    wait(lambda: deliveries()[0]["status"] == "delivered")


def test_webhooks_can_be_switched_off(azure, clone, receiver, wait):
    assert azure.http.post("/admin/git/webhooks", json={"enabled": "no"}).status_code == 400
    azure.http.post("/admin/git/webhooks", json={"enabled": False}).raise_for_status()
    clone.commit(a="1")
    clone.push()
    deliveries = lambda: pushes_sent(azure)  # noqa: E731 - read again below
    wait(lambda: [one["status"] for one in deliveries()] == ["dropped"])
    assert receiver.received == []
