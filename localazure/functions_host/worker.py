"""Runs an app's functions through `azure-functions-runtime`, Microsoft's own worker library."""

import itertools
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime

from localazure.functions_host.messages import StatusResult, TypedData, invocation, request

Binding = Mapping[str, Any]


class AppDoesNotLoad(Exception):
    """The app could not be imported or indexed; the text holds the traceback. For the app's author."""


class InvocationFailed(Exception):
    """A function raised. `error_type` is the bare class name, as Azure's host reports it."""

    def __init__(self, function: str, error_type: str, message: str, stack_trace: str):
        super().__init__(f"{error_type}: {message}")
        self.function, self.error_type, self.message, self.stack_trace = (
            function,
            error_type,
            message,
            stack_trace,
        )


@dataclass(frozen=True)
class Function:
    """A function of the app; `trigger` and `bindings` as in a function.json."""

    name: str
    function_id: str
    bindings: tuple[Binding, ...]

    @property
    def trigger(self) -> Binding:
        return next(b for b in self.bindings if b["type"].lower().endswith("trigger"))

    @property
    def kind(self) -> str:
        """The trigger's type in lower case, such as `httptrigger`."""
        return str(self.trigger["type"]).lower()


class Worker:
    """The functions of one app. One app per process: the library keeps its registry in module globals."""

    def __init__(self, functions: Mapping[str, Function], client_binding: str):
        self.functions = functions
        self._client_binding = client_binding
        self._ids = itertools.count(1)

    @classmethod
    async def load(cls, app: Path, client_binding: str) -> "Worker":
        """Import and index `app`/function_app.py. `client_binding` is the JSON for durable clients."""
        sys.path.insert(0, str(app))
        runtime.start_threadpool_executor()
        await _start(app)
        listed = await runtime.functions_metadata_request(request())
        functions = [_function(metadata) for metadata in listed.function_metadata_results or ()]
        return cls({function.name: function for function in functions}, client_binding)

    def of_kind(self, kind: str) -> list[Function]:
        return [function for function in self.functions.values() if function.kind == kind]

    async def invoke(self, function: Function, data: TypedData) -> TypedData | None:
        """Run `function` once, triggered by `data`; gives its return value. Raises `InvocationFailed`."""
        inputs = {str(function.trigger["name"]): data} | self._durable_clients(function)
        response = await runtime.invocation_request(
            invocation(f"{next(self._ids):08d}", function.function_id, inputs)
        )
        if response.result.status != StatusResult.Success:
            raise _failure(function.name, response.result.exception)
        return response.return_value

    def _durable_clients(self, function: Function) -> dict[str, TypedData]:
        return {
            str(b["name"]): TypedData(string=self._client_binding)
            for b in function.bindings
            if b["type"] == "durableClient"
        }


async def _start(app: Path) -> None:
    body = SimpleNamespace(capabilities={}, function_app_directory=str(app))
    response = await runtime.worker_init_request(request(worker_init_request=body))
    if response.result.status != StatusResult.Success:
        raise AppDoesNotLoad(response.result.exception.stack_trace)


def _function(metadata: Any) -> Function:
    return Function(metadata.name, metadata.function_id, tuple(json.loads(b) for b in metadata.raw_bindings))


def _failure(function: str, exception: Any) -> InvocationFailed:
    error_type, _, message = exception.message.partition(": ")
    return InvocationFailed(function, error_type, message, exception.stack_trace)
