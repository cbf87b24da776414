"""The app's settings, read once from the environment; an error names the variable."""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from busbar.domain.errors import BusbarError
from busbar.domain.policies import Stage


class SettingsError(BusbarError):
    """A variable is missing or malformed. A platform engineer can mend it in the app's settings."""

    def __init__(self, variable: str, problem: str):
        super().__init__(f"{variable} {problem}: a platform engineer can set it in the app's settings")
        self.variable = variable


@dataclass(frozen=True)
class Workspace:
    """Where an Azure ML workspace is."""

    resource_group: str
    name: str


@dataclass(frozen=True)
class Settings:
    """Where every service is. URLs carry no trailing slash; `repr` leaves the secrets out.

    `easy_auth`: App Service signs people in before a request reaches the app.
    """

    subscription_id: str
    workspaces: Mapping[Stage, Workspace]
    registry: str
    location: str
    blob_url: str
    table_url: str
    event_grid_endpoint: str
    email_endpoint: str
    email_sender: str
    repository_api: str
    repository: str
    public_url: str
    sensor_table: str
    forecast_table: str
    error_table: str
    drift_table: str
    raw_location: str
    easy_auth: bool
    repository_token: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    approval_key: str = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the `BUSBAR_…` variables; raises `SettingsError` naming the first that is missing or wrong."""
        blob_url = _url(environment, "BUSBAR_BLOB_URL")
        account = _account(blob_url)
        return cls(
            subscription_id=_text(environment, "BUSBAR_SUBSCRIPTION_ID"),
            workspaces=_workspaces(environment),
            registry=_text(environment, "BUSBAR_REGISTRY"),
            location=_text(environment, "BUSBAR_LOCATION"),
            blob_url=blob_url,
            table_url=_url(environment, "BUSBAR_TABLE_URL"),
            event_grid_endpoint=_url(environment, "BUSBAR_EVENT_GRID_ENDPOINT"),
            email_endpoint=_url(environment, "BUSBAR_EMAIL_ENDPOINT"),
            email_sender=_text(environment, "BUSBAR_EMAIL_SENDER"),
            repository_api=_url(environment, "BUSBAR_REPOSITORY_API"),
            repository=_repository(environment),
            public_url=_url(environment, "BUSBAR_PUBLIC_URL"),
            sensor_table=environment.get("BUSBAR_SENSOR_TABLE") or _delta("sensors", account, "readings"),
            forecast_table=environment.get("BUSBAR_FORECAST_TABLE")
            or _delta("predictions", account, "forecasts"),
            error_table=environment.get("BUSBAR_ERROR_TABLE") or _delta("predictions", account, "errors"),
            drift_table=environment.get("BUSBAR_DRIFT_TABLE") or _delta("predictions", account, "drift"),
            repository_token=_text(environment, "BUSBAR_REPOSITORY_TOKEN"),
            webhook_secret=_text(environment, "BUSBAR_WEBHOOK_SECRET"),
            approval_key=_approval_key(environment),
            raw_location=f"abfss://raw@{account}.dfs.core.windows.net",
            easy_auth=environment.get("WEBSITE_AUTH_ENABLED", "").lower() == "true",
        )

    @property
    def sensor_table_location(self) -> tuple[str, str]:
        """The sensor table's container and path."""
        parts = urlsplit(self.sensor_table)
        return parts.username or "", parts.path.strip("/")

    def workspace_id(self, stage: Stage) -> str:
        """The ARM id of a stage's workspace."""
        workspace = self.workspaces[stage]
        group = f"/subscriptions/{self.subscription_id}/resourceGroups/{workspace.resource_group}"
        return f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace.name}"


def _text(environment: Mapping[str, str], variable: str) -> str:
    value = environment.get(variable, "").strip()
    if not value:
        raise SettingsError(variable, "is not set")
    return value


def _url(environment: Mapping[str, str], variable: str) -> str:
    value = _text(environment, variable)
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(variable, "is not an http(s) address")
    return value.rstrip("/")


def _workspaces(environment: Mapping[str, str]) -> dict[Stage, Workspace]:
    variable = "BUSBAR_WORKSPACES"
    expected = 'is not JSON like {"dev": "resource-group/workspace", "test": …, "prod": …}'
    try:
        written: dict[str, str] = json.loads(_text(environment, variable))
        pairs = {Stage(stage): place.split("/") for stage, place in written.items()}
        found = {stage: Workspace(group, name) for stage, (group, name) in pairs.items()}
    except (ValueError, AttributeError) as error:
        raise SettingsError(variable, expected) from error
    if missing := [stage for stage in Stage if stage not in found]:
        raise SettingsError(variable, f"names no workspace for {', '.join(missing)}")
    return found


def _repository(environment: Mapping[str, str]) -> str:
    variable = "BUSBAR_REPOSITORY"
    value = _text(environment, variable)
    if len([part for part in value.split("/") if part]) != 2:
        raise SettingsError(variable, "is not owner/name")
    return value


def _approval_key(environment: Mapping[str, str]) -> str:
    """What approval links are made with: a key of its own where one is set, else one derived from the webhook's."""
    secret = _text(environment, "BUSBAR_WEBHOOK_SECRET").encode()
    return environment.get("BUSBAR_APPROVAL_KEY") or hmac.digest(secret, b"approval links", "sha256").hex()


def _account(blob_url: str) -> str:
    """The storage account: the host's first label, or, in the emulator's address form, the path."""
    parts = urlsplit(blob_url)
    return parts.path.strip("/") or (parts.hostname or "").split(".")[0]


def _delta(container: str, account: str, table: str) -> str:
    return f"abfss://{container}@{account}.dfs.core.windows.net/{table}"
