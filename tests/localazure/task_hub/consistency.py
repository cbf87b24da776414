"""Whether a task hub's database contradicts itself: every promise in a history is kept in exactly one place."""

import sqlite3
from collections import Counter
from collections.abc import Iterable

import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub.model import Status

# Events that answer what an orchestrator asked for: with what, and the field that names the task.
_ANSWERS = {
    "taskCompleted": ("taskScheduled", "taskScheduledId"),
    "taskFailed": ("taskScheduled", "taskScheduledId"),
    "timerFired": ("timerCreated", "timerId"),
    "subOrchestrationInstanceCompleted": ("subOrchestrationInstanceCreated", "taskScheduledId"),
    "subOrchestrationInstanceFailed": ("subOrchestrationInstanceCreated", "taskScheduledId"),
    "entityOperationCompleted": ("entityOperationCalled", "requestId"),
    "entityOperationFailed": ("entityOperationCalled", "requestId"),
    "entityLockGranted": ("entityLockRequested", "criticalSectionId"),
}
_PROMISES = frozenset(kind for kind, _ in _ANSWERS.values())
_NAMES = {"entityOperationCalled": "requestId", "entityLockRequested": "criticalSectionId"}  # else by number

type Task = tuple[str, str, int | str]  # instance, kind, number or name


def contradictions(db: sqlite3.Connection) -> list[str]:
    """What is wrong with it, in words; nothing for a sound database, or one whose tables are not all made."""
    made = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    if not made >= {"instances", "history", "inbox", "activities", "entities"}:
        return []
    status = {instance: Status(number) for instance, number in db.execute("SELECT id, status FROM instances")}
    active = {instance for instance, number in status.items() if not number.finished}
    promised, kept = Counter[Task](), Counter[Task]()
    begun = set[str]()
    for instance, event in _events(db, "SELECT event FROM history WHERE id=?", active):
        begun.add(instance)
        kind = event.WhichOneof("eventType")
        if kind in _PROMISES:
            promised[instance, str(kind), _name(event)] += 1  # a retry asks again under the same number
        kept.update(_answered(instance, event))
    for instance, event in _events(db, "SELECT event FROM inbox WHERE id=?", active):
        if event.HasField("executionStarted"):
            begun.add(instance)
        kept.update(_answered(instance, event))
    kept.update(_under_way(db, active))
    kept.update(_at_entities(db, active))
    problems = [
        f"{task} was asked for {promised[task]} times and has {kept[task]} answers or work under way"
        for task in promised | kept
        if promised[task] != kept[task]
    ]
    problems += [f"{instance} can never begin: no start in history or inbox" for instance in active - begun]
    return problems + _leftovers(db, status) + _orphaned_locks(db, active)


def _events(
    db: sqlite3.Connection, of_instance: str, active: Iterable[str]
) -> Iterable[tuple[str, pb.HistoryEvent]]:
    for instance in active:
        for (blob,) in db.execute(of_instance, (instance,)):
            yield instance, pb.HistoryEvent.FromString(blob)


def _answered(instance: str, event: pb.HistoryEvent) -> list[Task]:
    kind = event.WhichOneof("eventType")
    if kind not in _ANSWERS:
        return []
    promise, number = _ANSWERS[kind]
    return [(instance, promise, getattr(getattr(event, kind), number))]


def _name(event: pb.HistoryEvent) -> int | str:
    kind = str(event.WhichOneof("eventType"))
    return getattr(getattr(event, kind), _NAMES[kind]) if kind in _NAMES else event.eventId


def _at_entities(db: sqlite3.Connection, active: set[str]) -> list[Task]:
    """The calls and lock requests that wait at entities."""
    found = db.execute("SELECT sender, event FROM inbox WHERE sender IS NOT NULL").fetchall()
    events = [(sender, pb.HistoryEvent.FromString(blob)) for sender, blob in found if sender in active]
    return [
        (sender, str(kind), _name(event))
        for sender, event in events
        if (kind := event.WhichOneof("eventType")) in _NAMES
    ]


def _under_way(db: sqlite3.Connection, active: set[str]) -> list[Task]:
    activities = db.execute("SELECT id, task FROM activities").fetchall()
    children = db.execute(
        "SELECT c.parent_id, c.parent_task, c.id FROM instances c JOIN instances p "
        "ON p.id=c.parent_id AND p.execution=c.parent_execution"
    ).fetchall()
    return [(instance, "taskScheduled", task) for instance, task in activities if instance in active] + [
        (parent, "subOrchestrationInstanceCreated", task)
        for parent, task, child in children
        if parent in active and child in active
    ]


def _leftovers(db: sqlite3.Connection, status: dict[str, Status]) -> list[str]:
    """Work and events of instances that are gone or finished, though a failed one may be rewound.

    Ids with an @ are those of entities.
    """
    waiting = {
        "events": "SELECT DISTINCT id FROM inbox WHERE substr(id, 1, 1)<>'@'",
        "activities": "SELECT DISTINCT id FROM activities",
    }
    return [
        f"{instance} is over and still has {what}"
        for what, query in waiting.items()
        for (instance,) in db.execute(query)
        if instance not in status or (status[instance].finished and status[instance] != Status.FAILED)
    ]


def _orphaned_locks(db: sqlite3.Connection, active: set[str]) -> list[str]:
    locked = db.execute("SELECT id, locked_by FROM entities WHERE locked_by IS NOT NULL")
    return [
        f"{entity} is locked by {holder}, which is over" for entity, holder in locked if holder not in active
    ]


def outstanding(db: sqlite3.Connection) -> dict[str, int]:
    """How much is still to be done; all zero when everything is finished."""
    queries = {
        "events": "SELECT count(*) FROM inbox",
        "activities": "SELECT count(*) FROM activities",
        "locks": "SELECT count(*) FROM entities WHERE locked_by IS NOT NULL",
    }
    return {what: db.execute(query).fetchone()[0] for what, query in queries.items()}
