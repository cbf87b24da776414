"""What host.json and local.settings.json say, as far as this host honours it."""

import json
import os
import re
from collections.abc import Iterator, MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

_APP_SETTING = re.compile(r"%([^%\s]+)%")
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.\d+)?")

LogLevel = Annotated[
    Literal["Trace", "Debug", "Information", "Warning", "Error", "Critical", "None"],
    BeforeValidator(lambda value: value.capitalize() if isinstance(value, str) else value),
]


class SettingsError(Exception):
    """A settings file, an app setting or a binding that cannot be used. For the app's author."""


def resolve(text: str) -> str:
    """`text` with every `%NAME%` replaced by that app setting. Raises `SettingsError` for a missing one."""

    def setting(found: re.Match[str]) -> str:
        value = os.environ.get(found[1])
        if value is None:
            raise SettingsError(f"{text!r} names the app setting {found[1]}, which is not set.")
        return value

    return _APP_SETTING.sub(setting, text)


def time_span(text: str) -> timedelta | None:
    """A .NET TimeSpan such as `00:05:00` or `1.12:00:00`; None if it is none."""
    found = _TIME_SPAN.fullmatch(text.strip())
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _time_limit(value: Any) -> timedelta | None:
    if value in (None, "-1"):
        return None
    if isinstance(value, str) and (limit := time_span(value)):
        return limit
    raise ValueError('a time such as "00:10:00", or "-1" for none')


class _Section(BaseModel):
    """A part of host.json; what it does not name is kept as extra, to be named at the start."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="allow", frozen=True, hide_input_in_errors=False
    )


class Http(_Section):
    route_prefix: Annotated[str, AfterValidator(lambda prefix: resolve(prefix).strip("/"))] = "api"
    max_concurrent_requests: Annotated[int, Field(ge=-1)] = -1
    max_outstanding_requests: Annotated[int, Field(ge=-1)] = -1
    custom_headers: dict[str, str] = {}


class DurableTask(_Section):
    hub_name: Annotated[str, AfterValidator(resolve)] = "TestHubName"
    max_concurrent_activity_functions: Annotated[int, Field(ge=1)] = 10
    max_concurrent_orchestrator_functions: Annotated[int, Field(ge=1)] = 8
    max_concurrent_entity_functions: Annotated[int, Field(ge=1)] = 8
    default_version: Annotated[str, AfterValidator(resolve)] | None = None
    version_match_strategy: Literal["None", "Strict", "CurrentOrOlder"] = "CurrentOrOlder"
    version_failure_strategy: Literal["Reject", "Fail"] = "Reject"


class Extensions(_Section):
    http: Http = Http()
    durable_task: DurableTask = DurableTask()


class Logging(_Section):
    log_level: dict[str, LogLevel] = {}


class HostSettings(_Section):
    """host.json, with Azure's defaults."""

    version: Literal["2.0"] = "2.0"
    function_timeout: Annotated[timedelta | None, BeforeValidator(_time_limit)] = None
    extensions: Extensions = Extensions()
    logging: Logging = Logging()

    @classmethod
    def read(cls, app: Path) -> Self:
        """From `app`/host.json, which must exist. Raises `SettingsError` that names file and key."""
        path = app / "host.json"
        try:
            return cls.model_validate(_json_object(path), strict=True)
        except ValidationError as error:
            raise SettingsError("\n".join(_complaint(path, one) for one in error.errors())) from None

    @property
    def http(self) -> Http:
        return self.extensions.http

    @property
    def durable(self) -> DurableTask:
        return self.extensions.durable_task

    def not_honoured(self) -> list[str]:
        """The settings that are there and that this host leaves aside, by their path."""
        return sorted(_extras(self, ""))


# Named nowhere: these tell Azure how to come by what is built in here, or what to send to its monitoring.
_MEANINGLESS = {
    "$schema",
    "extensionBundle",
    "managedDependency",
    "logging.applicationInsights",
    "logging.fileLoggingMode",
    "telemetryMode",
    "extensions.durableTask.storageProvider",
    "extensions.durableTask.tracing",
    "extensions.http.hsts",
    "extensions.http.dynamicThrottlesEnabled",
}


def _extras(section: _Section, prefix: str) -> Iterator[str]:
    for name in section.model_extra or {}:
        if prefix + name not in _MEANINGLESS:
            yield prefix + name
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, _Section):
            yield from _extras(value, f"{prefix}{field.alias}.")


def _complaint(path: Path, error: Any) -> str:
    key = ".".join(map(str, error["loc"]))
    return (
        f"{path}: {key}: {error['msg'].removeprefix('Value error, ')} (it is {json.dumps(error['input'])})."
    )


def load_local_settings(app: Path, environment: MutableMapping[str, str] = os.environ) -> None:
    """Add the Values of `app`/local.settings.json, if there is one; what the environment says, wins.

    Raises `SettingsError`.
    """
    path = app / "local.settings.json"
    if not path.exists():
        return
    content = _json_object(path)
    if content.get("IsEncrypted") is True:
        raise SettingsError(f"{path}: IsEncrypted: encrypted settings cannot be read here; decrypt the file.")
    values = content.get("Values", {})
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: Values: is not an object of names and texts.")
    for name, value in values.items():
        environment.setdefault(name, _text(path, name, value))


def _text(path: Path, name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, str | int | float):
        return "" if value is None else str(value)
    raise SettingsError(f"{path}: Values.{name}: an app setting is a text; quote the JSON within it.")


def is_true(name: str) -> bool:
    """Whether the app setting `name` says yes."""
    return os.environ.get(name, "").lower() in ("1", "true")


def _json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SettingsError(f"{path} does not exist: is {path.parent} a Functions app?") from None
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON (comments are not read here): {error}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path} is not a JSON object.")
    return content
