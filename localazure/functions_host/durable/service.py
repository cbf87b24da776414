"""The task hub of an app: its database, its gRPC side for durable clients, and what those are told."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import grpc
from durabletask.internal.orchestrator_service_pb2_grpc import add_TaskHubSidecarServiceServicer_to_server

from localazure.functions_host.access import Keys
from localazure.functions_host.durable.management import PATH
from localazure.functions_host.durable.rpc import TaskHubService
from localazure.functions_host.settings import DurableTask

LARGEST_MESSAGE = 64 * 1024 * 1024  # bytes, between durable clients and the task hub


class RpcServer:
    """The gRPC server that durable clients of the app talk to; its port is known before it serves."""

    def __init__(self) -> None:
        sizes = ("grpc.max_receive_message_length", "grpc.max_send_message_length")
        self._server = grpc.aio.server(options=[(size, LARGEST_MESSAGE) for size in sizes])
        self.address = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    @asynccontextmanager
    async def serving(self, service: TaskHubService) -> AsyncGenerator[None]:
        add_TaskHubSidecarServiceServicer_to_server(service, self._server)
        await self._server.start()
        try:
            yield
        finally:
            await self._server.stop(grace=1)


def client_binding(settings: DurableTask, base: str, rpc_address: str, keys: Keys) -> str:
    """The configuration that the host hands to every durable client binding."""
    return json.dumps(
        {
            "taskHubName": settings.hub_name,
            "connectionName": "Storage",
            "requiredQueryStringParameters": durable_query(settings, keys),
            "rpcBaseUrl": rpc_address,
            "httpBaseUrl": base + PATH,
            "baseUrl": base + PATH,
            "maxGrpcMessageSizeInBytes": LARGEST_MESSAGE,
            "grpcHttpClientTimeout": "00:01:40",
        }
    )


def durable_query(settings: DurableTask, keys: Keys) -> str:
    """What the addresses of the durable HTTP API carry when they are handed out."""
    return f"taskHub={settings.hub_name}&connection=Storage&code={keys.system}"
