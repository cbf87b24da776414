"""A git host, a person's working copy of its repository, and callers of both REST APIs."""

import pytest

from localazure.git_host import GitHost
from tests.localazure.git_host.working_copy import CONFIG, REPOSITORY, Clone, bare


@pytest.fixture
def config():
    """What a test file overrides for a host of its own."""
    return CONFIG


@pytest.fixture
def azure(config, make_runtime, serve, receiver):
    """A host that has greeted its hooks."""
    runtime = make_runtime(config)
    host = serve(runtime, [GitHost(runtime)])
    greeted = [hook for one in config.repositories for hook in one.hooks if hook.kind == "github"]
    receiver.wait_for(len(greeted))
    receiver.received.clear()
    return host


@pytest.fixture
def clone(azure, tmp_path):
    return Clone(tmp_path / "clone", bare(azure.runtime))


@pytest.fixture
def token(azure):
    return azure.runtime.secrets["git_token"]


@pytest.fixture
def api(azure, token):
    """GitHub's REST of the repository."""

    def call(method, path="", status=200, **request):
        headers = {"authorization": f"Bearer {token}"} | request.pop("headers", {})
        answer = azure.http.request(method, f"/api/v3/repos/{REPOSITORY}{path}", headers=headers, **request)
        assert answer.status_code == status, answer.text
        return answer

    return call


@pytest.fixture
def devops(azure, token):
    """Azure DevOps' REST of the repository."""

    def call(method, path="", status=200, version="7.1", **request):
        params = request.pop("params", {}) | ({"api-version": version} if version else {})
        url = f"/local/plants/_apis/git/repositories/fleet{path}"
        answer = azure.http.request(method, url, params=params, auth=("", token), **request)
        assert answer.status_code == status, answer.text
        return answer

    return call
