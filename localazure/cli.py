"""`python -m localazure`: up, down, status, logs, reset."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from localazure import leftovers
from localazure.azurite import AzuriteError
from localazure.environment import UnknownPlaceholderError
from localazure.runtime import open_runtime
from localazure.service import Addresses
from localazure.supervisor import Supervisor, SupervisorError, acquire, holder, read_state, tail

_STOP_SECONDS = 30.0
_START_SECONDS = 90.0

# What a run leaves behind; `environments`, the cache of jobs' Python environments, is kept by a reset.
_LEFT_BEHIND = (
    "azurite", "functions", "git", "identity", "jobs", "logs", "tls",
    "*.db", "*.db-*", "*.sqlite", "*.sqlite-*", "environment", "lock", "ports.json", "secrets.json", "state.json",
)  # fmt: skip

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()
errors = Console(stderr=True)

StateOption = Annotated[Path, typer.Option(help="Folder of everything this local Azure remembers.")]
ConfigOption = Annotated[Path, typer.Option(help="What to stand up.", exists=True, dir_okay=False)]
DetachOption = Annotated[bool, typer.Option("--detach", help="Return once it is up; it runs on by itself.")]
DEFAULT_STATE = Path(".localazure")


@app.command()
def up(config: ConfigOption, state: StateOption = DEFAULT_STATE, detach: DetachOption = False) -> None:
    """Start Azurite, the azure server and the functions host, and keep them running."""
    state = state.absolute()
    if detach:
        _up_detached(config, state)
        return
    started = time.monotonic()
    try:
        with acquire(state):
            runtime = open_runtime(config, state)
            supervisor = Supervisor(
                config, runtime, lambda text: console.print(text, highlight=False, soft_wrap=True)
            )
            asyncio.run(
                supervisor.run(lambda: _print_up(runtime.addresses, state, time.monotonic() - started))
            )
    except ValidationError as error:
        _fail(
            "\n".join(f"{config}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        )
    except (AzuriteError, SupervisorError, UnknownPlaceholderError) as error:
        _fail(str(error))


@app.command()
def down(state: StateOption = DEFAULT_STATE) -> None:
    """End what runs in the state folder; what it remembers stays."""
    state = state.absolute()
    if supervisor := holder(state):
        os.kill(supervisor, signal.SIGTERM)
        _wait_until(lambda: holder(state) is None, _STOP_SECONDS, f"The supervisor {supervisor} does not end")
    leftovers.end(leftovers.find(state))
    console.print("Down.")


@app.command()
def status(state: StateOption = DEFAULT_STATE) -> None:
    """Show what runs; exit status 1 if nothing does."""
    state = state.absolute()
    body = read_state(state)
    if not (holder(state) and body):
        console.print(f"No local Azure runs in {state}.")
        raise typer.Exit(1)
    _print_addresses(Addresses(**body["addresses"]))
    for name, pid in {"supervisor": body["supervisor"], **body["children"]}.items():
        console.print(f"{name:<11} process {pid}", highlight=False)
    console.print("ready" if body["ready"] else "starting")


@app.command()
def logs(
    state: StateOption = DEFAULT_STATE,
    name: Annotated[str | None, typer.Argument(help="azurite, azure or functions; all if left out.")] = None,
    lines: Annotated[int, typer.Option(min=1)] = 50,
) -> None:
    """Print the end of the children's logs."""
    found = sorted((state / "logs").glob(f"{name or '*'}.log"))
    if not found:
        _fail(f"There is no log {name or ''} in {state / 'logs'}")
    for path in found:
        console.rule(path.name)
        for line in path.read_text(errors="replace").splitlines()[-lines:]:
            console.print(line, markup=False, highlight=False)


@app.command()
def reset(state: StateOption = DEFAULT_STATE) -> None:
    """Forget everything but the cache of jobs' Python environments; refuses while it runs."""
    state = state.absolute()
    if not state.exists():
        return
    try:
        with acquire(state):
            leftovers.end(leftovers.find(state))
            for path in (path for pattern in _LEFT_BEHIND for path in state.glob(pattern)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    except SupervisorError as error:
        _fail(str(error))
    console.print("Reset.")


def _up_detached(config: Path, state: Path) -> None:
    if holder(state):
        _fail(f"A local Azure is running in {state} already")
    log = state / "logs" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "localazure", "up", "--config", str(config), "--state", str(state)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )

    def ready() -> bool:
        if process.poll() is not None:
            _fail(tail(log))
        body = read_state(state)
        return bool(body.get("ready")) and body["supervisor"] == process.pid

    _wait_until(ready, _START_SECONDS, f"It is not up after {_START_SECONDS:.0f} s; see {log}")
    _print_addresses(Addresses(**read_state(state)["addresses"]))


def _wait_until(condition: Callable[[], bool], seconds: float, complaint: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            _fail(complaint)
        time.sleep(0.03)


def _print_up(addresses: Addresses, state: Path, seconds: float) -> None:
    _print_addresses(addresses)
    console.print(
        f"Up after {seconds:.1f} s. Variables for other programs: {state / 'environment'}", soft_wrap=True
    )


def _print_addresses(addresses: Addresses) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, address in {
        "App": addresses.functions,
        "Mailbox": f"{addresses.pages}/mailbox",
        "Git": f"{addresses.pages}/git",
        "Event Grid": f"{addresses.pages}/admin/event_grid",
        "Azure": addresses.azure,
        "Blobs": addresses.blob,
        "Tables": addresses.table,
    }.items():
        table.add_row(name, address)
    console.print(table)


def _fail(message: str) -> None:
    errors.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)
