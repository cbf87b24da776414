"""Who may call: the host's keys, kept in its state folder, and what each of them opens."""

import json
import os
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

KEY_VARIABLE = "LOCALAZURE_FUNCTIONS_KEY"

type Endpoint = Callable[[Request], Awaitable[Response]]


class Level(IntEnum):
    """What an address asks for."""

    ANONYMOUS = 0
    FUNCTION = 1  # the function's own key, the host key or the master key
    SYSTEM = 2  # webhooks of extensions: the system key or the master key
    ADMIN = 3  # the master key


@dataclass
class Keys:
    """One key of each kind, and one for every function."""

    master: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    system: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    host: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    functions: dict[str, str] = field(default_factory=dict[str, str])


def load_keys(state: Path, functions: Iterable[str] = ()) -> Keys:
    """The keys in `state`/keys.json, readable by its owner alone; missing ones are made and kept.

    The environment's LOCALAZURE_FUNCTIONS_KEY stands for the master, system and host key.
    """
    path = state / "keys.json"
    keys = Keys(**json.loads(path.read_text())) if path.exists() else Keys()
    missing = [name for name in functions if name not in keys.functions]
    keys.functions |= {name: secrets.token_urlsafe(32) for name in missing}
    if missing or not path.exists():
        _write(path, json.dumps(asdict(keys), indent=2))
    if given := os.environ.get(KEY_VARIABLE):
        return Keys(given, given, given, keys.functions)
    return keys


def _write(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


class Access:
    def __init__(self, keys: Keys):
        self._keys = keys

    def allows(self, request: Request, level: Level = Level.SYSTEM, function: str | None = None) -> bool:
        """Whether the request carries a key for `level`, as header `x-functions-key` or as query `code`."""
        if level == Level.ANONYMOUS:
            return True
        offered = request.headers.get("x-functions-key") or request.query_params.get("code") or ""
        return any(
            [secrets.compare_digest(offered.encode(), key.encode()) for key in self._opening(level, function)]
        )

    def _opening(self, level: Level, function: str | None) -> list[str]:
        keys = [self._keys.master]
        if level == Level.SYSTEM:
            keys.append(self._keys.system)
        if level == Level.FUNCTION:
            keys += [
                self._keys.host,
                *(own for name, own in self._keys.functions.items() if name == function),
            ]
        return keys

    def guard(self, endpoint: Endpoint, level: Level = Level.SYSTEM) -> Endpoint:
        """`endpoint` behind a key: 401 without it."""

        async def guarded(request: Request) -> Response:
            return await endpoint(request) if self.allows(request, level) else unauthorized(level)

        return guarded


_NAMES = {
    Level.FUNCTION: "the function's key, the host key or the master key",
    Level.SYSTEM: "the system key or the master key",
    Level.ADMIN: "the master key",
}


def unauthorized(level: Level) -> Response:
    return PlainTextResponse(
        f"This address needs {_NAMES[level]} (see keys.json in the host's state folder): "
        "header x-functions-key or query code.\n",
        401,
    )
