"""Real git over HTTPS: clone, fetch and push, with the token as the password."""

import os
import subprocess

import pytest

from tests.localazure.git_host.working_copy import REPOSITORY


@pytest.fixture
def git(azure, token, tmp_path):
    """Run git somewhere; `{host}` and `{login}` in its arguments stand for the host with the token and without."""
    host = azure.runtime.addresses.azure.removeprefix("https://")
    places = {
        "host": f"https://{host}",
        "login": f"https://someone:{token}@{host}",
        "wrong": f"https://x:no@{host}",
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_SSL_CAINFO": str(azure.runtime.ca_bundle),
        "GIT_TERMINAL_PROMPT": "0",
        **{
            f"GIT_{who}_{what}": "dev@example.com"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }

    def run(*arguments, cwd=tmp_path):
        filled = [argument.format(**places) for argument in arguments]
        return subprocess.run(
            ["git", *filled], cwd=cwd, env=clean | own, capture_output=True, text=True, check=False
        )

    return run


def test_clone_push_and_fetch(git, receiver, tmp_path):
    assert git("clone", "-q", f"{{login}}/git/{REPOSITORY}.git", "one").returncode == 0
    one = tmp_path / "one"
    (one / "pack").write_bytes(
        os.urandom(3_000_000)
    )  # more than git keeps to send at once: it comes in pieces
    git("add", "-A", cwd=one)
    git("commit", "-q", "-m", "first", cwd=one)
    pushed = git("push", "-q", "origin", "HEAD:main", cwd=one)
    assert pushed.returncode == 0, pushed.stderr
    head = git("rev-parse", "HEAD", cwd=one).stdout.strip()
    assert receiver.wait_for(1)[0].json["after"] == head
    assert git("clone", "-q", "{login}/local/plants/_git/fleet", "two").returncode == 0
    two = tmp_path / "two"
    assert (two / "pack").stat().st_size == 3_000_000
    git("commit", "-q", "--allow-empty", "-m", "second", cwd=one)
    git("push", "-q", "origin", "HEAD:main", cwd=one)
    assert git("pull", "-q", cwd=two).returncode == 0
    assert git("log", "--format=%s", cwd=two).stdout.split() == ["second", "first"]
    stale = git("push", "-q", "origin", "HEAD~1:main", cwd=two)
    assert "non-fast-forward" in stale.stderr


def test_who_may_not(git, azure, token):
    refusals = {
        "{host}/git/plants/fleet.git": "could not read Username",
        "{wrong}/git/plants/fleet.git": "Authentication failed",
        "{login}/git/plants/other.git": "not found",
    }
    told = {url: git("ls-remote", url) for url in refusals}
    assert {url: said for url, said in refusals.items() if said in told[url].stderr} == refusals
    hidden = ["config", "HEAD", "hooks/post-receive", "objects/info/packs", "%2e%2e/%2e%2e/git.db"]
    answers = {path: azure.http.get(f"/git/{REPOSITORY}.git/{path}", auth=("", token)) for path in hidden}
    assert {answer.status_code for answer in answers.values()} == {404}  # the smart protocol alone
