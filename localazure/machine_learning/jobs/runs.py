"""A run: what the runner knows of one job or one step of a pipeline, kept in the documents `runs`."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from localazure.machine_learning.context import Context, timestamp
from localazure.machine_learning.routing import Json, Scope

FINISHED = frozenset({"Completed", "Failed", "Canceled"})


@dataclass(frozen=True)
class Run:
    """`status` is Azure ML's; `outputs` are URIs by output name; `pid` leads the process group of a running command.

    `scope` is the key of the workspace, `step` the name of the step in `parent`.
    """

    scope: str
    name: str
    type: str
    experiment: str
    status: str = "NotStarted"
    parent: str | None = None
    step: str | None = None
    compute: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    created: str = field(default_factory=timestamp)
    started: str | None = None
    ended: str | None = None
    pid: int | None = None
    cancel_requested: bool = False

    @property
    def key(self) -> str:
        return f"{self.scope}/{self.name}"

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED

    @classmethod
    def from_document(cls, document: Json) -> Self:
        return cls(**document)


class Runs:
    """Reads and changes runs; each change of status is written first and announced after."""

    def __init__(self, context: Context):
        self._context = context
        self._documents = context.documents

    def get(self, scope: Scope, name: str) -> Run | None:
        document = self._documents.get("runs", f"{scope.key}/{name}")
        return Run.from_document(document) if document else None

    def all(self, prefix: str = "") -> list[Run]:
        return [Run.from_document(document) for _, document in self._documents.list("runs", prefix)]

    def children(self, run: Run) -> list[Run]:
        found = [item for item in self.all(f"{run.key}_") if item.parent == run.name]
        return sorted(found, key=lambda item: item.created)

    def create(self, run: Run) -> None:
        """Write `run`, replacing an earlier one of that name, and announce its first status."""
        self._documents.put("runs", run.key, asdict(run))
        self._announce(run)

    def change(self, run: Run, **changes: Any) -> Run:
        """Apply `changes`; a new `status` stamps its time and is announced. A finished run keeps its status."""
        with self._documents.transaction():
            document = self._documents.get("runs", run.key)
            current = Run.from_document(document) if document else run
            if current.is_finished:
                changes.pop("status", None)
            changed = replace(current, **changes, **_times(current, changes.get("status")))
            self._documents.put("runs", run.key, asdict(changed))
        if changed.status != current.status:
            self._announce(changed)
        return changed

    def _announce(self, run: Run) -> None:
        scope = self._context.scopes[run.scope]
        self._context.events.run_status_changed(scope, asdict(run), run.status)
        if run.status == "Completed":
            self._context.events.run_completed(scope, asdict(run))


def _times(run: Run, status: str | None) -> dict[str, str]:
    if status == run.status or status is None:
        return {}
    if status in FINISHED:
        return {"ended": timestamp()}
    return {"started": timestamp()} if status == "Running" and run.started is None else {}
