"""Long-running operations: their time, their end, their failure, and a restart in between."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from localazure import secrets
from localazure.config import Config, Workspace
from localazure.config import Operations as Seconds
from localazure.documents import Documents
from localazure.identity.tokens import Tokens
from localazure.machine_learning.context import Context
from localazure.machine_learning.events import Events
from localazure.machine_learning.operations import Operations
from localazure.machine_learning.routing import Json, scopes
from localazure.machine_learning.storage import Storage
from localazure.service import Addresses, Runtime
from localazure.web import Refusal, refuse

pytestmark = pytest.mark.anyio
RESOURCE: Json = {"id": "/e", "name": "e", "properties": {"authMode": "Key"}}
KEY = "workspaces/w/e"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def _context(folder: Path, seconds: float) -> Context:
    config = Config(
        workspaces=(Workspace(name="w", resource_group="g"),), operations=Seconds(endpoints=seconds)
    )
    addresses = Addresses(
        "https://localhost:1", "http://127.0.0.1:1", "https://a.blob.localhost:1", "", "https://127.0.0.1:1/a"
    )
    runtime = Runtime(config, folder, addresses, folder / "ca", secrets.load_or_create(folder))
    return Context(
        runtime=runtime,
        documents=Documents(folder / "memory.sqlite"),
        storage=Storage(addresses, folder / "ca"),
        scopes=scopes(config),
        events=Events(lambda source, event: None),
        tokens=Tokens(folder, config.tenant_id),
    )


async def _ask(context: Context, operations: Operations, url: str) -> httpx.Response:
    from starlette.applications import Starlette

    app = Starlette(routes=list(operations.routes), exception_handlers={Refusal: refuse})
    token, _ = context.tokens.issue("https://management.azure.com")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        return await client.get(url, headers={"Authorization": f"Bearer {token}"})


def _state(context: Context) -> str:
    return (context.documents.get("batchEndpoints", KEY) or {"properties": {}})["properties"].get(
        "provisioningState", "gone"
    )


async def test_without_a_time_it_has_ended_at_the_first_poll(tmp_path: Path) -> None:
    context = _context(tmp_path, 0)
    operations = Operations(context)
    answer = operations.put("batchEndpoints", KEY, RESOURCE, is_new=True)
    assert (answer.status_code, b'"provisioningState":"Creating"' in answer.body) == (201, True)
    assert answer.headers["retry-after"].isdigit()
    document = (await _ask(context, operations, answer.headers["azure-asyncoperation"])).json()
    assert (document["status"], document["percentComplete"]) == ("Succeeded", 100.0)
    assert _state(context) == "Succeeded"


async def test_while_it_runs_the_resource_says_so_and_nothing_else_begins(tmp_path: Path) -> None:
    context = _context(tmp_path, 0.3)
    operations = Operations(context)
    await operations.start()
    url = operations.put("batchEndpoints", KEY, RESOURCE, is_new=True).headers["azure-asyncoperation"]
    assert (await _ask(context, operations, url)).json()["status"] == "InProgress"
    assert _state(context) == "Creating"
    for again in (
        lambda: operations.remove("batchEndpoints", KEY, RESOURCE),
        lambda: operations.put("batchEndpoints", KEY, RESOURCE, is_new=False),
    ):
        with pytest.raises(Refusal) as refused:
            again()
        assert (refused.value.status, _state(context)) == (409, "Creating")
    await _until(lambda: _state(context) == "Succeeded")
    gone = operations.remove("batchEndpoints", KEY, RESOURCE).headers["location"]
    assert ((await _ask(context, operations, gone)).status_code, _state(context)) == (202, "Deleting")
    await _until(lambda: _state(context) == "gone")
    assert (await _ask(context, operations, gone)).status_code == 200


async def test_work_that_fails_leaves_its_error(tmp_path: Path) -> None:
    context = _context(tmp_path, 0)
    operations = Operations(context)
    told: list[Any] = []
    operations.listen("batchEndpoints", lambda operation, resource: told.append((operation.status, resource)))
    url = operations.put("batchEndpoints", KEY, RESOURCE, is_new=True, work=True).headers[
        "azure-asyncoperation"
    ]
    assert [item.key for item in operations.unfinished("batchEndpoints")] == [KEY]
    operations.finish("batchEndpoints", KEY, {"code": "ImageBuildFailure", "message": "no such package"})
    document = (await _ask(context, operations, url)).json()
    assert (document["status"], document["error"]["code"]) == ("Failed", "ImageBuildFailure")
    assert _state(context) == "Failed"
    assert [(status, item["properties"]["provisioningState"]) for status, item in told] == [
        ("Failed", "Failed")
    ]


async def test_a_restart_keeps_operations_running_and_ends_them(tmp_path: Path) -> None:
    context = _context(tmp_path, 0.2)
    first = Operations(context)
    url = first.put("batchEndpoints", KEY, RESOURCE, is_new=True).headers["azure-asyncoperation"]
    second = Operations(replace(context))  # the first one died before its time came
    assert (await _ask(context, second, url)).json()["status"] == "InProgress"
    await second.start()
    await _until(lambda: _state(context) == "Succeeded")
    assert (await _ask(context, second, url)).json()["status"] == "Succeeded"


async def _until(ready: Any) -> None:
    import asyncio

    deadline = time.monotonic() + 10
    while not ready():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)
