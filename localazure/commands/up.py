"""`up`: start everything, in the foreground or by itself."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from ruamel.yaml.error import YAMLError

from localazure.azurite import AzuriteError
from localazure.commands.screen import (
    DEFAULT_STATE,
    StateOption,
    console,
    fail,
    print_addresses,
    say,
    wait_until,
)
from localazure.environment import UnknownPlaceholderError
from localazure.runtime import open_runtime
from localazure.service import Addresses
from localazure.supervisor import PARTS, Supervisor, SupervisorError, acquire, holder, read_state, tail

_START_SECONDS = 90.0
_USUAL = (Path("localazure.yaml"), Path("infra/local.yaml"))
BUILT_IN = Path(__file__).parent.parent / "default.yaml"
_ALL = ",".join(PARTS)
_NEEDS = {"azure": "azurite"}  # workspaces and registries keep their files in blob containers

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        help="What to stand up; left out: localazure.yaml, infra/local.yaml, or a small one that is built in.",
        exists=True,
        dir_okay=False,
    ),
]
OnlyOption = Annotated[
    str,
    typer.Option(
        metavar="NAMES", help=f"Some of {', '.join(PARTS)}, with commas; azure takes azurite along."
    ),
]
DetachOption = Annotated[bool, typer.Option("--detach", help="Return once it is up; it runs on by itself.")]


def up(
    config: ConfigOption = None,
    only: OnlyOption = _ALL,
    state: StateOption = DEFAULT_STATE,
    detach: DetachOption = False,
) -> None:
    """Start Azurite, the azure server and the functions host, and keep them running."""
    chosen, parts, state = config or usual_config(), _parts(only), state.absolute()
    if chosen == BUILT_IN:
        say("No localazure.yaml here: starting one workspace and one registry of the built-in configuration.")
    if detach:
        _detached(chosen, parts, state)
    else:
        _in_the_foreground(chosen, parts, state)


def usual_config() -> Path:
    """The configuration that is meant when none is named."""
    return next((path for path in _USUAL if path.is_file()), BUILT_IN)


def _parts(only: str) -> tuple[str, ...]:
    named = {name.strip() for name in only.split(",") if name.strip()}
    if unknown := sorted(named - set(PARTS)):
        fail(f"--only: there is no {', '.join(unknown)}; choose from {', '.join(PARTS)}.", 2)
    named |= {_NEEDS[name] for name in named if name in _NEEDS}
    return tuple(name for name in PARTS if name in named)


def _in_the_foreground(config: Path, parts: tuple[str, ...], state: Path) -> None:
    started = time.monotonic()
    try:
        with acquire(state):
            runtime = open_runtime(config, state)
            supervisor = Supervisor(config, runtime, say, parts)

            def ready() -> None:
                print_addresses(runtime.addresses, supervisor.names)
                say(
                    f"Up after {time.monotonic() - started:.1f} s. Variables for other programs: {_env(state)}"
                )

            asyncio.run(supervisor.run(ready))
    except ValidationError as error:
        fail("\n".join(": ".join([str(config), *_where(one["loc"]), one["msg"]]) for one in error.errors()))
    except YAMLError as error:
        fail(f"{config} is not YAML: {error}")
    except (AzuriteError, SupervisorError, UnknownPlaceholderError) as error:
        fail(str(error))


def _where(location: tuple[int | str, ...]) -> list[str]:
    return [".".join(map(str, location))] if location else []


def _env(state: Path) -> str:
    elsewhere = "" if state == DEFAULT_STATE.absolute() else f" --state {state}"
    return f"python -m localazure env{elsewhere}"


def _detached(config: Path, parts: tuple[str, ...], state: Path) -> None:
    if holder(state):
        fail(f"A local Azure is running in {state} already.")
    log = state / "logs" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "localazure", "up", "--config", str(config), "--state", str(state)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--only", ",".join(parts)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def ready() -> bool:
        if process.poll() is not None:
            fail(tail(log))
        body = read_state(state)
        return bool(body.get("ready")) and body["supervisor"] == process.pid

    wait_until(ready, _START_SECONDS, f"It is not up after {_START_SECONDS:.0f} s; see {log}")
    body = read_state(state)
    print_addresses(Addresses(**body["addresses"]), body["children"])
    console.print(f"Variables for other programs: {_env(state)}", soft_wrap=True, highlight=False)
