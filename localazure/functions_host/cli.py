"""The command line of the functions host: `python -m localazure.functions_host start`."""

import asyncio
import os
import re
import sys
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from localazure import resolver
from localazure.functions_host.host import HostOptions
from localazure.functions_host.report import app_frames, set_up_logging
from localazure.functions_host.serving import serve
from localazure.functions_host.settings import HostSettings, SettingsError, load_local_settings
from localazure.functions_host.worker import AppDoesNotLoad
from localazure.task_hub.model import TaskHubUnavailable

DEFAULT_PORT = 7071
_DURATION = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


class Synchronous(StrEnum):
    """How SQLite writes: `full` outlives a power cut, `normal` the end of the process."""

    normal = "normal"
    full = "full"


class ClockKind(StrEnum):
    real = "real"
    manual = "manual"


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a time such as 30d, 12h, 90m or 45s")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


AppFolder = Annotated[
    Path,
    typer.Option("--app", help="Folder with function_app.py and host.json.", exists=True, file_okay=False),
]


@app.callback()
def main() -> None:
    """A host for the Azure Functions apps of this machine, Durable Functions included."""


@app.command()
def start(
    folder: AppFolder = Path(),
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, help="Port on loopback; 0 takes a free one.")
    ] = DEFAULT_PORT,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Folder to keep state in.", show_default=".localazure/functions in the app's folder"
        ),
    ] = None,
    synchronous: Annotated[
        Synchronous,
        typer.Option(
            envvar="LOCALAZURE_SYNCHRONOUS",
            help="What is committed outlives the process, or a power cut, too.",
        ),
    ] = Synchronous.normal,
    retention: Annotated[
        timedelta | None,
        typer.Option(
            envvar="LOCALAZURE_RETENTION",
            parser=_duration,
            metavar="TIME",
            help="Forget orchestrations this long after their end, such as 30d; they are kept if left out.",
        ),
    ] = None,
    clock: Annotated[
        ClockKind,
        typer.Option(envvar="LOCALAZURE_CLOCK", help="manual: time stands still but for POST /admin/clock."),
    ] = ClockKind.real,
    check_determinism: Annotated[
        bool,
        typer.Option(
            "--check-determinism",
            envvar="LOCALAZURE_CHECK_DETERMINISM",
            help="Run every turn twice, and fail an orchestrator that is not deterministic.",
        ),
    ] = False,
) -> None:
    """Serve the Functions app in a folder until Ctrl-C."""
    place = folder.resolve()
    options = HostOptions(
        app=place,
        state=(state or place / ".localazure" / "functions").resolve(),
        synchronous="FULL" if synchronous is Synchronous.full else "NORMAL",
        retention=retention,
        manual_clock=clock is ClockKind.manual,
        check_determinism=check_determinism,
    )
    try:
        _run(options, port)
    except AppDoesNotLoad as error:
        sys.exit(f"The app in {place} does not load:\n{app_frames(str(error))}")
    except (SettingsError, TaskHubUnavailable) as error:
        sys.exit(str(error))
    # An activity's thread may be busy for long; its work is taken up again at the next start.
    sys.stderr.flush()
    os._exit(0)


@app.command("check")
def check_orchestrators(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATHS]...",
            help="Files and folders to look in; every generator function in a file, or in a folder named "
            "orchestrators, counts as an orchestrator.",
            show_default="the app's folder",
        ),
    ] = None,
    folder: AppFolder = Path(),
) -> None:
    """Look through the source of orchestrators for what a replay would see differently. Runs nothing."""
    from localazure.functions_host.check import CannotCheck, check  # a start does without

    try:
        report = check(paths or [folder], folder.resolve())
    except CannotCheck as error:
        sys.exit(str(error))
    for finding in report.findings:
        typer.echo(finding)
    typer.echo(report.summary, err=True)
    raise typer.Exit(1 if report.failed else 0)


def _run(options: HostOptions, port: int) -> None:
    load_local_settings(options.app)
    settings = HostSettings.read(options.app)
    options.state.mkdir(parents=True, exist_ok=True)
    os.chdir(options.app)  # as on Azure
    resolver.install()
    set_up_logging(settings.logging.log_level)
    asyncio.run(serve(options, settings, port), loop_factory=uvloop.new_event_loop)
