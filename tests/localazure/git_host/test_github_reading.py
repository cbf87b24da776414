"""GitHub's REST over what was pushed: reading."""

import base64
import io
import tarfile

from tests.localazure.git_host.working_copy import REPOSITORY, ZERO


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
    pointed = api("GET", "/git/ref/heads/release/1.0").json()["object"]
    assert (pointed["type"], pointed["sha"]) == ("commit", first)
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


def test_what_is_not_there(azure, token, clone):
    clone.commit(a="1")
    clone.push()
    refusals = {
        "/contents/nothing": 404,
        "/contents/a?ref=nowhere": 404,
        "/contents/a?ref=main~1": 404,
        "/contents/a?ref=--all": 404,
        "/contents/a/%2e%2e/%2e%2e/x": 404,
        "/git/trees/nowhere": 404,
        "/git/blobs/nowhere": 404,
        f"/git/blobs/{ZERO}": 404,
        "/git/ref/heads/nowhere": 404,
        "/git/ref/heads": 404,
        "/branches/nowhere": 404,
        "/compare/main": 404,
        "/compare/main...nowhere": 404,
        "/commits/nowhere": 422,
        f"/commits/{ZERO}": 422,
        f"/commits/{ZERO}/status": 422,
        "/tarball/nowhere": 404,
    }
    headers = {"authorization": f"token {token}"}
    got = {path: azure.http.get(f"/api/v3/repos/{REPOSITORY}{path}", headers=headers) for path in refusals}
    assert {path: answer.status_code for path, answer in got.items()} == refusals
    assert all(answer.json()["message"] and answer.json()["documentation_url"] for answer in got.values())


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
