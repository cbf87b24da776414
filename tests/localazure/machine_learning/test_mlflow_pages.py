from typing import Any

import httpx
import pytest

from tests.localazure.machine_learning.conftest import WORKSPACE, Cloud, finish, workspace_client
from tests.localazure.machine_learning.sdk import chain_job

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def tracked(cloud: Cloud, published: Any) -> Any:
    """A job whose run has metrics, a parameter, a tag and an artifact."""
    published.jobs.create_or_update(chain_job(published, "seen"))
    finish(published, "seen")
    with workspace_client(cloud.runtime, "/mlflow/v1.0", "/api/2.0") as session:
        points = [{"key": "mae", "value": 2.0 / n, "timestamp": n, "step": n} for n in range(1, 9)]
        params, tags = [{"key": "epochs", "value": "8"}], [{"key": "note", "value": "<b>first</b>"}]
        body = {"run_id": "seen", "metrics": points, "params": params, "tags": tags}
        session.post("/mlflow/runs/log-batch", json=body).raise_for_status()
        path = "/mlflow-artifacts/artifacts/ExperimentRun/dcid.seen/plot.txt"
        session.put(path, content=b"a plot").raise_for_status()


def _page(cloud: Cloud, path: str) -> httpx.Response:
    import ssl

    trusted = ssl.create_default_context(cafile=str(cloud.runtime.ca_bundle))
    return httpx.get(f"{cloud.runtime.addresses.azure}{path}", verify=trusted)


def test_runs_are_listed_by_workspace(cloud: Cloud, tracked: Any) -> None:
    text = _page(cloud, "/mlflow-runs").raise_for_status().text
    assert f'href="/mlflow-runs/{WORKSPACE}/seen"' in text
    assert "step of seen" in text
    assert 'mae <span class="number">0.25</span>' in text


def test_a_run_shows_what_was_logged(cloud: Cloud, tracked: Any) -> None:
    text = _page(cloud, f"/mlflow-runs/{WORKSPACE}/seen").raise_for_status().text
    for part in ("epochs", "8 values of mae", "&lt;b&gt;first&lt;/b&gt;", ">plot.txt</a>", "o-seen"):
        assert part in text
    assert "<b>first</b>" not in text


def test_an_unknown_run_is_not_found(cloud: Cloud) -> None:
    for path in (f"/mlflow-runs/{WORKSPACE}/none", "/mlflow-runs/none/none"):
        assert _page(cloud, path).status_code == 404
