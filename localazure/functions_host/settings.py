"""What host.json and local.settings.json say, and the key that guards the host."""

import json
import os
import re
import secrets
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

KEY_VARIABLE = "LOCALAZURE_FUNCTIONS_KEY"
_APP_SETTING = re.compile(r"%([^%\s]+)%")


class SettingsError(Exception):
    """A settings file that cannot be used. For the app's author."""


@dataclass(frozen=True)
class HostSettings:
    """The parts of host.json that this host honours, with Azure's defaults."""

    route_prefix: str = "api"
    task_hub: str = "TestHubName"
    max_activities: int = 10
    max_turns: int = 8

    @classmethod
    def read(cls, app: Path) -> Self:
        """From `app`/host.json, which must exist. Raises `SettingsError`."""
        extensions = _json_object(app / "host.json").get("extensions", {})
        durable, http = extensions.get("durableTask", {}), extensions.get("http", {})
        return cls(
            route_prefix=http.get("routePrefix", cls.route_prefix).strip("/"),
            task_hub=resolve(durable.get("hubName", cls.task_hub)),
            max_activities=int(durable.get("maxConcurrentActivityFunctions", cls.max_activities)),
            max_turns=int(durable.get("maxConcurrentOrchestratorFunctions", cls.max_turns)),
        )


def load_local_settings(app: Path, environment: MutableMapping[str, str] = os.environ) -> None:
    """Add the Values of `app`/local.settings.json, if there is one; what the environment says, wins."""
    path = app / "local.settings.json"
    if path.exists():
        for name, value in _json_object(path).get("Values", {}).items():
            environment.setdefault(name, str(value))


def load_key(state: Path) -> str:
    """The host's key: from the environment, else one that is generated once and kept in `state`."""
    if key := os.environ.get(KEY_VARIABLE):
        return key
    path = state / "functions.key"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text()


def resolve(text: str) -> str:
    """`text` with every `%NAME%` replaced by that app setting. Raises `SettingsError` for a missing one."""

    def setting(found: re.Match[str]) -> str:
        value = os.environ.get(found[1])
        if value is None:
            raise SettingsError(f"{text!r} names the app setting {found[1]}, which is not set.")
        return value

    return _APP_SETTING.sub(setting, text)


def _json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise SettingsError(f"{path} does not exist: is {path.parent} a Functions app?") from None
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path} is not a JSON object.")
    return content
