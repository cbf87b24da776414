"""GitHub's REST: pull requests, from the first commit to the merge, and what hooks are told of them."""

import base64

import pytest

from localazure.config import Config
from tests.localazure.git_host.working_copy import REPOSITORY, ZERO

HOOKS = [{"target": "/hook", "events": ["pull_request"]}]


@pytest.fixture
def config():
    return Config.model_validate({"repositories": [{"name": REPOSITORY, "webhooks": HOOKS}]})


@pytest.fixture
def feature(clone):
    """A branch with two commits that main lacks."""
    clone.commit("base", a="1\n", shared="x\n")
    clone.push("origin", "HEAD:main")
    clone.git("checkout", "-q", "-b", "feature/x")
    clone.commit("one", b="1\n")
    head = clone.commit("two", a="2\n")
    clone.push()
    return head


def opened(api, **more):
    body = {"title": "Train", "head": "plants:feature/x", "base": "main", "body": "why"} | more
    return api("POST", "/pulls", 201, json=body).json()


def test_its_life(api, clone, feature, receiver):
    pull = opened(api)
    assert (pull["number"], pull["state"], pull["mergeable"], pull["commits"]) == (1, "open", True, 2)
    assert (pull["head"]["ref"], pull["head"]["sha"], pull["base"]["ref"]) == ("feature/x", feature, "main")
    moved = clone.commit("three", c="1\n")
    clone.push()
    first, second = (got.json for got in receiver.wait_for(2))
    assert (first["action"], first["pull_request"]["title"]) == ("opened", "Train")
    assert (second["action"], second["before"], second["after"]) == ("synchronize", feature, moved)
    api("PUT", "/pulls/1/merge", 409, json={"sha": feature})
    assert api("PUT", "/pulls/1/merge", json={"sha": moved}).json()["merged"] is True
    api("PUT", "/pulls/1/merge", 405)
    closed = receiver.wait_for(3)[2].json
    assert (closed["action"], closed["pull_request"]["merged"]) == ("closed", True)
    api("GET", "/pulls/1/merge", 204)
    head = api("GET", "/commits/main").json()
    assert len(head["parents"]) == 2
    assert head["commit"]["message"] == "Merge pull request #1 from plants/feature/x\n\nTrain"
    assert head["sha"] == api("GET", "/pulls/1").json()["merge_commit_sha"]


@pytest.mark.parametrize(
    ("method", "subjects"),
    [("squash", ["Train (#1)", "base"]), ("rebase", ["two", "one", "other", "base"])],
)
def test_methods(api, clone, feature, method, subjects):
    if method == "rebase":
        clone.git("checkout", "-q", "-b", "other", "origin/main")
        clone.commit("other", d="1\n")
        clone.push("origin", "HEAD:main")
    opened(api)
    api("PUT", "/pulls/1/merge", json={"merge_method": method})
    listed = api("GET", "/commits?sha=main").json()
    assert [one["commit"]["message"].partition("\n")[0] for one in listed] == subjects
    assert base64.b64decode(api("GET", "/contents/a").json()["content"]) == b"2\n"


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_a_conflict_is_not_mergeable(api, clone, feature, method):
    opened(api)
    clone.git("checkout", "-q", "-b", "other", "origin/main")
    clone.commit("other", a="3\n")
    clone.push("origin", "HEAD:main")
    shown = api("GET", "/pulls/1").json()
    assert (shown["mergeable"], shown["mergeable_state"]) == (False, "dirty")
    refused = api("PUT", "/pulls/1/merge", 405, json={"merge_method": method}).json()
    assert refused["message"] == "Pull Request is not mergeable"
    assert clone.git("ls-remote", "origin", "main").split()[0] == clone.git("rev-parse", "other")


def test_what_pushes_do_to_it(api, clone, feature, wait):
    opened(api)
    clone.push("origin", "feature/x:main")
    wait(lambda: api("GET", "/pulls/1").json()["merged"])
    clone.commit("more", e="1\n")
    clone.push()
    opened(api)
    clone.push("origin", ":feature/x")
    wait(lambda: api("GET", "/pulls/2").json()["state"] == "closed")
    assert api("GET", "/pulls/2").json()["merged"] is False
    api("PATCH", "/pulls/2", 422, json={"state": "open"})


def test_filters_edits_and_files(api, clone, feature):
    opened(api)
    clone.push("origin", "HEAD:second")
    opened(api, head="second", title="Second")
    api("PATCH", "/pulls/1", json={"state": "closed", "title": "Renamed"})
    numbers = lambda query: [one["number"] for one in api("GET", f"/pulls{query}").json()]  # noqa: E731 - a table follows
    assert {query: numbers(query) for query in ("", "?state=all", "?state=closed", "?head=plants:second",
                                                "?base=other", "?state=all&sort=created")} == {
        "": [2], "?state=all": [2, 1], "?state=closed": [1], "?head=plants:second": [2],
        "?base=other": [], "?state=all&sort=created": [1, 2],
    }  # fmt: skip
    assert api("GET", "/pulls/1").json()["title"] == "Renamed"
    api("PATCH", "/pulls/1", json={"state": "open"})
    files = api("GET", "/pulls/1/files").json()
    assert [(one["filename"], one["status"], one["additions"], one["deletions"]) for one in files] == [
        ("a", "modified", 1, 1), ("b", "added", 1, 0)
    ]  # fmt: skip
    assert files[0]["patch"] == "@@ -1 +1 @@\n-1\n+2"
    page = api("GET", "/pulls/1/files?per_page=1&page=2")
    assert [one["filename"] for one in page.json()] == ["b"]
    assert 'rel="prev"' in page.headers["link"]
    assert [one["commit"]["message"] for one in api("GET", "/pulls/1/commits").json()] == ["one", "two"]


def test_bad_ones_are_refused(api, clone, feature):
    clone.push("origin", "origin/main:refs/heads/same")
    good = {"title": "T", "head": "feature/x", "base": "main"}
    bad = {"title": {"title": ""}, "head": {"head": "nowhere"}, "base": {"base": "nowhere"}, "body": {"body": 7},
           "No commits": {"head": "same"}, "draft": {"draft": "yes"}}  # fmt: skip
    for named, change in bad.items():
        assert named in api("POST", "/pulls", 422, json=good | change).json()["message"]
    opened(api)
    assert "already exists" in api("POST", "/pulls", 422, json=good).json()["message"]
    api("PUT", "/pulls/1/merge", 422, json={"merge_method": "fast-forward"})
    api("PATCH", "/pulls/1", 422, json={"state": "merged"})
    for path in ("/pulls/9", "/pulls/9/files", "/pulls/9/merge", "/pulls/9/comments", "/issues/9/comments"):
        api("GET", path, 404)


def test_comments_of_the_conversation_and_of_lines(api, feature):
    opened(api)
    posted = api("POST", "/issues/1/comments", 201, json={"body": "plan: 6 circuits"}).json()
    assert api("GET", "/issues/1/comments").json() == [posted]
    one = f"/issues/comments/{posted['id']}"
    api("PATCH", one, json={"body": "plan: 7 circuits"})
    assert api("GET", one).json()["body"] == "plan: 7 circuits"
    line = {"body": "why?", "path": "a", "commit_id": feature, "line": 1}
    assert api("POST", "/pulls/1/comments", 201, json=line).json()["line"] == 1
    assert [got["body"] for got in api("GET", "/pulls/1/comments").json()] == ["why?"]
    for change in ({"path": "z"}, {"commit_id": ZERO}, {"line": None}, {"body": ""}):
        api("POST", "/pulls/1/comments", 422, json=line | change)
    api("POST", "/issues/1/comments", 422, json={"body": "x" * 65537})
    api("POST", "/issues/8/comments", 404, json={"body": "x"})
    api("DELETE", one, 204)
    api("GET", one, 404)
