"""`env`: the variables by which any program finds this local Azure."""

import json
import os
import shlex
import socket
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from localazure.commands.screen import DEFAULT_STATE, StateOption, fail
from localazure.environment import read_environment
from localazure.supervisor import holder

_RESOLVER_SITE = Path(__file__).parent.parent / "resolver_site"


class Format(StrEnum):
    SH = "sh"
    DOTENV = "dotenv"
    JSON = "json"


def env(
    state: StateOption = DEFAULT_STATE,
    form: Annotated[
        Format, typer.Option("--format", help='sh: for eval "$(…)"; dotenv: an .env file; json: an object.')
    ] = Format.SH,
) -> None:
    """Print the variables of what runs, the app's settings among them; they hold secrets of this local Azure."""
    state = state.absolute()
    if not holder(state):
        fail(f"No local Azure runs in {state}: start one with `python -m localazure up`.")
    typer.echo(_WRITERS[form](read_environment(state) | _resolver()))


def _resolver() -> dict[str, str]:
    """Where the system leaves `*.localhost` to programs, Python takes it from a folder that it looks into first."""
    try:
        socket.getaddrinfo("storage.localhost", None)
    except OSError:
        others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        paths = [str(_RESOLVER_SITE), *(path for path in others if path != str(_RESOLVER_SITE))]
        return {"PYTHONPATH": os.pathsep.join(paths)}
    return {}


def _sh(values: Mapping[str, str]) -> str:
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())


def _dotenv(values: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={_dotenv_value(value)}" for name, value in values.items())


def _dotenv_value(value: str) -> str:
    """Single quotes take everything as it is, but themselves and line ends."""
    if not {"'", "\n", "\r"} & set(value):
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def _json(values: Mapping[str, str]) -> str:
    return json.dumps(values, indent=2)


_WRITERS: Mapping[Format, Callable[[Mapping[str, str]], str]] = {
    Format.SH: _sh,
    Format.DOTENV: _dotenv,
    Format.JSON: _json,
}
