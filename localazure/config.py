"""What `localazure up` stands up, read from one YAML file: the loopback counterpart of a Bicep template."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from ruamel.yaml import YAML


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ports(_Section):
    """TCP ports on loopback; 0 asks the system for a free one."""

    azure: int = 8443
    pages: int = 8444
    functions: int = 7071
    blob: int = 10000
    queue: int = 10001
    table: int = 10002


class Compute(_Section):
    name: str
    max_nodes: int = Field(default=2, ge=1)


class Workspace(_Section):
    name: str
    resource_group: str
    computes: tuple[Compute, ...] = ()


class Registry(_Section):
    name: str
    resource_group: str
    propagation_seconds: float = Field(default=0.0, ge=0)


class Subscription(_Section):
    """An Event Grid subscription: `source` is a topic's or a workspace's name; it delivers to a function."""

    name: str
    source: str
    function: str
    event_types: tuple[str, ...] = ()
    subject_begins_with: str = ""
    subject_ends_with: str = ""
    max_events_per_batch: int = Field(default=1, ge=1, le=5000)


class EventGrid(_Section):
    """Custom topics and subscriptions. A failed delivery waits `retry_seconds[attempt - 1]` (the last one repeats)."""

    topics: tuple[str, ...] = ()
    resource_group: str = "local-rg"
    subscriptions: tuple[Subscription, ...] = ()
    retry_seconds: tuple[float, ...] = Field(default=(1, 2, 5, 10, 30, 60, 300), min_length=1)
    max_attempts: int = Field(default=30, ge=1)
    time_to_live_seconds: float = Field(default=86400, gt=0)


class GitRepository(_Section):
    """A bare repository; pushes are announced to `webhook` (a path of the functions host), signed with a secret."""

    name: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    default_branch: str = "main"
    webhook: str | None = None


class FunctionsApp(_Section):
    app: Path = Path(".")


class Config(_Section):
    """The whole of a local Azure. `settings` are the app's settings, with `{placeholders}`; `secrets` names secrets of
    the app's own, generated once and put into settings as `{secret:name}`."""

    subscription_id: str = "00000000-0000-0000-0000-000000000001"
    tenant_id: str = "00000000-0000-0000-0000-0000000000aa"
    location: str = "eastus"
    ports: Ports = Ports()
    workspaces: tuple[Workspace, ...] = ()
    registries: tuple[Registry, ...] = ()
    containers: tuple[str, ...] = ()
    event_grid: EventGrid = EventGrid()
    repositories: tuple[GitRepository, ...] = ()
    functions: FunctionsApp | None = None
    secrets: tuple[str, ...] = ()
    settings: dict[str, str] = {}

    @model_validator(mode="after")
    def _sources_exist(self) -> Self:
        known = {*self.event_grid.topics, *(workspace.name for workspace in self.workspaces)}
        for subscription in self.event_grid.subscriptions:
            if subscription.source not in known:
                raise ValueError(
                    f"event_grid.subscriptions: {subscription.name!r} listens to {subscription.source!r}, "
                    f"which is neither a topic nor a workspace (known: {', '.join(sorted(known)) or 'none'})"
                )
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """Load and validate `path`; raises `pydantic.ValidationError` naming the key that is wrong."""
        return cls.model_validate(YAML(typ="safe").load(path.read_text()) or {})
