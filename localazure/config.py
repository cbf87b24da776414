"""What `localazure up` stands up, read from one YAML file: the loopback counterpart of a Bicep template."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from ruamel.yaml import YAML

from localazure import identity_config, scopes
from localazure.email_config import EmailService
from localazure.event_grid_config import EventGrid
from localazure.identity_config import IdentitySettings, RoleAssignment
from localazure.roles import Role


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
    """A cluster that is there from the start; the SDK may change it, and make others."""

    name: str
    min_nodes: int = Field(default=0, ge=0)
    max_nodes: int = Field(default=2, ge=1)
    size: str = "Standard_DS3_v2"
    idle_seconds: float = Field(default=120.0, ge=0)


class Workspace(_Section):
    name: str
    resource_group: str
    computes: tuple[Compute, ...] = ()


class Registry(_Section):
    name: str
    resource_group: str
    propagation_seconds: float = Field(default=0.0, ge=0)


GIT_EVENTS = {
    "github": ("push", "pull_request", "*"),
    "azure-devops": (
        "git.push",
        "git.pullrequest.created",
        "git.pullrequest.updated",
        "git.pullrequest.merged",
    ),
}


class GitWebhook(_Section):
    """Who is told of a repository's `events` (none named: pushes): a path of the functions host, or a loopback URL.
    GitHub's are signed with the secret `webhook`; Azure DevOps' carry it as the password of `username`."""

    target: str = Field(pattern=r"^(/|https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/|$))")
    kind: Literal["github", "azure-devops"] = "github"
    events: tuple[str, ...] = ()
    username: str = "azure-devops"

    @model_validator(mode="after")
    def _events_exist(self) -> Self:
        for event in self.events:
            if event not in GIT_EVENTS[self.kind]:
                known = ", ".join(GIT_EVENTS[self.kind])
                raise ValueError(f"events: {self.kind} has no event {event!r} here (known: {known})")
        return self


class GitRepository(_Section):
    """A bare repository `owner/name` (in Azure DevOps: project/repository). `webhook` is short for one of GitHub's
    for pushes, at a path of the functions host."""

    name: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    default_branch: str = "main"
    webhook: str | None = None
    webhooks: tuple[GitWebhook, ...] = ()

    @property
    def hooks(self) -> tuple[GitWebhook, ...]:
        return (*([GitWebhook(target=self.webhook)] if self.webhook else []), *self.webhooks)


class GitHosting(_Section):
    """Limits of the git host. Azure DevOps waits `retry_seconds[attempt - 1]` after an answer that may be repeated."""

    organization: str = Field(default="local", pattern=r"^[\w.-]+$")
    requests_per_hour: int = Field(default=5000, ge=1)
    retry_seconds: tuple[float, ...] = Field(default=(10, 20, 40, 80, 160, 320, 640, 1280), max_length=8)


class FunctionsApp(_Section):
    app: Path = Path(".")


class Operations(_Section):
    """Seconds that Azure ML's long-running operations take; 0: they have ended when they are first asked about."""

    endpoints: float = Field(default=0.0, ge=0)
    deployments: float = Field(default=0.0, ge=0)
    computes: float = Field(default=0.0, ge=0)
    imports: float = Field(default=0.0, ge=0)

    @property
    def by_kind(self) -> dict[str, float]:
        """The seconds by the name of what is created, changed, deleted or imported."""
        return {
            "batchEndpoints": self.endpoints,
            "onlineEndpoints": self.endpoints,
            "batchDeployments": self.deployments,
            "onlineDeployments": self.deployments,
            "computes": self.computes,
            "imports": self.imports,
        }


class Quotas(_Section):
    """Azure ML's limits of one region and subscription, all kinds of endpoints together."""

    endpoints: int = Field(default=100, ge=1)
    deployments: int = Field(default=500, ge=1)
    deployments_per_endpoint: int = Field(default=20, ge=1)
    computes: int = Field(default=500, ge=1)
    nodes_per_compute: int = Field(default=100, ge=1)
    dedicated_cores: int = Field(default=300, ge=0)
    low_priority_cores: int = Field(default=300, ge=0)


class Schedules(_Section):
    """Schedules fire by a clock that runs `clock_factor` times as fast as the system's."""

    clock_factor: float = Field(default=1.0, gt=0)


class OnlineServing(_Section):
    """Scoring processes of online deployments: one without requests for `idle_seconds` ends, and more than `max_idle`
    idle ones never live. `seed` makes the split of traffic repeatable."""

    max_idle: int = Field(default=4, ge=0)
    idle_seconds: float = Field(default=300.0, gt=0)
    seed: int | None = None


class Config(_Section):
    """The whole of a local Azure. `settings` are the app's settings, with `{placeholders}`; `secrets` names secrets of
    the app's own, generated once and put into settings as `{secret:name}`. Without `identities` there is one, `app`;
    without `role_assignments` everybody may do everything."""

    subscription_id: str = "00000000-0000-0000-0000-000000000001"
    tenant_id: str = "00000000-0000-0000-0000-0000000000aa"
    location: str = "eastus"
    ports: Ports = Ports()
    workspaces: tuple[Workspace, ...] = ()
    registries: tuple[Registry, ...] = ()
    operations: Operations = Operations()
    quotas: Quotas = Quotas()
    schedules: Schedules = Schedules()
    online: OnlineServing = OnlineServing()
    containers: tuple[str, ...] = ()
    event_grid: EventGrid = EventGrid()
    email: EmailService = EmailService()
    identities: tuple[IdentitySettings, ...] = ()
    custom_roles: tuple[Role, ...] = ()
    role_assignments: tuple[RoleAssignment, ...] | None = None
    repositories: tuple[GitRepository, ...] = ()
    git_host: GitHosting = GitHosting()
    functions: FunctionsApp | None = None
    secrets: tuple[str, ...] = ()
    settings: dict[str, str] = {}

    @model_validator(mode="after")
    def _sources_exist(self) -> Self:
        known = {
            *(topic.name for topic in self.event_grid.topics),
            *(workspace.name for workspace in self.workspaces),
        }
        for subscription in self.event_grid.subscriptions:
            if subscription.source not in known:
                raise ValueError(
                    f"event_grid.subscriptions: {subscription.name!r} listens to {subscription.source!r}, "
                    f"which is neither a topic nor a workspace (known: {', '.join(sorted(known)) or 'none'})"
                )
        return self

    @model_validator(mode="after")
    def _assignments_hold(self) -> Self:
        assignments = self.role_assignments or ()
        identity_config.check(self.identities, self.custom_roles, assignments, scopes.short_names(self))
        return self

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The secrets to generate: the app's own, and those of its service principals."""
        return (*self.secrets, *(one.secret_name for one in self.identities if one.kind == "application"))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Load and validate `path`; raises `pydantic.ValidationError` naming the key that is wrong."""
        return cls.model_validate(YAML(typ="safe").load(path.read_text()) or {})
