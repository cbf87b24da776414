"""The determinism guard, a development switch: each turn of an orchestrator runs twice, and must ask for the same.

The second run replays the instance from its beginning and is told nothing of what was scheduled before, so that
it gives every action the orchestrator has ever asked for. These are compared with what the task hub recorded in
earlier turns and with what the first run asked for in this one: names, payloads, ids, due times, the outcome, the
custom status. This also shows what two runs side by side would not, such as a counter that changes between turns,
and payloads and due times, which the SDK's own replay does not compare.

What it cannot see:
- a decision that came out the same both times: `datetime.now()` compared with a day, `random() < 0.1`. The static
  check (`python -m localazure.functions_host check`) reads these in the source.
- the order of a set of strings, until the host is started again: it is the same throughout a process.
- the payloads of entity calls of earlier turns, tags, and the versions of sub-orchestrations.

Everything an orchestrator's body does, such as printing, happens once more than without the guard.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import zip_longest

import durabletask.internal.helpers as events
import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf.message import Message

from localazure.task_hub.model import Executor, failure_details

_log = logging.getLogger(__name__)

ERROR_TYPE = "NonDeterministicOrchestrator"
ADVICE = (
    "Usual causes: the clock (use ctx.current_utc_datetime), random numbers and uuid4 (ctx.new_uuid), the order "
    "of a set, a global or an environment variable that changed, I/O (an activity), or code that was changed "
    "while the instance was under way. `python -m localazure.functions_host check` looks for them in the source."
)
NOTHING = "nothing"
_TIMER = "create_timer("
_SHOWN = 120  # characters of an action around the first one that differs
_ADDRESS = re.compile(r"\b0x[0-9a-f]+")  # of an object, in the text of an error


@dataclass(frozen=True)
class Difference:
    """The first thing on which a replay and what came before it disagree."""

    what: str
    before: str
    after: str
    recorded: bool  # `before` is in the history of earlier turns


class DeterminismGuard:
    """An executor that runs every turn of `executor` twice. A turn that differs fails its instance."""

    def __init__(self, executor: Executor):
        self._executor = executor

    async def orchestrate(
        self, instance_id: str, name: str, past: Sequence[pb.HistoryEvent], new: Sequence[pb.HistoryEvent]
    ) -> pb.OrchestratorResponse:
        first = await self._executor.orchestrate(instance_id, name, past, new)
        if any(action.HasField("rewindOrchestration") for action in first.actions):
            return first  # the SDK rewrites history itself: the orchestrator has not run
        replay = await self._executor.orchestrate(instance_id, name, unconfirmed(past), new)
        difference = first_difference(past, first, replay)
        if difference is None:
            return first
        turn = 1 + sum(event.HasField("orchestratorStarted") for event in past)
        message = sentence(name, instance_id, turn, difference)
        _log.error("%s", message)
        return _failed(first, message)

    async def activity(self, name: str, payload: str | None) -> str | None:
        return await self._executor.activity(name, payload)

    async def entity(
        self, entity_id: str, state: str | None, operations: Sequence[pb.OperationRequest]
    ) -> pb.EntityBatchResult:
        return await self._executor.entity(entity_id, state, operations)


def first_difference(
    past: Sequence[pb.HistoryEvent], first: pb.OrchestratorResponse, replay: pb.OrchestratorResponse
) -> Difference | None:
    """Compare the replay of a turn from the beginning with history and with the turn's first run."""
    recorded = {
        event.eventId: _described(event, event.WhichOneof("eventType")) for event in past if _confirms(event)
    }
    before, after = _asked(first) | recorded, _asked(replay)
    for number in sorted(before.keys() | after.keys()):
        was, now = before.get(number, NOTHING), after.get(number, NOTHING)
        cancelled = number in recorded and was.startswith(_TIMER) and now == NOTHING
        if was != now and not cancelled:
            return Difference(f"action {number}", was, now, number in recorded)
    if first.customStatus != replay.customStatus:
        return Difference("the custom status", first.customStatus.value, replay.customStatus.value, False)
    return None


def unconfirmed(past: Sequence[pb.HistoryEvent]) -> list[pb.HistoryEvent]:
    """History without the events that tell the SDK which actions are scheduled already."""
    return [event for event in past if not _confirms(event)]


def sentence(name: str, instance_id: str, turn: int, difference: Difference) -> str:
    """What is said of a difference, to the app's author."""
    before, after = _excerpts(difference.before, difference.after)
    earlier = "history has" if difference.recorded else "the first run has"
    return (
        f"The orchestrator '{name}' is not deterministic: instance {instance_id}, turn {turn}, {difference.what}: "
        f"{earlier} {before}; the replay has {after}. {ADVICE}"
    )


# Entity calls and locks are not among these: their answers are matched by what the events say.
_CONFIRMING = frozenset(
    {
        "taskScheduled",
        "timerCreated",
        "subOrchestrationInstanceCreated",
        "eventSent",
        "entityOperationSignaled",
    }
)


def _confirms(event: pb.HistoryEvent) -> bool:
    """Whether a replay without the event takes the same course, and gives the action again."""
    to_entity = event.HasField("eventSent") and event.eventSent.instanceId.startswith("@")
    return event.WhichOneof("eventType") in _CONFIRMING and not to_entity


def _asked(response: pb.OrchestratorResponse) -> dict[int, str]:
    """Action number → what a run asked for."""
    return {action.id: _action(action) for action in response.actions}


def _action(action: pb.OrchestratorAction) -> str:
    match action.WhichOneof("orchestratorActionType"):
        case "completeOrchestration":
            return _completion(action.completeOrchestration)
        case "sendEntityMessage":
            message = action.sendEntityMessage
            return _described(message, message.WhichOneof("EntityMessageType"))
        case kind:
            return _described(action, kind)


def _described(source: Message, kind: str | None) -> str:
    """An action, or the event that records it, as the orchestrator's author would write it."""
    body = getattr(source, str(kind))
    match kind:
        case "scheduleTask" | "taskScheduled":
            return _call("call_activity", repr(body.name), body.input.value)
        case "createTimer" | "timerCreated":
            return f"{_TIMER}{body.fireAt.ToDatetime(tzinfo=UTC).isoformat()})"
        case "createSubOrchestration" | "subOrchestrationInstanceCreated":
            return _call(
                "call_sub_orchestrator", repr(body.name), body.input.value, f"instance_id={body.instanceId!r}"
            )
        case "sendEvent":
            return _call("send_event", repr(body.instance.instanceId), repr(body.name), body.data.value)
        case "eventSent":
            return _call("send_event", repr(body.instanceId), repr(body.name), body.input.value)
        case "entityOperationSignaled":
            return _call("signal_entity", body.targetInstanceId.value, body.operation, body.input.value)
        case "entityOperationCalled":
            return _call("call_entity", body.targetInstanceId.value, body.operation, body.input.value)
        case "entityLockRequested":
            return _call("lock_entities", *body.lockSet)
        case "entityUnlockSent":
            return _call("unlock", body.targetInstanceId.value)
        case _:
            return str(kind)


def _call(name: str, *arguments: str) -> str:
    return f"{name}({', '.join(argument for argument in arguments if argument)})"


def _completion(outcome: pb.CompleteOrchestrationAction) -> str:
    match outcome.orchestrationStatus:
        case pb.ORCHESTRATION_STATUS_FAILED:
            failure = outcome.failureDetails
            return _ADDRESS.sub("0x…", f"raise {failure.errorType}: {failure.errorMessage}")
        case pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW:
            carried = [(e.eventRaised.name, e.eventRaised.input.value) for e in outcome.carryoverEvents]
            return f"continue_as_new({outcome.result.value}), carrying {carried}"
        case _:
            return f"return {outcome.result.value or None}"


def _excerpts(before: str, after: str) -> tuple[str, str]:
    """Both texts, cut to what surrounds the place from which on they differ."""
    pairs = enumerate(zip_longest(before, after))
    differs = next((place for place, (one, other) in pairs if one != other), 0)
    start = max(0, differs - _SHOWN // 2)
    return _cut(before, start), _cut(after, start)


def _cut(text: str, start: int) -> str:
    end = start + _SHOWN
    return f"{'…' if start else ''}{text[start:end]}{'…' if len(text) > end else ''}"


def _failed(response: pb.OrchestratorResponse, message: str) -> pb.OrchestratorResponse:
    failure = failure_details(ERROR_TYPE, message)
    action = events.new_complete_orchestration_action(-1, pb.ORCHESTRATION_STATUS_FAILED, None, failure)
    return pb.OrchestratorResponse(
        instanceId=response.instanceId, actions=[action], customStatus=response.customStatus
    )
