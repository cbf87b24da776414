"""Runs an app's orchestrators and activities for the task hub."""

import base64
import itertools
import logging
from collections.abc import Sequence

import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.functions_host.messages import TypedData
from localazure.functions_host.report import report_failure
from localazure.functions_host.worker import Function, InvocationFailed, Worker
from localazure.task_hub.model import ActivityFailed

_log = logging.getLogger(__name__)


class UnknownFunction(Exception):
    """The app has no such orchestrator or activity."""

    def __init__(self, kind: str, name: str, known: Sequence[str]):
        super().__init__(
            f"The function '{name}' doesn't exist or is not an {kind} function. "
            f"The {kind} functions are: {', '.join(known) or 'none'}."
        )


class DurableTriggers:
    """The task hub's executor: hands turns and activities to the worker as Azure's host does."""

    def __init__(self, worker: Worker):
        self._worker = worker
        self.orchestrators = {
            _durable_name(f, "orchestration"): f for f in worker.of_kind("orchestrationtrigger")
        }
        self._activities = {_durable_name(f, "activity"): f for f in worker.of_kind("activitytrigger")}

    def require_orchestrator(self, name: str) -> Function:
        """Raises `UnknownFunction`."""
        return _require(self.orchestrators, "orchestrator", name)

    async def orchestrate(
        self, instance_id: str, name: str, past: Sequence[pb.HistoryEvent], new: Sequence[pb.HistoryEvent]
    ) -> pb.OrchestratorResponse:
        function = self.require_orchestrator(name)
        request = pb.OrchestratorRequest(instanceId=instance_id, pastEvents=past, newEvents=new)
        encoded = base64.b64encode(request.SerializeToString()).decode()
        returned = await self._worker.invoke(function, TypedData(string=encoded))
        response = pb.OrchestratorResponse.FromString(base64.b64decode(returned.value if returned else ""))
        _report_failed_orchestration(instance_id, name, response)
        return response

    async def activity(self, name: str, payload: str | None) -> str | None:
        try:
            function = _require(self._activities, "activity", name)
            returned = await self._worker.invoke(function, TypedData(string=payload or "null"))
        except UnknownFunction as error:
            raise ActivityFailed("FunctionNotFound", str(error)) from error
        except InvocationFailed as error:
            report_failure(_log, error)
            raise ActivityFailed(error.error_type, error.message, error.stack_trace) from error
        return returned.value if returned is not None else None


def _durable_name(function: Function, attribute: str) -> str:
    """The name that clients and orchestrators call it by."""
    return str(function.trigger.get(attribute) or function.name)


def _require(functions: dict[str, Function], kind: str, name: str) -> Function:
    if name not in functions:
        raise UnknownFunction(kind, name, [known for known in functions if not known.startswith("BuiltIn__")])
    return functions[name]


def _report_failed_orchestration(instance_id: str, name: str, response: pb.OrchestratorResponse) -> None:
    completions = (a.completeOrchestration for a in response.actions if a.HasField("completeOrchestration"))
    for completion in itertools.islice(completions, 1):
        if completion.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED:
            failure = completion.failureDetails
            _log.error("%s %s failed: %s: %s", name, instance_id, failure.errorType, failure.errorMessage)
