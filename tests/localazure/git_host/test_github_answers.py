"""GitHub's REST: special files, limits, pages, what has not changed, refs, and hooks made through the API."""

import base64
import subprocess

import pytest

from localazure.git_host.github import contents
from localazure.git_host.github.routes import RateLimit
from localazure.web import Refusal
from tests.localazure.git_host.working_copy import ZERO


def test_special_files(api, clone, monkeypatch):
    folder = clone.folder
    (folder / "a b").mkdir()
    (folder / "a b" / "ü ß.txt").write_bytes(b"\x00\xff")
    (folder / "link").symlink_to("a b/ü ß.txt")
    (folder / "dangling").symlink_to("../outside")
    (folder / "large").write_bytes(b"x" * (1024 * 1024 + 1))
    (folder / ":(glob)*").write_text("odd")
    clone.git("add", "-A")
    clone.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    clone.git("commit", "-q", "-m", "special")
    sha = clone.git("rev-parse", "HEAD")
    clone.push("origin", "HEAD:main")
    binary = api("GET", "/contents/a b/ü ß.txt").json()
    assert (binary["name"], base64.b64decode(binary["content"])) == ("ü ß.txt", b"\x00\xff")
    assert base64.b64decode(api("GET", "/contents/:(glob)*").json()["content"]) == b"odd"
    followed = api("GET", "/contents/link").json()
    assert (followed["type"], base64.b64decode(followed["content"])) == ("file", b"\x00\xff")
    dangling = api("GET", "/contents/dangling").json()
    assert (dangling["type"], dangling["target"]) == ("symlink", "../outside")
    assert api("GET", "/contents/sub").json()["type"] == "submodule"
    kinds = {one["name"]: one["type"] for one in api("GET", "/contents").json()}
    assert (kinds["sub"], kinds["link"], kinds["a b"]) == (
        "file",
        "symlink",
        "dir",
    )  # a submodule shows as a file
    large = api("GET", "/contents/large").json()
    assert (large["encoding"], large["content"]) == ("none", "")
    raw = {"headers": {"accept": "application/vnd.github.raw+json"}}
    assert len(api("GET", "/contents/large", **raw).content) == 1024 * 1024 + 1
    as_object = {"headers": {"accept": "application/vnd.github.object+json"}}
    assert [one["name"] for one in api("GET", "/contents/a b", **as_object).json()["entries"]] == ["ü ß.txt"]
    tree = api("GET", f"/git/trees/{sha}?recursive=1").json()["tree"]
    assert {one["path"]: one["type"] for one in tree}["sub"] == "commit"
    monkeypatch.setattr(contents, "LARGEST_BYTES", 1024)
    for path in ("/contents/large", f"/git/blobs/{large['sha']}"):
        assert api("GET", path, 403, **raw).json()["errors"][0]["code"] == "too_large"
    monkeypatch.setattr(contents, "TREE_LIMIT", 2)
    cut = api("GET", f"/git/trees/{sha}").json()
    assert (cut["truncated"], len(cut["tree"])) == (True, 2)


def test_an_empty_repository(api):
    answers = {
        "/contents": 404,
        "/commits": 409,
        "/git/trees/main": 409,
        "/git/ref/heads/main": 409,
        "/branches": 200,
    }
    for path, status in answers.items():
        api("GET", path, status)


def test_what_the_caller_has_is_not_sent_again(api, clone):
    clone.commit(a="1")
    clone.push("origin", "HEAD:main")
    first = api("GET", "/contents/a")
    left = int(first.headers["x-ratelimit-remaining"])
    again = api("GET", "/contents/a", 304, headers={"if-none-match": first.headers["etag"]})
    assert again.content == b""
    assert int(again.headers["x-ratelimit-remaining"]) == left
    clone.commit(a="2")
    clone.push("origin", "HEAD:main")
    api("GET", "/contents/a", headers={"if-none-match": first.headers["etag"]})


def test_a_request_too_many_is_refused_until_the_hour_is_over():
    now = 1000.0
    limit = RateLimit(2, lambda: now)
    limit.spend()
    limit.spend()
    with pytest.raises(Refusal) as refused:
        limit.spend()
    assert refused.value.status == 403
    assert limit.headers["x-ratelimit-remaining"] == "0"
    assert limit.headers["x-ratelimit-reset"] == "4600"
    now = 4600.0
    limit.spend()
    assert limit.headers["x-ratelimit-remaining"] == "1"


def test_commits_of_a_path_and_pages_of_a_comparison(api, clone):
    base = clone.commit("base", a="0")
    for number in range(1, 4):
        clone.commit(f"a{number}", a=str(number))
    clone.commit("other", b="1")
    clone.push("origin", "HEAD:main")
    titles = lambda answer: [one["commit"]["message"] for one in answer]  # noqa: E731 - used in a table
    assert titles(api("GET", "/commits?path=a&per_page=2").json()) == ["a3", "a2"]
    assert titles(api("GET", "/commits?path=a&per_page=2&page=2").json()) == ["a1", "base"]
    assert titles(api("GET", f"/commits?sha={base}").json()) == ["base"]
    assert api("GET", "/commits?author=nobody@example.com").json() == []
    second = api("GET", f"/compare/{base}...main?per_page=3&page=2")
    assert (titles(second.json()["commits"]), second.json()["files"]) == (["other"], [])
    assert second.json()["total_commits"] == 4
    assert 'rel="first"' in second.headers["link"]
    files = api("GET", f"/compare/{base}...plants:main").json()["files"]
    assert [(one["filename"], one["additions"]) for one in files] == [("a", 1), ("b", 1)]


def test_refs_are_made_moved_and_deleted(api, clone, receiver):
    first = clone.commit("first", a="1")
    second = clone.commit("second", a="2")
    clone.push("origin", "HEAD:main")
    body = {"ref": "refs/heads/rel", "sha": first}
    assert api("POST", "/git/refs", 201, json=body).json()["object"]["sha"] == first
    for change in ({}, {"ref": "rel"}, {"ref": "refs/heads/a..b"}, {"ref": "refs/heads/z", "sha": "1" * 40}):
        api("POST", "/git/refs", 422, json=body | change)
    api("PATCH", "/git/refs/heads/rel", json={"sha": second})
    api("PATCH", "/git/refs/heads/rel", 422, json={"sha": first})
    api("PATCH", "/git/refs/heads/rel", json={"sha": first, "force": True})
    assert [one["ref"] for one in api("GET", "/git/matching-refs/heads/r").json()] == ["refs/heads/rel"]
    api("DELETE", "/git/refs/heads/rel", 204)
    api("DELETE", "/git/refs/heads/rel", 422)
    pushes = [(got.json["before"], got.json["after"]) for got in receiver.wait_for(5)]
    assert pushes[1:] == [(ZERO, first), (first, second), (second, first), (first, ZERO)]


def test_files_are_deleted_through_the_api(api, clone, receiver):
    clone.commit(a="1", b="2")
    clone.git("update-index", "--chmod=+x", "b")
    clone.git("commit", "-q", "-m", "executable")
    clone.push("origin", "HEAD:main")
    sha = api("GET", "/contents/a").json()["sha"]
    body = {"message": "gone", "sha": sha, "branch": "main"}
    for path, status, change in (("a", 409, {"sha": "1" * 40}), ("a", 422, {"sha": None}), ("z", 404, {})):
        api("DELETE", f"/contents/{path}", status, params={k: v for k, v in (body | change).items() if v})
    assert api("DELETE", "/contents/a", params=body).json()["content"] is None
    api("GET", "/contents/a", 404)
    assert receiver.wait_for(2)[1].json["commits"][0]["removed"] == ["a"]
    known = api("GET", "/contents/b").json()["sha"]
    api("PUT", "/contents/b", json={"message": "m", "content": "eA==", "sha": known})
    modes = {one["path"]: one["mode"] for one in api("GET", "/git/trees/main").json()["tree"]}
    assert modes == {"b": "100755"}


def test_hooks_made_through_the_api(api, clone, receiver, wait):
    target = f"{receiver.url}/mine"
    body = {"name": "web", "events": ["push"], "config": {"url": target, "secret": "s"}}
    hook = api("POST", "/hooks", 201, json=body).json()
    assert hook["config"]["secret"] == "********"
    [greeting] = receiver.wait_for(1)
    assert (greeting.path, greeting.headers["x-github-event"]) == ("/mine", "ping")
    assert (greeting.json["hook_id"], greeting.json["hook"]["events"]) == (hook["id"], ["push"])
    receiver.statuses = [500, 500]
    clone.commit(a="1")
    clone.push("origin", "HEAD:main")
    attempts = lambda: api("GET", f"/hooks/{hook['id']}/deliveries").json()  # noqa: E731 - read again below
    wait(lambda: len(attempts()) == 2)
    failed = attempts()[0]
    assert (failed["status_code"], failed["event"], failed["redelivery"]) == (500, "push", False)
    one = f"/hooks/{hook['id']}/deliveries/{failed['id']}"
    assert api("GET", one).json()["request"]["payload"]["ref"] == "refs/heads/main"
    api("POST", f"{one}/attempts", 202)
    wait(lambda: attempts()[0]["redelivery"])
    assert attempts()[0]["guid"] == failed["guid"]
    api("PATCH", f"/hooks/{hook['id']}", json={"active": False})
    api("DELETE", f"/hooks/{hook['id']}", 204)
    api("GET", f"/hooks/{hook['id']}", 404)
    for change in ({"config": {}}, {"config": {"url": "https://example.com/"}}, {"events": ["star"]}):
        api("POST", "/hooks", 422, json=body | change)


def test_who_says_nothing_of_itself_is_refused(azure, token):
    headers = {"authorization": f"Bearer {token}", "user-agent": ""}
    assert azure.http.get("/api/v3/user", headers=headers).status_code == 403
    told = azure.http.get("/api/v3/rate_limit", headers={"authorization": f"Bearer {token}"})
    assert told.json()["rate"]["limit"] == 5000


def test_names_that_are_no_text_do_not_break_a_listing(api, clone):
    stream = (
        b'commit refs/heads/main\ncommitter D <d@e> 1 +0000\ndata 1\nm\nM 100644 inline "\\377"\ndata 1\nx\n'
    )
    subprocess.run(["git", "-C", clone.folder, "fast-import", "--quiet"], input=stream, check=True)
    clone.push("origin", "main")
    assert [one["name"] for one in api("GET", "/contents").json()] == ["�"]
