"""`python -m demo`: what `make demo` runs."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from busbar.api import ApiError
from demo import server, simulate
from demo.foreign import read_folder
from demo.git import GitError
from demo.journey import Journey, JourneyError
from demo.plan import Finding, Findings, Plant
from demo.tables import UnusableError

DEFAULT_STATE = Path(".localazure")
DEFAULT_CONFIG = Path("infra/local.yaml")
SHOWN_FINDINGS = 40
LOG_WIDTH = 140


def main(
    data: Annotated[
        Path | None, typer.Option(help="Folder of CSV files, one a plant; else a simulated fleet.")
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(help="Plant → circuit → sensors; else DATA/mapping.yaml, or groups of columns."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Act as the approvers, and end when done.")] = False,
    reset: Annotated[
        bool, typer.Option("--reset", help="Forget what earlier runs left in the state folder.")
    ] = False,
    state: Annotated[
        Path, typer.Option(help="Where the local Azure keeps what it remembers.")
    ] = DEFAULT_STATE,
    config: Annotated[Path, typer.Option(help="What the local Azure stands up.")] = DEFAULT_CONFIG,
) -> None:
    """The whole journey on this machine: a push becomes trained, approved, promoted, deployed and scored models."""
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(emoji=False, width=None if sys.stdout.isatty() else LOG_WIDTH, soft_wrap=True)
    state = state.absolute()
    try:
        if reset:
            _reset(state)
        plants = _plants(console, data, mapping, state)
        _journey(console, plants, config, state, yes)
    except (UnusableError, JourneyError, server.ServerError, ApiError, GitError) as error:
        console.print("The demonstration stopped:", style="bold red", end=" ")
        console.print(str(error), markup=False, highlight=False)
        console.print("Run it again to go on from here; `make demo RESET=1` starts over.", highlight=False)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        console.print("Stopped. `make demo` goes on where this ended.")
        raise typer.Exit(130) from None


def _interrupt(_: int, __: object) -> None:
    raise KeyboardInterrupt  # as Ctrl-C: the local Azure ends with us


def _journey(console: Console, plants: Sequence[Plant], config: Path, state: Path, yes: bool) -> None:
    with server.running(config, state) as running:
        console.print(f"Mailbox: {running.pages}/mailbox   Board: {running.functions}/", highlight=False)
        if not yes:
            console.print("You are the approvers: open the mails in the mailbox, and decide.")
        Journey(console, running, plants, yes).run()
        if not yes:
            _serve(console, running)


def _serve(console: Console, running: server.Server) -> None:
    console.print(
        f"Serving until Ctrl-C. Mailbox: {running.pages}/mailbox   Board: {running.functions}/",
        highlight=False,
    )
    try:
        while True:
            running.check()
            time.sleep(1)
    except KeyboardInterrupt:
        console.print("Stopping; `make demo` or `make up` goes on from here.")


def _plants(console: Console, data: Path | None, mapping: Path | None, state: Path) -> tuple[Plant, ...]:
    """What there is to forecast, said in a few lines. Raises `UnusableError`."""
    if data is None:
        data = state / "simulated"
        simulate.write_fleet(data)
    if mapping is None and (data / simulate.MAPPING).is_file():
        mapping = data / simulate.MAPPING
    findings = Findings()
    plants = read_folder(data, mapping, findings)
    for plant in plants:
        circuits = "; ".join(f"{group.circuit_id}: {', '.join(group.sensors)}" for group in plant.circuits)
        console.print(
            f"[bold]{plant.plant_id}[/] {plant.rows} readings to {plant.cutoff_date}, {plant.training_days} days to "
            f"train on, every {plant.frequency_minutes} min. {circuits}",
            highlight=False,
        )
    _print_findings(console, findings.all)
    return plants


def _print_findings(console: Console, found: Sequence[Finding]) -> None:
    """Problems one by one; notes, which repeat from file to file, once per column."""
    problems = [finding for finding in found if not finding.note]
    for finding in problems[:SHOWN_FINDINGS]:
        console.print(f"  ! {finding}", style="yellow", markup=False, highlight=False)
    if len(problems) > SHOWN_FINDINGS:
        console.print(f"  … and {len(problems) - SHOWN_FINDINGS} more", style="yellow")
    notes: dict[str | None, list[Finding]] = {}
    for finding in found:
        if finding.note:
            notes.setdefault(finding.column, []).append(finding)
    for same in notes.values():
        more = f" (and so in {len(same) - 1} more files)" if len(same) > 1 else ""
        console.print(f"  {same[0]}{more}", style="dim", markup=False, highlight=False)


def _reset(state: Path) -> None:
    for command in ("down", "reset"):
        subprocess.run([sys.executable, "-m", "localazure", command, "--state", str(state)], check=True)
    for folder in ("fleet", "simulated"):
        shutil.rmtree(state / folder, ignore_errors=True)


if __name__ == "__main__":
    typer.run(main)
