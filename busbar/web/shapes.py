"""What the routes need of the clients and of the settings."""

from collections.abc import Mapping
from typing import Any, Protocol

from busbar.domain.approval import Dossier, Vote
from busbar.domain.audit import Entry, Head
from busbar.domain.changes import ConfigChange
from busbar.domain.circuits import CircuitKey, Person
from busbar.domain.evidence import EvidenceNote
from busbar.domain.policies import Stage
from busbar.domain.records import CircuitRecord, DeploymentRecord, RunRecord, ScoringRecord
from busbar.domain.release import ReleaseSet


class WebhookSettings(Protocol):
    @property
    def webhook_secret(self) -> str: ...


class SignInSettings(Protocol):
    """`easy_auth`: the platform signs people in before the app sees a request, and names them in a header."""

    @property
    def easy_auth(self) -> bool: ...


class Publisher(Protocol):
    def publish(self, event_type: str, subject: str, data: Mapping[str, Any], *, id: str) -> None: ...


class RecordReader(Protocol):
    def circuit(self, key: CircuitKey) -> CircuitRecord | None: ...
    def circuits(self) -> list[CircuitRecord]: ...
    def deployments(self, stage: Stage | None = None) -> list[DeploymentRecord]: ...
    def scorings(self) -> list[ScoringRecord]: ...
    def runs(self) -> list[RunRecord]: ...
    def run(self, id: str) -> RunRecord | None: ...
    def release(self, id: str) -> ReleaseSet | None: ...


class AuditReader(Protocol):
    def head(self) -> Head: ...
    def entries(self, first: int = ..., last: int = ...) -> list[Entry]: ...


class FileReader(Protocol):
    """The part of Azure ML that holds what jobs left behind."""

    def read_file(self, stage: Stage, path: str) -> bytes: ...


class EvidenceReader(Protocol):
    def note(self, release_id: str) -> EvidenceNote | None: ...
    def page(self, release_id: str) -> bytes: ...


class ApprovalReader(Protocol):
    def open(self) -> list[Dossier]: ...


class ApprovalStore(ApprovalReader, Protocol):
    def changes(self, id: str) -> tuple[ConfigChange, ...] | None: ...
    def find(self, token_hash: str) -> tuple[Dossier, Person] | None: ...
    def cast(self, vote: Vote) -> Dossier: ...
