"""What callers are told while the task hub's database cannot be used."""

import asyncio
from contextlib import closing

import grpc
import httpx
import pytest
from durabletask.client import TaskHubGrpcClient
from durabletask.entities import EntityInstanceId
from durabletask.internal.orchestrator_service_pb2_grpc import add_TaskHubSidecarServiceServicer_to_server
from starlette.applications import Starlette

from localazure.functions_host.access import Access, Keys
from localazure.functions_host.durable.management import PATH, DurableHttp
from localazure.functions_host.durable.rpc import TaskHubService
from localazure.functions_host.durable.versions import Versions
from localazure.task_hub.model import TaskHubUnavailable

SENTENCE = "The disk is full: free some space."


class BrokenHub:
    """Fails whatever is asked of it."""

    def __getattr__(self, name):
        def fail(*_, **__):
            raise TaskHubUnavailable(SENTENCE)

        return fail


class AnyFunctions:
    """Knows every orchestrator and entity."""

    versions = Versions()

    def require_orchestrator(self, name):
        return name

    def require_entity(self, name):
        return name


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/instances"),
        ("GET", "/instances/one"),
        ("DELETE", "/instances/one"),
        ("POST", "/instances/one/terminate"),
        ("POST", "/orchestrators/one"),
        ("GET", "/entities/counter/one"),
        ("POST", "/entities/counter/one"),
    ],
)
def test_http_answers_503_with_the_reason(method, path):
    routes = DurableHttp(BrokenHub(), AnyFunctions(), Access(Keys(system="key")), "code=key").routes()

    async def answer():
        transport = httpx.ASGITransport(Starlette(routes=routes))
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as http:
            return await http.request(method, PATH + path, params={"code": "key"})

    answered = asyncio.run(answer())
    assert (answered.status_code, answered.text) == (503, SENTENCE + "\n")


ENTITY = EntityInstanceId("counter", "one")


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("schedule_new_orchestration", ("one",)),
        ("get_orchestration_state", ("one",)),
        ("wait_for_orchestration_completion", ("one",)),
        ("raise_orchestration_event", ("one", "event")),
        ("get_orchestration_history", ("one",)),
        ("get_all_orchestration_states", ()),
        ("purge_orchestration", ("one",)),
        ("signal_entity", (ENTITY, "add")),
        ("get_entity", (ENTITY,)),
        ("clean_entity_storage", ()),
    ],
)
def test_grpc_answers_unavailable_with_the_reason(method, arguments):
    async def refused():
        server = grpc.aio.server()
        add_TaskHubSidecarServiceServicer_to_server(TaskHubService(BrokenHub(), AnyFunctions()), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            return await asyncio.to_thread(_status, port, method, arguments)
        finally:
            await server.stop(0)

    assert asyncio.run(refused()) == (grpc.StatusCode.UNAVAILABLE, SENTENCE)


def _status(port, method, arguments):
    client = TaskHubGrpcClient(host_address=f"127.0.0.1:{port}")
    with closing(client), pytest.raises(grpc.RpcError) as caught:
        getattr(client, method)(*arguments)
    return caught.value.code(), caught.value.details()
