"""GitHub's REST: statuses, files, refs and comments."""

import base64

from tests.localazure.git_host.working_copy import REPOSITORY, ZERO


def test_statuses_latest_of_each_context_counts(api, azure, clone):
    sha = clone.commit(a="1")
    clone.push()
    post = lambda **body: api("POST", f"/statuses/{sha}", 201, json=body).json()  # noqa: E731 - a table follows
    assert api("GET", f"/commits/{sha}/status").json()["state"] == "pending"
    post(state="pending", context="plan")
    post(state="success", context="plan", description="6 circuits train", target_url="http://127.0.0.1/run")
    assert api("GET", "/commits/main/status").json()["state"] == "success"
    post(state="failure", context="config")
    combined = api("GET", f"/commits/{sha}/status").json()
    assert combined["state"] == "failure"
    assert combined["total_count"] == 2
    assert [one["state"] for one in api("GET", f"/commits/{sha}/statuses").json()] == [
        "failure",
        "success",
        "pending",
    ]
    shown = azure.http.get("/git").text
    assert "6 circuits train" in shown
    assert REPOSITORY in shown
    assert sha[:12] in shown


def test_a_bad_status_is_refused_and_named(api, clone):
    sha = clone.commit(a="1")
    clone.push()
    bad = [({}, 422, "state"), ({"state": "fine"}, 422, "state"), ([], 400, "object"),
           ({"state": "error", "description": "x" * 141}, 422, "description")]  # fmt: skip
    for body, status, named in bad:
        assert named in api("POST", f"/statuses/{sha}", status, json=body).json()["message"]
    assert "No commit" in api("POST", f"/statuses/{ZERO}", 422, json={"state": "error"}).json()["message"]


def test_committing_a_file_moves_the_branch_and_announces_it(api, clone, receiver):
    before = clone.commit(config__circuits_yaml="cutoff: 2025-12-01\n", other="x")
    clone.push()
    receiver.wait_for(1)
    existing = api("GET", "/contents/config/circuits.yaml").json()["sha"]
    text = base64.b64encode(b"cutoff: 2025-12-09\n").decode()
    change = {"message": "retrain PLANT1", "content": text, "branch": "main",
              "committer": {"name": "Bot", "email": "bot@example.com"}}  # fmt: skip
    assert "sha" in api("PUT", "/contents/config/circuits.yaml", 422, json=change).json()["message"]
    answer = api("PUT", "/contents/config/circuits.yaml", json=change | {"sha": existing}).json()
    api("PUT", "/contents/config/circuits.yaml", 409, json=change | {"sha": existing})
    _, announced = receiver.wait_for(2)
    assert announced.json["before"] == before
    assert announced.json["after"] == answer["commit"]["sha"]
    assert announced.json["commits"][0]["modified"] == ["config/circuits.yaml"]
    assert announced.json["sender"]["login"] == "bot"
    clone.git("pull", "-q", "origin", "main")
    assert (clone.folder / "config/circuits.yaml").read_text() == "cutoff: 2025-12-09\n"
    assert (clone.folder / "other").exists()
    api("PUT", "/contents/new/file", 201, json={"message": "m", "content": text})


def test_the_first_commit_of_an_empty_repository_may_come_through_the_api(api, receiver):
    body = {"message": "first", "content": base64.b64encode(b"x").decode()}
    api("PUT", "/contents/README.md", 404, json=body | {"branch": "develop"})
    api("PUT", "/contents/README.md", 201, json=body)
    assert receiver.wait_for(1)[0].json["created"] is True


def test_a_bad_file_is_refused_and_named(api, clone):
    clone.commit(a="1", folder__b="2")
    clone.push()
    bad = [("a", {"content": "***"}, "content"), ("a", {"content": None}, "content"), ("a", {"message": ""}, "message"),
           ("b/%2e%2e/c", {}, "path"), (".git/config", {}, "path"), ("a/b", {}, "path"), ("folder", {}, "path"),
           ("b", {"committer": {}}, "committer")]  # fmt: skip
    for path, change, named in bad:
        body = {"message": "m", "content": "eA=="} | change
        assert named in api("PUT", f"/contents/{path}", 422, json=body).json()["message"]
