"""Runs an app's orchestrators, activities and entities for the task hub."""

import base64
import itertools
import logging
from collections.abc import Iterable, Sequence

import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.functions_host.durable.versions import Versions
from localazure.functions_host.messages import TypedData
from localazure.functions_host.report import report_failure
from localazure.functions_host.worker import Function, InvocationFailed, Worker
from localazure.task_hub.model import ActivityFailed, TurnDeclined, failure_details

_log = logging.getLogger(__name__)


class UnknownFunction(Exception):
    """The app has no such orchestrator, activity or entity."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        own = [name for name in known if not name.startswith("BuiltIn__")]
        super().__init__(
            f"The function '{name}' doesn't exist or is not an {kind} function. "
            f"The {kind} functions are: {', '.join(own) or 'none'}."
        )


class DurableTriggers:
    """The task hub's executor: hands turns, activities and operations to the worker as Azure's host does."""

    def __init__(self, worker: Worker, versions: Versions = Versions()):  # noqa: B008 - it is frozen
        self._worker, self.versions = worker, versions
        self._orchestrators = _by_name(worker, "orchestrationtrigger", "orchestration")
        self._activities = _by_name(worker, "activitytrigger", "activity")
        entities = _by_name(worker, "entitytrigger", "entityName")
        self._entities = {name.lower(): function for name, function in entities.items()}

    def require_orchestrator(self, name: str) -> Function:
        """Raises `UnknownFunction`."""
        return _require(self._orchestrators, "orchestrator", name)

    def require_entity(self, name: str) -> Function:
        """The function of the entities of this name, in any case. Raises `UnknownFunction`."""
        return _require(self._entities, "entity", name.lower())

    async def orchestrate(
        self, instance_id: str, name: str, past: Sequence[pb.HistoryEvent], new: Sequence[pb.HistoryEvent]
    ) -> pb.OrchestratorResponse:
        """Raises `TurnDeclined` for an orchestration whose version host.json says to leave alone."""
        version = _version(past, new)
        if not self.versions.accepts(version):
            return self._refused(version)
        function = self.require_orchestrator(name)
        request = pb.OrchestratorRequest(instanceId=instance_id, pastEvents=past, newEvents=new)
        response = pb.OrchestratorResponse.FromString(
            await self._invoke(function, request.SerializeToString())
        )
        self._give_versions(
            action.createSubOrchestration
            for action in response.actions
            if action.HasField("createSubOrchestration")
        )
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

    async def entity(
        self, entity_id: str, state: str | None, operations: Sequence[pb.OperationRequest]
    ) -> pb.EntityBatchResult:
        """Run `operations` on the entity. When its function cannot be run, every one of them has failed."""
        request = pb.EntityBatchRequest(instanceId=entity_id, operations=operations)
        if state is not None:
            request.entityState.value = state
        try:
            function = self.require_entity(entity_name(entity_id))
            encoded = await self._invoke(function, request.SerializeToString())
        except UnknownFunction as error:
            _log.error("%s: %s", entity_id, error)
            return _nothing_done(request, failure_details("EntityFunctionNotFound", str(error)))
        except InvocationFailed as error:
            report_failure(_log, error)
            return _nothing_done(request, failure_details(error.error_type, error.message, error.stack_trace))
        result = pb.EntityBatchResult.FromString(encoded)
        self._give_versions(
            action.startNewOrchestration
            for action in result.actions
            if action.HasField("startNewOrchestration")
        )
        _report_failed_operations(entity_id, result)
        return result

    async def _invoke(self, function: Function, request: bytes) -> bytes:
        returned = await self._worker.invoke(function, TypedData(string=base64.b64encode(request).decode()))
        return base64.b64decode(returned.value if returned else "")

    def _refused(self, version: str) -> pb.OrchestratorResponse:
        reason = self.versions.refusal(version)
        if self.versions.failure == "Reject":
            raise TurnDeclined(reason)
        failed = pb.CompleteOrchestrationAction(
            orchestrationStatus=pb.ORCHESTRATION_STATUS_FAILED,
            failureDetails=failure_details("VersionMismatch", reason),
        )
        return pb.OrchestratorResponse(actions=[pb.OrchestratorAction(id=-1, completeOrchestration=failed)])

    def _give_versions(
        self, started: Iterable[pb.CreateSubOrchestrationAction | pb.StartNewOrchestrationAction]
    ) -> None:
        for action in started:
            asked = action.version.value if action.HasField("version") else None
            if (version := self.versions.of_new(asked)) is not None:
                action.version.value = version


def entity_name(entity_id: str) -> str:
    """The name in an entity's id, `@name@key`."""
    return entity_id.removeprefix("@").partition("@")[0]


def _by_name(worker: Worker, kind: str, attribute: str) -> dict[str, Function]:
    """The functions of a kind by the name that clients and orchestrators call them by."""
    return {str(f.trigger.get(attribute) or f.name): f for f in worker.of_kind(kind)}


def _require(functions: dict[str, Function], kind: str, name: str) -> Function:
    if name not in functions:
        raise UnknownFunction(kind, name, functions)
    return functions[name]


def _version(past: Sequence[pb.HistoryEvent], new: Sequence[pb.HistoryEvent]) -> str:
    """The version that the orchestration was started with; "" for none."""
    started = (event for event in itertools.chain(past, new) if event.HasField("executionStarted"))
    return next((event.executionStarted.version.value for event in started), "")


def _nothing_done(request: pb.EntityBatchRequest, failure: pb.TaskFailureDetails) -> pb.EntityBatchResult:
    failed = pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=failure))
    return pb.EntityBatchResult(
        results=[failed] * len(request.operations),
        entityState=request.entityState if request.HasField("entityState") else None,
    )


def _report_failed_orchestration(instance_id: str, name: str, response: pb.OrchestratorResponse) -> None:
    completions = (a.completeOrchestration for a in response.actions if a.HasField("completeOrchestration"))
    for completion in itertools.islice(completions, 1):
        if completion.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED:
            failure = completion.failureDetails
            _log.error("%s %s failed: %s: %s", name, instance_id, failure.errorType, failure.errorMessage)


def _report_failed_operations(entity_id: str, result: pb.EntityBatchResult) -> None:
    for outcome in result.results:
        if outcome.HasField("failure"):
            failure = outcome.failure.failureDetails
            _log.error("%s failed: %s: %s", entity_id, failure.errorType, failure.errorMessage)
