"""Rewinding failed instances: the SDK rewrites the history, and what had failed runs again."""

import dataclasses
from collections.abc import Sequence

import durabletask.internal.helpers as events
import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub.entities import Entities
from localazure.task_hub.history import Parent
from localazure.task_hub.model import NotFailed, Status
from localazure.task_hub.store import Active
from localazure.task_hub.turn import Child, Completion


def rewound_history(response: pb.OrchestratorResponse) -> list[pb.HistoryEvent] | None:
    """The history that an orchestrator's answer asks to go on from; None when it asks for something else."""
    if len(response.actions) == 1 and response.actions[0].HasField("rewindOrchestration"):
        return list(response.actions[0].rewindOrchestration.newHistory)
    return None


def execution_of(history: Sequence[pb.HistoryEvent]) -> str:
    """The id of the execution that a history tells of."""
    started = next(event.executionStarted for event in history if event.HasField("executionStarted"))
    return started.orchestrationInstance.executionId.value


class Rewinds(Entities):
    def rewind(self, instance_id: str, reason: str | None, *, parent_execution: str | None = None) -> None:
        """Have a failed instance's next turn rewind it. Raises `NoSuchInstance`, `NotFailed`."""
        status = self._require(instance_id)
        if status != Status.FAILED:
            raise NotFailed(instance_id, status)
        self._db.execute(
            "UPDATE instances SET output=NULL, failure=NULL, completed=NULL WHERE id=?", (instance_id,)
        )
        self._set_status(instance_id, Status.RUNNING)
        rewound = pb.ExecutionRewoundEvent(
            reason=events.get_string_value(reason),
            parentExecutionId=events.get_string_value(parent_execution),
        )
        self._post(instance_id, pb.HistoryEvent(eventId=-1, executionRewound=rewound))

    def _rewrite(self, instance: Active, history: list[pb.HistoryEvent]) -> Active:
        """Make `history` the instance's past, under the execution id it has, and rewind what failed below."""
        execution = execution_of(history)
        self._db.execute("DELETE FROM history WHERE id=?", (instance.id,))
        self._append(instance.id, history)
        self._db.execute("UPDATE instances SET execution=? WHERE id=?", (execution, instance.id))
        self._db.execute(
            "UPDATE instances SET parent_execution=? WHERE parent_id=? AND parent_execution=?",
            (execution, instance.id, instance.execution),
        )
        self._readdress_calls(instance, execution)
        self._rewind_children(instance.id, execution, history)
        self.effects.ready.append(instance.id)
        return dataclasses.replace(instance, execution=execution)

    def _readdress_calls(self, instance: Active, execution: str) -> None:
        """Have the calls that still wait at entities answered to the new execution."""
        rows = self._db.execute("SELECT n, event FROM inbox WHERE sender=?", (instance.id,)).fetchall()
        for n, blob in rows:
            event = pb.HistoryEvent.FromString(blob)
            if event.entityOperationCalled.parentExecutionId.value == instance.execution:
                event.entityOperationCalled.parentExecutionId.value = execution
                self._db.execute("UPDATE inbox SET event=? WHERE n=?", (event.SerializeToString(), n))

    def _rewind_children(self, instance_id: str, execution: str, history: list[pb.HistoryEvent]) -> None:
        reported = self._reported_children(instance_id)
        for child in _unfinished_children(history):
            parent = Parent(instance_id, execution, child.task)
            status = self._child_status(child.id, instance_id)
            if status == Status.FAILED:
                self._db.execute("DELETE FROM inbox WHERE n=?", (reported.get(child.task),))
                self.rewind(child.id, _reason(history), parent_execution=execution)
            elif child.task not in reported:
                if status is None:
                    self._start_child(parent, child)
                elif status.finished:
                    self._report(child.id, parent)

    def _child_status(self, instance_id: str, parent_id: str) -> Status | None:
        row = self._db.execute(
            "SELECT status FROM instances WHERE id=? AND parent_id=?", (instance_id, parent_id)
        ).fetchone()
        return Status(row[0]) if row else None

    def _reported_children(self, instance_id: str) -> dict[int, int]:
        """The tasks whose sub-orchestrations' ends wait in the inbox, with their keys there."""
        rows = self._db.execute("SELECT n, event FROM inbox WHERE id=? AND due IS NULL", (instance_id,))
        found = [(n, pb.HistoryEvent.FromString(blob)) for n, blob in rows]
        tasks = [(_ended_child(event), n) for n, event in found]
        return {task: n for task, n in tasks if task is not None}

    def _report(self, child_id: str, parent: Parent) -> None:
        """Tell a parent once more how its child ended."""
        status, output = self._db.execute(
            "SELECT status, output FROM instances WHERE id=?", (child_id,)
        ).fetchone()
        self._tell_parent(child_id, parent, Completion(Status(status), output))


def _unfinished_children(history: Sequence[pb.HistoryEvent]) -> list[Child]:
    ended = {event.subOrchestrationInstanceCompleted.taskScheduledId for event in history}
    created = {
        event.eventId: event.subOrchestrationInstanceCreated
        for event in history
        if event.HasField("subOrchestrationInstanceCreated") and event.eventId not in ended
    }
    return [
        Child(
            task,
            child.instanceId,
            child.name,
            child.input.value if child.HasField("input") else None,
            child.version.value if child.HasField("version") else None,
        )
        for task, child in created.items()
    ]


def _ended_child(event: pb.HistoryEvent) -> int | None:
    """The task of the sub-orchestration whose end an event reports; None for another event."""
    if event.HasField("subOrchestrationInstanceCompleted"):
        return event.subOrchestrationInstanceCompleted.taskScheduledId
    if event.HasField("subOrchestrationInstanceFailed"):
        return event.subOrchestrationInstanceFailed.taskScheduledId
    return None


def _reason(history: Sequence[pb.HistoryEvent]) -> str | None:
    rewound = [event.executionRewound for event in history if event.HasField("executionRewound")]
    return rewound[-1].reason.value if rewound and rewound[-1].HasField("reason") else None
