"""Versions of orchestrations: which ones the app runs, and what becomes of the others."""

import json
from contextlib import closing

import pytest
from azure.durable_functions.client import SyncDurableFunctionsClient

from localazure.functions_host.durable.versions import Versions

APP = """
import azure.durable_functions as df
import azure.functions as func
import json

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.orchestration_trigger(context_name="context")
def version(ctx, request):
    return ctx.version

@app.orchestration_trigger(context_name="context")
def parent(ctx, request):
    return [ctx.version, (yield ctx.call_sub_orchestrator("version"))]

@app.route(route="binding")
@app.durable_client_input(client_name="client")
async def binding(req: func.HttpRequest, client: df.DurableFunctionsClient) -> str:
    return json.dumps({"rpcBaseUrl": client.rpcBaseUrl})
"""


@pytest.mark.parametrize(
    ("match", "default", "version", "accepted"),
    [
        ("CurrentOrOlder", None, "9.9", True),
        ("CurrentOrOlder", "2.0", "2.0", True),
        ("CurrentOrOlder", "2.0", "1.9.9", True),
        ("CurrentOrOlder", "2.0", "", True),
        ("CurrentOrOlder", "2.0", "2.0.1", False),
        ("CurrentOrOlder", "2.10", "2.9", True),
        ("CurrentOrOlder", "2.9", "2.10", False),
        ("CurrentOrOlder", "beta", "ALPHA", True),
        ("CurrentOrOlder", "alpha", "Beta", False),
        ("Strict", "2.0", "2.0", True),
        ("Strict", "2.0", "1.0", False),
        ("Strict", "2.0", "", False),
        ("None", "2.0", "3.0", True),
    ],
)
def test_which_versions_are_run(match, default, version, accepted):
    assert Versions(default, match).accepts(version) is accepted


@pytest.mark.parametrize(
    ("default", "asked", "given"),
    [(None, None, None), (None, "1", "1"), ("2", None, "2"), ("2", "1", "1"), ("2", "", "")],
)
def test_the_version_of_a_new_orchestration(default, asked, given):
    assert Versions(default).of_new(asked) == given


@pytest.fixture
def serve(start, tmp_path):
    """Serves the app with versions as host.json has them, on the same state each time."""
    app = tmp_path / "versioned"
    app.mkdir()
    (app / "function_app.py").write_text(APP)

    def served(**durable_task):
        (app / "host.json").write_text(
            json.dumps({"version": "2.0", "extensions": {"durableTask": durable_task}})
        )
        host = start(app=app)
        return host, SyncDurableFunctionsClient(host.http.get("/api/binding").text)

    return served


def test_a_newer_orchestration_waits_for_a_newer_app(serve):
    host, client = serve(defaultVersion="1.0")
    with closing(client):
        started = client.schedule_new_orchestration("parent")
        assert client.wait_for_orchestration_completion(started, timeout=20).get_output() == ["1.0", "1.0"]
        newer = client.schedule_new_orchestration("version", version="2.0")
        host.until(lambda: f"{newer} waits: The orchestration has the version '2.0'" in host.output)
        assert client.get_orchestration_state(newer).runtime_status.name == "PENDING"
    host.stop()
    host, client = serve(defaultVersion="2.0")
    with closing(client):
        assert client.wait_for_orchestration_completion(newer, timeout=20).get_output() == "2.0"
    host.stop()


def test_other_versions_may_fail_instead(serve):
    host, client = serve(defaultVersion="2.0", versionMatchStrategy="Strict", versionFailureStrategy="Fail")
    with closing(client):
        older = client.schedule_new_orchestration("version", version="1.0")
        state = client.wait_for_orchestration_completion(older, timeout=20)
    assert (state.runtime_status.name, state.failure_details.error_type) == ("FAILED", "VersionMismatch")
    assert "this app runs version 2.0 (defaultVersion" in state.failure_details.message
    host.stop()
