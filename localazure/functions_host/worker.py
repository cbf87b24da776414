"""Runs an app's functions through `azure-functions-runtime`, Microsoft's own worker library."""

import asyncio
import itertools
import json
import os
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import azure_functions_runtime as runtime
from azure_functions_runtime import handle_event

from localazure.functions_host.app_loop import AppLoop
from localazure.functions_host.messages import ParameterBinding, StatusResult, TypedData, invocation, request
from localazure.functions_host.turns import TurnExecutor

Binding = Mapping[str, Any]


class AppDoesNotLoad(Exception):
    """The app could not be imported or indexed; the text holds the traceback. For the app's author."""


class InvocationFailed(Exception):
    """A function raised, or took too long. `error_type` is the bare class name, as Azure's host reports it."""

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

    @cached_property
    def trigger(self) -> Binding:
        return next(b for b in self.bindings if b["type"].lower().endswith("trigger"))

    @cached_property
    def kind(self) -> str:
        """The trigger's type in lower case, such as `httptrigger`."""
        return str(self.trigger["type"]).lower()

    @property
    def is_orchestrator(self) -> bool:
        return self.kind == "orchestrationtrigger"

    @property
    def disabled(self) -> bool:
        """Whether the app setting `AzureWebJobs.<name>.Disabled` says so."""
        settings = (f"AzureWebJobs{mark}{self.name}{mark}Disabled" for mark in (".", "__"))
        return any(os.environ.get(setting, "").lower() in ("1", "true") for setting in settings)

    @property
    def built_in(self) -> bool:
        """Whether the SDK added it to the app."""
        return self.name.startswith("BuiltIn__")


class Worker:
    """The functions of one app. One app per process: the library keeps its registry in module globals.

    `http_address` is where the library serves HTTP functions itself, if the app uses streamed bodies.
    """

    def __init__(
        self,
        functions: Mapping[str, Function],
        client_binding: str,
        loop: AppLoop,
        turns: TurnExecutor,
        time_limit: timedelta | None = None,
        http_address: str | None = None,
    ):
        self.functions, self.http_address = functions, http_address
        self._loop, self._turns = loop, turns
        self._client_binding, self._time_limit = client_binding, time_limit
        self._ids = itertools.count(1)

    @classmethod
    async def load(cls, app: Path, client_binding: str, time_limit: timedelta | None = None) -> "Worker":
        """Import and index `app`/function_app.py. `client_binding` is the JSON for durable clients.

        An invocation that takes longer than `time_limit` has failed. Raises `AppDoesNotLoad`.
        """
        sys.path.insert(0, str(app))
        runtime.start_threadpool_executor()
        turns = TurnExecutor(cast(ThreadPoolExecutor, handle_event.get_threadpool_executor()))
        runtime.get_threadpool_executor = lambda: turns  # the durable library asks here for its threads
        loop = AppLoop()
        http_address = await loop.run(_start(app))
        listed = await loop.run(runtime.functions_metadata_request(request()))
        functions = [_function(metadata) for metadata in listed.function_metadata_results or ()]
        by_name = {function.name: function for function in functions}
        return cls(by_name, client_binding, loop, turns, time_limit, http_address)

    def of_kind(self, kind: str) -> list[Function]:
        """The functions with that trigger that are not disabled."""
        return [one for one in self.functions.values() if one.kind == kind and not one.disabled]

    def new_id(self) -> str:
        return f"{next(self._ids):08d}"

    async def invoke(
        self, function: Function, data: TypedData, invocation_id: str | None = None
    ) -> TypedData | None:
        """Run `function` once, triggered by `data`; gives its return value. Raises `InvocationFailed`."""
        inputs = {str(function.trigger["name"]): data} | self._durable_clients(function)
        message = invocation(invocation_id or self.new_id(), function.function_id, inputs)
        try:
            async with asyncio.timeout(self._time_limit.total_seconds() if self._time_limit else None):
                work = runtime.invocation_request(message)
                with self._turns.turn_of(function.name if function.is_orchestrator else None):
                    response = await (work if _never_blocks(function) else self._loop.run(work))
        except TimeoutError:
            raise _overdue(function, self._time_limit) from None
        if response.result.status != StatusResult.Success:
            raise _failure(function.name, response.result.exception)
        return response.return_value or _http_output(function, response.output_data)

    def _durable_clients(self, function: Function) -> dict[str, TypedData]:
        return {
            str(b["name"]): TypedData(string=self._client_binding)
            for b in function.bindings
            if b["type"] == "durableClient"
        }


def _never_blocks(function: Function) -> bool:
    """Whether the library runs all the app's code in threads, so that a change of loops can be saved."""
    match function.kind:
        case "orchestrationtrigger" | "entitytrigger":
            return True
        case "activitytrigger":
            registry: Any = handle_event._functions  # pyright: ignore[reportPrivateUsage] - nothing else tells
            return not registry.get_function(function.function_id).is_async
        case _:
            return False


async def _start(app: Path) -> str | None:
    body = SimpleNamespace(capabilities={}, function_app_directory=str(app))
    response = await runtime.worker_init_request(request(worker_init_request=body))
    if response.result.status != StatusResult.Success:
        raise AppDoesNotLoad(response.result.exception.stack_trace)
    return response.capabilities.get("HttpUri")


def _http_output(function: Function, outputs: Iterable[ParameterBinding]) -> TypedData | None:
    """The response of an HTTP function that sets an output by name instead of returning one."""
    names = {b["name"] for b in function.bindings if b["type"].lower() == "http"}
    return next((output.data for output in outputs if output.name in names), None)


def _overdue(function: Function, limit: timedelta | None) -> InvocationFailed:
    message = f"Timeout value of {limit} exceeded by function: {function.name}"
    return InvocationFailed(function.name, "FunctionTimeoutException", message, "")


def _function(metadata: Any) -> Function:
    return Function(metadata.name, metadata.function_id, tuple(json.loads(b) for b in metadata.raw_bindings))


def _failure(function: str, exception: Any) -> InvocationFailed:
    error_type, _, message = exception.message.partition(": ")
    return InvocationFailed(function, error_type, message, exception.stack_trace)
