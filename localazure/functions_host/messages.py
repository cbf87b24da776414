"""The messages of the Functions language-worker protocol that Microsoft's worker library reads and writes.

On Azure they are protobufs on a gRPC stream between host and worker. Here both ends live in one process,
so plain objects of the same shape do; the library takes them from the namespace it is handed (`PROTOS`).
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any


class TypedData:
    """One value of one kind, such as `TypedData(json="{}")`; no keyword means no value."""

    kind: str | None = None
    value: Any = None

    def __init__(self, **content: Any):
        if content:
            ((self.kind, self.value),) = content.items()

    def __getattr__(self, kind: str) -> Any:
        if kind != self.kind:
            raise AttributeError(kind)
        return self.value

    def WhichOneof(self, _group: str) -> str | None:
        return self.kind


class ParameterBinding(SimpleNamespace):
    """An input or output of an invocation, under its parameter's `name`."""

    name: str
    data: TypedData

    def WhichOneof(self, _group: str) -> str:
        return "data"


class BindingInfo(SimpleNamespace):
    undefined = 0
    out = 1
    inout = 2


class StatusResult(SimpleNamespace):
    Failure = 0
    Success = 1

    status: int
    exception: Any = None


class RpcHttpCookie(SimpleNamespace):
    SameSite = SimpleNamespace(**{"None": 0, "Lax": 1, "Strict": 2, "ExplicitNone": 3})


class InvocationResponse(SimpleNamespace):
    result: StatusResult
    return_value: TypedData | None = None
    output_data: Sequence[ParameterBinding] = ()


PROTOS = SimpleNamespace(
    BindingInfo=BindingInfo,
    InvocationResponse=InvocationResponse,
    ParameterBinding=ParameterBinding,
    RpcHttpCookie=RpcHttpCookie,
    StatusResult=StatusResult,
    TypedData=TypedData,
    **{
        name: SimpleNamespace
        for name in (
            "FunctionLoadResponse",
            "FunctionMetadataResponse",
            "NullableBool",
            "NullableDouble",
            "NullableString",
            "NullableTimestamp",
            "RpcException",
            "RpcFunctionMetadata",
            "RpcHttp",
            "RpcRetryOptions",
            "WorkerInitResponse",
            "WorkerMetadata",
        )
    },
)

_NO_EXCEPTION = SimpleNamespace(message="", stack_trace="", source="")


def request(**body: Any) -> Any:
    """The envelope in which the library expects every request."""
    return SimpleNamespace(
        request=SimpleNamespace(**body), properties={"host": "127.0.0.1", "protos": PROTOS}
    )


def invocation(invocation_id: str, function_id: str, inputs: dict[str, TypedData]) -> Any:
    """A request to run a function once with `inputs` by parameter name."""
    return request(
        invocation_request=SimpleNamespace(
            invocation_id=invocation_id,
            function_id=function_id,
            input_data=[ParameterBinding(name=name, data=data) for name, data in inputs.items()],
            trigger_metadata={},
            trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=_NO_EXCEPTION),
        )
    )
