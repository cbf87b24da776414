"""Azure DevOps' REST over what was pushed."""

import base64

import pytest

from tests.localazure.git_host.working_copy import ZERO

OCTETS = {"$format": "octetStream"}


def test_items(devops, clone):
    (clone.folder / "a b").mkdir()
    (clone.folder / "a b" / "ü.bin").write_bytes(b"\x00\xff")
    old = clone.commit("old", config__circuits_yaml="a: 1\n")
    clone.git("tag", "v1")
    clone.commit("new", config__circuits_yaml="a: 2\n")
    clone.push("origin", "HEAD:main", "v1")
    path = {"path": "/config/circuits.yaml"}
    get = lambda **params: devops("GET", "/items", params=path | params)  # noqa: E731 - a table follows
    assert get().text == "a: 2\n"  # who asks for nothing gets the file
    assert get(**OCTETS).content == b"a: 2\n"
    for kind, version in (("commit", old), ("tag", "v1"), ("commit", old[:10])):
        described = {"versionDescriptor.versionType": kind, "versionDescriptor.version": version}
        item = get(includeContent="true", **described).json()
        assert (item["content"], item["commitId"], item["path"]) == ("a: 1\n", old, "/config/circuits.yaml")
    described = devops("GET", "/items", params=path, headers={"accept": "application/json"}).json()
    assert (described["gitObjectType"], "content" in described) == ("blob", False)
    binary = {"path": "/a b/ü.bin"}
    assert devops("GET", "/items", params=binary | OCTETS).content == b"\x00\xff"
    told = devops("GET", "/items", params=binary | {"includeContent": "true", "$format": "json"}).json()
    assert (told["contentMetadata"]["isBinary"], "content" in told) == (True, False)
    paths = lambda **params: [one["path"] for one in devops("GET", "/items", params=params).json()["value"]]  # noqa: E731 - a table follows
    assert paths(recursionLevel="Full") == [
        "/", "/a b", "/a b/ü.bin", "/config", "/config/circuits.yaml"
    ]  # fmt: skip
    assert paths(scopePath="/", recursionLevel="OneLevel") == ["/", "/a b", "/config"]
    assert paths(scopePath="/config") == ["/config", "/config/circuits.yaml"]


def test_diffs_are_paged_until_all_is_included(devops, clone):
    base = clone.commit("base", old="same " * 50, gone="x", kept="1")
    clone.git("mv", "old", "moved")
    head = clone.commit("change", kept="2", sub__new="n", gone=None)
    clone.push("origin", "HEAD:main")
    sides = {"baseVersion": base, "baseVersionType": "commit", "targetVersion": "main"}
    whole = devops("GET", "/diffs/commits", params=sides).json()
    assert {(one["changeType"], one["item"]["path"]) for one in whole["changes"]} == {
        ("delete", "/gone"), ("edit", "/kept"), ("rename", "/moved"), ("add", "/sub"), ("add", "/sub/new")
    }  # fmt: skip
    assert (
        next(one["sourceServerItem"] for one in whole["changes"] if one["changeType"] == "rename") == "/old"
    )
    assert whole["changeCounts"] == {"Delete": 1, "Edit": 1, "Rename": 1, "Add": 2}
    assert (whole["commonCommit"], whole["targetCommit"]) == (base, head)
    assert (whole["aheadCount"], whole["behindCount"], whole["allChangesIncluded"]) == (1, 0, True)
    descriptor = {"baseVersionDescriptor.version": base, "baseVersionDescriptor.versionType": "commit"}
    descriptor["targetVersionDescriptor.version"] = "main"
    pages = [
        devops("GET", "/diffs/commits", params=descriptor | {"$top": 2, "$skip": skip}).json()
        for skip in (0, 2, 4)
    ]
    assert [one["allChangesIncluded"] for one in pages] == [False, False, True]
    assert [one for page in pages for one in page["changes"]] == whole["changes"]


def test_a_push_with_every_kind_of_edit(devops, clone, receiver):
    before = clone.commit(edited="1", gone="x", moved="m")
    clone.push("origin", "HEAD:main")
    content = {"content": base64.b64encode(b"\x00\x01").decode(), "contentType": "base64encoded"}
    changes = [
        {"changeType": "add", "item": {"path": "/new dir/ü"}, "newContent": content},
        {
            "changeType": "edit",
            "item": {"path": "/edited"},
            "newContent": {"content": "2", "contentType": "rawtext"},
        },
        {"changeType": "delete", "item": {"path": "/gone"}},
        {"changeType": "rename", "item": {"path": "/there"}, "sourceServerItem": "/moved"},
    ]
    commit = {"comment": "all", "changes": changes, "author": {"name": "Bot", "email": "b@example.com"}}
    body = {"refUpdates": [{"name": "refs/heads/main", "oldObjectId": before}], "commits": [commit]}
    made = devops("POST", "/pushes", 201, json=body).json()
    after = made["refUpdates"][0]["newObjectId"]
    assert (made["refUpdates"][0]["oldObjectId"], made["commits"][0]["commitId"]) == (before, after)
    assert made["commits"][0]["author"]["email"] == "b@example.com"
    stale = devops("POST", "/pushes", 409, json=body).json()
    assert (stale["typeKey"], stale["message"][:8]) == ("GitReferenceStaleException", "TF401028")
    assert devops("GET", "/items", params={"path": "/new dir/ü"} | OCTETS).content == b"\x00\x01"
    clone.git("pull", "-q", "origin", "main")
    assert sorted(path.name for path in clone.folder.iterdir()) == [".git", "edited", "new dir", "there"]
    assert receiver.wait_for(2)[1].json["after"] == after
    assert devops("GET", f"/pushes/{made['pushId']}").json()["refUpdates"] == made["refUpdates"]
    assert devops("GET", "/pushes", params={"$top": 1}).json()["value"][0]["pushId"] == made["pushId"]


def test_the_first_push_of_an_empty_repository(devops):
    assert devops("GET", "/commits").json()["value"] == []
    change = {"changeType": 1, "item": {"path": "/a"}, "newContent": {"content": "x", "contentType": 0}}
    body = {
        "refUpdates": [{"name": "refs/heads/main", "oldObjectId": ZERO}],
        "commits": [{"changes": [change]}],
    }
    devops("POST", "/pushes", 201, json=body)
    assert devops("GET", "/items", params={"path": "/a"}).text == "x"


def test_a_bad_push_is_refused_and_changes_nothing(devops, clone):
    before = clone.commit(a="1", folder__b="2")
    clone.push("origin", "HEAD:main")
    text = {"content": "x", "contentType": "rawtext"}

    def push(change, **more):
        ref = {"name": "refs/heads/main", "oldObjectId": before} | more
        return {"refUpdates": [ref], "commits": [{"changes": [change]}]}

    add = {"changeType": "add", "item": {"path": "/n"}, "newContent": text}
    bad = {
        "already exists": push(add | {"item": {"path": "/a"}}),
        "does not exist": push(add | {"item": {"path": "/z"}, "changeType": "edit"}),
        "specified in the delete": push({"changeType": "delete", "item": {"path": "/z"}}),
        "specified in the rename": push(
            {"changeType": "rename", "item": {"path": "/q"}, "sourceServerItem": "/z"}
        ),
        "is none of add": push(add | {"changeType": "encode"}),
        "is no path": push(add | {"item": {"path": "/../x"}}),
        "newContent": push(add | {"newContent": None}),
        "Base64": push(add | {"newContent": {"content": "***", "contentType": "base64encoded"}}),
        "a/b": push(add | {"item": {"path": "/a/b"}}),
        "ref name": push(add, name="main"),
        "at least one commit": push(add) | {"commits": []},
        "exactly one ref": push(add) | {"refUpdates": []},
        "must be a JSON object": [],
    }
    told = {named: devops("POST", "/pushes", 400, json=body).json()["message"] for named, body in bad.items()}
    assert [named for named, message in told.items() if named not in message] == []
    assert clone.git("ls-remote", "origin", "main").split()[0] == before


def test_refs(devops, clone, receiver):
    first = clone.commit("first", a="1")
    clone.git("tag", "-a", "v1", "-m", "one")
    clone.push("origin", "HEAD:main", "v1")
    update = lambda name, old, new: {"name": name, "oldObjectId": old, "newObjectId": new}  # noqa: E731 - a table follows
    asked = [update("refs/heads/rel", ZERO, first), update("refs/heads/main", ZERO, first),
             update("rel", ZERO, first), update("refs/heads/x", ZERO, "1" * 40)]  # fmt: skip
    results = devops("POST", "/refs", json=asked).json()["value"]
    assert [one["updateStatus"] for one in results] == [
        "succeeded", "staleOldObjectId", "invalidRefName", "unresolvableToCommit"
    ]  # fmt: skip
    names = lambda **params: [one["name"] for one in devops("GET", "/refs", params=params).json()["value"]]  # noqa: E731 - a table follows
    assert names(filter="heads/") == ["refs/heads/main", "refs/heads/rel"]
    assert names(filterContains="el") == ["refs/heads/rel"]
    page = devops("GET", "/refs", params={"$top": 2})
    rest = names(continuationToken=page.headers["x-ms-continuationtoken"])
    assert rest == ["refs/tags/v1"]
    [tag] = devops("GET", "/refs", params={"filter": "tags/", "peelTags": "true"}).json()["value"]
    assert tag["peeledObjectId"] == first
    devops("POST", "/refs", json=[update("refs/heads/rel", first, ZERO)])
    assert names(filter="heads/") == ["refs/heads/main"]
    assert [got.json["ref"] for got in receiver.wait_for(4)][2:] == ["refs/heads/rel"] * 2


def test_commits_and_statuses(devops, clone):
    first = clone.commit("first", a="1")
    second = clone.commit("second", b="2")
    clone.push("origin", "HEAD:main")

    def ids(**params):
        return [one["commitId"] for one in devops("GET", "/commits", params=params).json()["value"]]

    assert ids() == [second, first]
    assert ids(**{"searchCriteria.itemPath": "/a"}) == [first]
    assert (
        ids(**{"$top": 1, "$skip": 1})
        == ids(**{"searchCriteria.$top": 1, "searchCriteria.$skip": 1})
        == [first]
    )
    assert [one["item"]["path"] for one in devops("GET", f"/commits/{second}/changes").json()["changes"]] == [
        "/b"
    ]
    status = {"state": "pending", "context": {"name": "plan", "genre": "busbar"}}
    devops("POST", f"/commits/{first}/statuses", 201, json=status)
    devops("POST", f"/commits/{first}/statuses", 201, json=status | {"state": "succeeded"})

    def states(**params):
        found = devops("GET", f"/commits/{first}/statuses", params=params).json()["value"]
        return [one["state"] for one in found]

    assert (states(), states(latestOnly="true")) == (["pending", "succeeded"], ["succeeded"])
    devops("POST", f"/commits/{first}/statuses", 400, json=status | {"state": "fine"})
    devops("POST", f"/commits/{first}/statuses", 400, json={"state": "failed"})
    devops("POST", f"/commits/{ZERO}/statuses", 404, json=status)


@pytest.fixture
def pull(devops, clone):
    clone.commit("base", a="1\n")
    clone.push("origin", "HEAD:main")
    clone.git("checkout", "-q", "-b", "feature")
    clone.commit("change", a="2\n")
    clone.push("origin", "feature")
    body = {"sourceRefName": "refs/heads/feature", "targetRefName": "refs/heads/main", "title": "T"}
    made = devops("POST", "/pullrequests", 201, json=body).json()
    assert (
        devops("POST", "/pullrequests", 409, json=body).json()["typeKey"] == "GitPullRequestExistsException"
    )
    return made


def test_a_pull_request_is_completed(devops, clone, pull):
    assert (pull["pullRequestId"], pull["status"], pull["mergeStatus"]) == (1, "active", "succeeded")
    seen = {"status": "completed", "lastMergeSourceCommit": pull["lastMergeSourceCommit"]}
    devops("PATCH", "/pullRequests/1", 409, json=seen | {"lastMergeSourceCommit": {"commitId": ZERO}})
    devops("PATCH", "/pullRequests/1", 400, json=seen | {"completionOptions": {"mergeStrategy": "octopus"}})
    options = {"mergeStrategy": "squash", "deleteSourceBranch": True}
    done = devops("PATCH", "/pullRequests/1", json=seen | {"completionOptions": options}).json()
    assert done["status"] == "completed"
    clone.git("fetch", "-q", "--prune", "origin")
    assert clone.git("log", "--format=%s", "origin/main").split("\n") == ["Merged PR 1: T", "base"]
    assert clone.git("branch", "-r") == "origin/main"

    def listed(status):
        return len(devops("GET", "/pullrequests", params={"searchCriteria.status": status}).json()["value"])

    assert (listed("active"), listed("completed"), listed("all")) == (0, 1, 1)


def test_a_pull_request_with_conflicts_stays_active(devops, clone, pull):
    clone.git("checkout", "-q", "-b", "other", "origin/main")
    clone.commit("other", a="3\n")
    clone.push("origin", "HEAD:main")
    body = {"status": "completed", "lastMergeSourceCommit": pull["lastMergeSourceCommit"]}
    kept = devops("PATCH", "/pullRequests/1", json=body).json()
    assert (kept["status"], kept["mergeStatus"]) == ("active", "conflicts")
    assert devops("PATCH", "/pullRequests/1", json={"status": "abandoned"}).json()["status"] == "abandoned"
    assert devops("PATCH", "/pullRequests/1", json={"status": "active", "title": "U"}).json()["title"] == "U"
    devops("POST", "/pullRequests/1/statuses", json={"state": "failed", "context": {"name": "plan"}})
    assert devops("GET", "/pullRequests/1/statuses").json()["count"] == 1
    assert [one["comment"] for one in devops("GET", "/pullRequests/1/commits").json()["value"]] == ["change"]


def test_threads(devops, pull):
    said = {"comments": [{"content": "plan: 6 circuits", "commentType": 1}], "status": 1}
    thread = devops("POST", "/pullRequests/1/threads", json=said).json()
    assert (thread["status"], thread["comments"][0]["content"]) == ("active", "plan: 6 circuits")
    one = f"/pullRequests/1/threads/{thread['id']}"
    devops("POST", f"{one}/comments", json={"content": "and more", "parentCommentId": 1})
    devops("PATCH", f"{one}/comments/1", json={"content": "plan: 7 circuits"})
    devops("DELETE", f"{one}/comments/2")
    devops("PATCH", one, json={"status": "closed"})
    [told] = devops("GET", "/pullRequests/1/threads").json()["value"]
    assert (told["status"], told["comments"][0]["content"]) == ("closed", "plan: 7 circuits")
    assert [comment["isDeleted"] for comment in told["comments"]] == [False, True]
    devops("POST", "/pullRequests/1/threads", 400, json={"comments": []})
    devops("PATCH", one, 400, json={"status": "done"})
    devops("GET", f"{one}/comments/9", 404)
    devops("GET", "/pullRequests/1/threads/99", 404)
    devops("GET", "/pullRequests/9/threads", 404)


def test_what_is_refused_and_how(azure, devops, token, clone):
    clone.commit(a="1")
    clone.push("origin", "HEAD:main")
    refusals = {
        "/items?path=/z": (404, "GitItemNotFoundException"),
        "/items?path=/../a": (400, "InvalidArgumentValueException"),
        "/items?path=/a&versionDescriptor.version=nowhere": (404, "GitUnresolvableToCommitException"),
        "/items?path=/a&recursionLevel=deep": (400, "InvalidArgumentValueException"),
        "/items?path=/a&$format=xml": (400, "InvalidArgumentValueException"),
        "/diffs/commits?targetVersion=nowhere": (404, "GitUnresolvableToCommitException"),
        "/diffs/commits?$top=x": (400, "VssPropertyValidationException"),
        f"/commits/{ZERO}": (404, "GitCommitDoesNotExistException"),
        "/pushes/99": (404, "GitPushDoesNotExistException"),
        f"/blobs/{ZERO}": (404, "GitObjectDoesNotExistException"),
        "/pullrequests/9": (404, "GitPullRequestNotFoundException"),
    }
    root = "/local/plants/_apis/git/repositories/fleet"
    get = lambda path: azure.http.get(path, auth=("", token))  # noqa: E731 - a table follows
    told = {path: get(f"{root}{path}{'&' if '?' in path else '?'}api-version=7.1") for path in refusals}
    assert {path: (got.status_code, got.json()["typeKey"]) for path, got in told.items()} == refusals
    elsewhere = {
        "/local/plants/_apis/git/repositories/other?api-version=7.1": "GitRepositoryNotFoundException",
        "/local/other/_apis/git/repositories/fleet?api-version=7.1": "ProjectDoesNotExistWithNameException",
    }
    assert {path: get(path).json()["typeKey"] for path in elsewhere} == elsewhere


def test_an_api_version_is_required(devops):
    refusals = {
        None: "VssVersionNotSpecifiedException",
        "9.0": "VssVersionOutOfRangeException",
        "seven": "InvalidArgumentValueException",
    }
    assert {
        version: devops("GET", "", 400, version=version).json()["typeKey"] for version in refusals
    } == refusals


def test_the_version_may_come_with_accept_and_the_token_as_basic_or_bearer(azure, token):
    url = "/local/plants/_apis/git/repositories"
    accept = {"accept": "application/json;api-version=7.1-preview.1"}
    bearer = {"authorization": f"Bearer {token}"}
    [known] = azure.http.get(url, headers=accept | bearer).json()["value"]
    by_id = azure.http.get(f"/local/_apis/git/repositories/{known['id']}", headers=accept | bearer)
    assert by_id.json()["name"] == "fleet"
    assert azure.http.get(url, headers=accept, auth=("", "wrong")).status_code == 401
    nobody = azure.http.get(url, headers=accept)
    assert (nobody.status_code, "Sign In" in nobody.text) == (
        203,
        True,
    )  # no error: a careless client trips here
    locations = azure.http.request("OPTIONS", "/local/_apis", headers=bearer).json()["value"]
    assert "225f7195-f9c7-4d14-ab28-a83f7ff77e1f" in {one["id"] for one in locations}
