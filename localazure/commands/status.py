"""`status`: what runs, since when, where, and what it takes."""

from datetime import datetime

import typer
from rich.table import Table

from localazure.commands.screen import DEFAULT_STATE, StateOption, console, fail, print_addresses
from localazure.overview import Part, overview

_NOT_READY = 3


def status(state: StateOption = DEFAULT_STATE) -> None:
    """Show what runs. Exit status 0: all is ready; 1: nothing runs; 3: something is not ready."""
    state = state.absolute()
    found = overview(state)
    if found is None:
        fail(f"No local Azure runs in {state}.")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("", "process", "since", "memory", "state"):
        table.add_column(name, justify="right" if name in ("process", "memory") else "left")
    for part in found.parts:
        table.add_row(part.name, str(part.pid), _since(part.since), _memory(part), _state(part))
    console.print(table)
    console.print()
    print_addresses(found.addresses, [part.name for part in found.parts])
    if not found.ready:
        raise typer.Exit(_NOT_READY)


def _since(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" if moment else ""


def _memory(part: Part) -> str:
    return f"{part.memory / 2**20:.0f} MB" if part.memory else ""


def _state(part: Part) -> str:
    return f"[yellow]{part.trouble}" if part.trouble else "[green]ready"
