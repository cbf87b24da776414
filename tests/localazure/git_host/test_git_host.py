"""A real `git push`, the signed webhook it causes, and GitHub's REST over what was pushed."""

import base64
import hashlib
import hmac
import io
import json
import os
import subprocess
import tarfile
import uuid
from pathlib import Path

import pytest

from localazure.config import Config
from localazure.git_host import GitHost
from localazure.git_host.webhooks import signature

REPOSITORY = "plants/fleet"
ZERO = "0" * 40
CONFIG = Config.model_validate({"repositories": [{"name": REPOSITORY, "webhook": "/api/webhooks/github"}]})


class Clone:
    """A person's working copy."""

    def __init__(self, folder: Path, remote: Path):
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", str(remote))

    def git(self, *arguments: str) -> str:
        people = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                  for what, value in (("NAME", "Dev One"), ("EMAIL", "dev1@example.com"))}  # fmt: skip
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        run = subprocess.run(
            ["git", "-C", str(self.folder), *arguments], env=clean | people | nobody,
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return run.stdout.strip()

    def commit(self, message: str = "m", **files: str | None) -> str:
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_yaml", ".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text) if text is not None else path.unlink()
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *arguments: str) -> None:
        self.git("push", "-q", *(arguments or ("origin", "HEAD")))


@pytest.fixture
def azure(make_runtime, serve):
    runtime = make_runtime(CONFIG)
    return serve(runtime, [GitHost(runtime)])


@pytest.fixture
def clone(azure, tmp_path):
    return Clone(tmp_path / "clone", bare(azure.runtime))


@pytest.fixture
def api(azure):
    def call(method, path="", status=200, **request):
        headers = {"authorization": f"Bearer {azure.runtime.secrets['git_token']}"} | request.pop(
            "headers", {}
        )
        answer = azure.http.request(method, f"/api/v3/repos/{REPOSITORY}{path}", headers=headers, **request)
        assert answer.status_code == status, answer.text
        return answer

    return call


def bare(runtime):
    return runtime.state / "git" / f"{REPOSITORY}.git"


# --- webhooks ---


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
    sha = clone.commit("while down", a="1")
    clone.push()
    for _ in range(2):
        with serving_again(runtime, [GitHost(runtime)]):
            receiver.wait_for(1)
    [got] = receiver.received
    assert got.json["after"] == sha


def test_a_host_that_is_down_is_waited_for(make_runtime, serving_again, elsewhere, receiver, tmp_path):
    runtime = make_runtime(CONFIG)
    deaf = elsewhere(runtime, "http://127.0.0.1:1")
    with serving_again(deaf, [GitHost(deaf)]):
        clone = Clone(tmp_path / "clone", bare(deaf))
        clone.commit(a="1")
        clone.push()
    with serving_again(runtime, [GitHost(runtime)]):
        assert len(receiver.wait_for(1)) == 1


def test_a_refused_delivery_is_repeated_only_by_hand_under_its_own_id(azure, clone, receiver, wait):
    receiver.statuses = [500]
    clone.commit(a="1")
    clone.push()
    deliveries = lambda: azure.http.get("/admin/git/deliveries").json()["deliveries"]  # noqa: E731 - read again below
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
    deliveries = lambda: azure.http.get("/admin/git/deliveries").json()["deliveries"]  # noqa: E731 - read again below
    wait(lambda: [one["status"] for one in deliveries()] == ["dropped"])
    assert receiver.received == []


# --- REST: reading ---


def test_files_folders_and_raw(api, clone):
    sha = clone.commit(config__circuits_yaml="a: 1\n", config__deep__er="ü", empty="")
    clone.push()
    clone.commit(config__circuits_yaml="a: 2\n")
    clone.push()
    file = api("GET", f"/contents/config/circuits.yaml?ref={sha}").json()
    assert (file["type"], file["encoding"], file["path"]) == ("file", "base64", "config/circuits.yaml")
    assert base64.b64decode(file["content"]) == b"a: 1\n"
    raw = api("GET", "/contents/config/circuits.yaml", headers={"accept": "application/vnd.github.raw+json"})
    assert raw.content == b"a: 2\n"
    listing = api("GET", "/contents/config?ref=main").json()
    assert [(one["name"], one["type"], one["path"]) for one in listing] == [
        ("circuits.yaml", "file", "config/circuits.yaml"), ("deep", "dir", "config/deep")
    ]  # fmt: skip
    assert {one["name"] for one in api("GET", "/contents").json()} == {"config", "empty"}
    assert api("GET", f"/git/blobs/{file['sha']}").json()["size"] == 5
    tree = api("GET", f"/git/trees/{sha}?recursive=1").json()
    assert [one["path"] for one in tree["tree"] if one["type"] == "blob"] == [
        "config/circuits.yaml", "config/deep/er", "empty"
    ]  # fmt: skip
    assert tree["truncated"] is False
    assert [one["path"] for one in api("GET", "/git/trees/main").json()["tree"]] == ["config", "empty"]


def test_branches_commits_and_refs(api, clone):
    first = clone.commit("first\n\nbody", a="1")
    clone.push()
    clone.push("origin", "HEAD:release/1.0")
    second = clone.commit("second", a="2")
    clone.push()
    assert api("GET").json()["full_name"] == REPOSITORY
    assert {one["name"]: one["commit"]["sha"] for one in api("GET", "/branches").json()} == {
        "main": second, "release/1.0": first
    }  # fmt: skip
    page = api("GET", "/branches?per_page=1")
    assert len(page.json()) == 1
    assert 'page=2>; rel="next"' in page.headers["link"]
    assert api("GET", "/branches/release/1.0").json()["commit"]["sha"] == first
    assert api("GET", "/git/ref/heads/release/1.0").json()["object"] == {"type": "commit", "sha": first}
    commit = api("GET", "/commits/main").json()
    assert commit["sha"] == second
    assert commit["parents"] == [{"sha": first}]
    assert commit["commit"]["author"]["email"] == "dev1@example.com"
    assert [one["filename"] for one in commit["files"]] == ["a"]
    assert api("GET", f"/commits/{first[:10]}").json()["commit"]["message"] == "first\n\nbody"


def test_compare(api, clone):
    base = clone.commit("base", a="1", old="same " * 50, gone="x")
    clone.push()
    clone.git("mv", "old", "moved")
    head = clone.commit("change", a="2", new="n", gone=None)
    clone.push("origin", "HEAD:feature/x")
    clone.git("reset", "-q", "--hard", base)
    other = clone.commit("other", b="1")
    clone.push()
    ahead = api("GET", f"/compare/{base}...feature/x").json()
    assert (ahead["status"], ahead["ahead_by"], ahead["behind_by"]) == ("ahead", 1, 0)
    assert {(f["filename"], f["status"], f.get("previous_filename")) for f in ahead["files"]} == {
        ("a", "modified", None), ("new", "added", None), ("gone", "removed", None), ("moved", "renamed", "old")
    }  # fmt: skip
    assert [one["sha"] for one in ahead["commits"]] == [head]
    diverged = api("GET", f"/compare/{other}...{head}").json()
    assert diverged["status"] == "diverged"
    assert diverged["merge_base_commit"]["sha"] == base
    assert api("GET", f"/compare/{head}...{base}").json()["status"] == "behind"
    assert api("GET", "/compare/main...main").json()["status"] == "identical"


def test_a_comparison_shows_300_files(api, clone):
    base = clone.commit("base", a="1")
    clone.commit("many", **{f"f{n}": str(n) for n in range(310)})
    clone.push()
    assert len(api("GET", f"/compare/{base}...main").json()["files"]) == 300


def test_tarball_has_one_top_folder(api, clone):
    sha = clone.commit(config__circuits_yaml="a: 1\n")
    clone.push()
    with tarfile.open(fileobj=io.BytesIO(api("GET", "/tarball/main").content)) as archive:
        names = archive.getnames()
    assert f"plants-fleet-{sha[:7]}/config/circuits.yaml" in names
    assert {name.partition("/")[0] for name in names if name != "pax_global_header"} == {
        f"plants-fleet-{sha[:7]}"
    }


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/contents/nothing", 404),
        ("/contents/a?ref=nowhere", 404),
        ("/contents/a?ref=main~1", 404),
        ("/contents/a?ref=--all", 404),
        ("/git/trees/nowhere", 404),
        ("/git/blobs/nowhere", 404),
        (f"/git/blobs/{ZERO}", 404),
        ("/git/ref/heads/nowhere", 404),
        ("/git/ref/heads", 404),
        ("/branches/nowhere", 404),
        ("/compare/main", 404),
        ("/compare/main...nowhere", 404),
        ("/commits/nowhere", 422),
        (f"/commits/{ZERO}", 422),
        (f"/commits/{ZERO}/status", 422),
        ("/tarball/nowhere", 404),
    ],
)
def test_what_is_not_there(api, clone, path, status):
    clone.commit(a="1")
    clone.push()
    assert api("GET", path, status).json()["message"]


def test_authentication(azure):
    path = f"/api/v3/repos/{REPOSITORY}"
    token = azure.runtime.secrets["git_token"]
    get = lambda **headers: azure.http.get(path, headers=headers).status_code  # noqa: E731 - a table follows
    assert get() == 401
    assert get(authorization="Bearer guessed") == 401
    assert get(authorization=f"Basic {token}") == 401
    assert get(authorization=f"token {token}") == get(authorization=f"Bearer {token}") == 200
    unknown = azure.http.get("/api/v3/repos/plants/other", headers={"authorization": f"token {token}"})
    assert unknown.status_code == 404
    assert unknown.json()["message"] == "Not Found"


# --- REST: writing ---


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


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [({}, 422, "state"), ({"state": "fine"}, 422, "state"),
     ({"state": "error", "description": "x" * 141}, 422, "description"), ([], 400, "object")],
)  # fmt: skip
def test_a_bad_status_is_refused_and_named(api, clone, body, status, named):
    sha = clone.commit(a="1")
    clone.push()
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


@pytest.mark.parametrize(
    ("path", "change", "named"),
    [("a", {"content": "***"}, "content"), ("a", {"content": None}, "content"), ("a", {"message": ""}, "message"),
     ("b/../c", {}, "path"), (".git/config", {}, "path"), ("a/b", {}, "path"), ("b", {"committer": {}}, "committer")],
)  # fmt: skip
def test_a_bad_file_is_refused_and_named(api, clone, path, change, named):
    clone.commit(a="1")
    clone.push()
    body = {"message": "m", "content": "eA=="} | change
    assert named in api("PUT", f"/contents/{path.replace('..', '%2e%2e')}", 422, json=body).json()["message"]


def test_comments(api):
    posted = api("POST", "/issues/7/comments", 201, json={"body": "plan: 6 circuits"}).json()
    api("POST", "/issues/7/comments", 422, json={})
    assert api("GET", "/issues/7/comments").json() == [posted]
    assert api("GET", "/issues/8/comments").json() == []
