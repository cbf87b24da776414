"""The repository, over GitHub's REST API to a real git host."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from busbar.clients.repositories import Repository
from busbar.domain.errors import AccessDenied, Conflict, NotFound, Rejected, TemporarilyUnavailable
from tests.azure import LocalAzure

_AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "someone"), ("EMAIL", "someone@example.com"))
}


class Clone:
    """A clone with a branch of its own."""

    def __init__(self, folder: Path, bare: Path):
        self.folder = folder
        self.branch = f"feature/{uuid4().hex}"
        self.git("init", "-q", "-b", self.branch)
        self.git("remote", "add", "origin", str(bare))

    def git(self, *arguments: str) -> str:
        return subprocess.check_output(
            ["git", "-C", self.folder, *arguments],
            text=True,
            env={**os.environ, **_AUTHOR},
            stderr=subprocess.DEVNULL,
        ).strip()

    def push(self, files: dict[str, bytes], branch: str | None = None) -> str:
        """Commit `files` and push; the commit."""
        for path, content in files.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change")
        self.git("push", "-q", "origin", f"HEAD:refs/heads/{branch or self.branch}")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def clone(local_azure: LocalAzure, tmp_path: Path) -> Clone:
    return Clone(tmp_path, local_azure.git)


@pytest.fixture
def repository(local_azure: LocalAzure) -> Repository:
    return Repository(local_azure.settings)


def test_files_are_read_at_a_commit(clone: Clone, repository: Repository):
    first = clone.push(
        {"config/circuits.yaml": b"a: 1\n", "config/bin": bytes(range(256)), "configs/x": b"no"}
    )
    second = clone.push({"config/circuits.yaml": b"a: 2\n"})
    assert repository.file("config/circuits.yaml", first) == b"a: 1\n"
    assert repository.file("config/circuits.yaml", clone.branch) == b"a: 2\n"
    assert repository.files("config", first) == {
        "config/circuits.yaml": b"a: 1\n",
        "config/bin": bytes(range(256)),
    }
    assert repository.files("config/", second)["config/circuits.yaml"] == b"a: 2\n"
    assert set(repository.files("", second)) == {"config/circuits.yaml", "config/bin", "configs/x"}
    assert repository.files("nothing", second) == {}


def test_a_commit_is_downloaded_once_for_many_readers(clone: Clone, repository: Repository):
    commit = clone.push({"a": b"1"})

    def read_all(ref: str) -> dict[str, bytes]:
        return repository.files("", ref)

    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(read_all, [commit] * 8))
    assert all(files == {"a": b"1"} for files in read)
    clone.git("push", "-q", "origin", f":refs/heads/{clone.branch}")
    repository._client.close()  # type: ignore[reportPrivateUsage] - a read from now on cannot reach the host
    assert repository.files("", commit) == {"a": b"1"}


def test_what_is_missing_is_named(clone: Clone, repository: Repository):
    commit = clone.push({"a": b"1"})
    with pytest.raises(NotFound, match="read b at"):
        repository.file("b", commit)
    with pytest.raises(NotFound, match="read all files at"):
        repository.files("", "f" * 40)


def test_heads_and_default_branch(clone: Clone, repository: Repository):
    commit = clone.push({"a": b"1"})
    assert repository.heads()[clone.branch] == commit
    assert repository.default_branch() == "main"


def test_who_committed_is_known(clone: Clone, repository: Repository):
    commit = clone.push({"a": b"1"})
    mail = clone.git("log", "-1", "--format=%ce", commit).strip()
    assert repository.committer(commit) == mail.partition("@")[0]


def test_more_branches_than_a_page_holds(clone: Clone, repository: Repository):
    commit = clone.push({"a": b"1"})
    many = [f"many/{clone.branch}/{number}" for number in range(120)]
    clone.git("push", "-q", "origin", *(f"HEAD:refs/heads/{branch}" for branch in many))
    heads = repository.heads()
    assert {heads.get(branch) for branch in many} == {commit}
    clone.git("push", "-q", "origin", *(f":refs/heads/{branch}" for branch in many))


def test_merge_base(clone: Clone, repository: Repository):
    base = clone.push({"a": b"1"})
    left = clone.push({"a": b"2"})
    clone.git("checkout", "-q", base)
    right = clone.push({"b": b"3"}, f"{clone.branch}-right")
    assert repository.merge_base(left, right) == base
    assert repository.merge_base(base, left) == base
    assert repository.merge_base(left, "f" * 40) is None


def test_a_status_is_set_and_cut_to_what_the_host_takes(
    clone: Clone, repository: Repository, local_azure: LocalAzure
):
    commit = clone.push({"a": b"1"})
    repository.set_status(
        commit, "failure", "x" * 300, context="busbar/plan", target_url="https://example.com/run"
    )
    repository.set_status(commit, "success", "trained")
    settings = local_azure.settings
    answer = httpx.get(
        f"{settings.repository_api}/repos/{settings.repository}/commits/{commit}/statuses",
        headers={"Authorization": f"Bearer {settings.repository_token}"},
    )
    statuses = {status["context"]: status for status in answer.json()}
    assert statuses["busbar/plan"]["description"] == "x" * 139 + "…"
    assert statuses["busbar/plan"]["target_url"] == "https://example.com/run"
    assert statuses["busbar/training"]["state"] == "success"


def test_a_file_is_committed_once(clone: Clone, repository: Repository):
    clone.push({"config/circuits.yaml": b"old", "other": b"stays"})
    commit = repository.commit_file("config/circuits.yaml", clone.branch, b"new", "Drift: new cutoff date")
    assert repository.heads()[clone.branch] == commit
    assert repository.files("", commit) == {"config/circuits.yaml": b"new", "other": b"stays"}
    assert repository.commit_file("config/circuits.yaml", clone.branch, b"new", "again") == commit
    added = repository.commit_file("config/added.yaml", clone.branch, b"x", "Add")
    assert repository.file("config/added.yaml", added) == b"x"


def test_a_file_that_changed_since_the_caller_read_it_is_not_overwritten(
    clone: Clone, repository: Repository
):
    clone.push({"config/circuits.yaml": b"theirs"})
    with pytest.raises(Conflict, match="no longer what it was"):
        repository.commit_file("config/circuits.yaml", clone.branch, b"ours", "Move", replaces=b"before")
    commit = repository.commit_file("config/circuits.yaml", clone.branch, b"ours", "Move", replaces=b"theirs")
    again = repository.commit_file("config/circuits.yaml", clone.branch, b"ours", "Move", replaces=b"theirs")
    assert again == commit


def test_a_wrong_token_needs_somebody_to_mend_it(local_azure: LocalAzure):
    with pytest.raises(AccessDenied, match="grant"):
        Repository(replace(local_azure.settings, repository_token="wrong")).heads()


def test_a_status_of_no_commit_is_refused(repository: Repository):
    with pytest.raises((Rejected, NotFound)):
        repository.set_status("f" * 40, "success", "x")


def test_a_silent_host_is_tried_again_later(local_azure: LocalAzure):
    settings = replace(local_azure.settings, repository_api="https://localhost:1/api/v3")
    with pytest.raises(TemporarilyUnavailable):
        Repository(settings).heads()
