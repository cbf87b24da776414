"""What the commands share: the state folder's option, what is printed, and how they fail."""

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from localazure.service import Addresses

DEFAULT_STATE = Path(".localazure")
StateOption = Annotated[Path, typer.Option(help="Folder of everything this local Azure remembers.")]

console = Console()
errors = Console(stderr=True)


def say(text: str) -> None:
    """One line to the person, as it is: no markup, no wrapping."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def fail(message: str, status: int = 1) -> NoReturn:
    errors.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(status)


def wait_until(condition: Callable[[], bool], seconds: float, complaint: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            fail(complaint)
        time.sleep(0.03)


def print_addresses(addresses: Addresses, running: Collection[str]) -> None:
    """Where to look, of the parts that are `running`."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for part, name, address in (
        ("azure", "Start page", addresses.pages),
        ("functions", "App", addresses.functions),
        ("azure", "Azure", addresses.azure),
        ("azurite", "Blobs", addresses.blob),
        ("azurite", "Tables", addresses.table),
    ):
        if part in running:
            table.add_row(name, address)
    console.print(table)
