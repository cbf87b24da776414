"""How the host speaks to the person at the terminal."""

import logging
import os
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from localazure.functions_host.worker import InvocationFailed

if TYPE_CHECKING:
    from localazure.functions_host.inventory import Listed  # which imports the triggers, which report

_QUIET = (
    "azure.core",
    "azure.functions",
    "azure.durable_functions",
    "azure.durable_functions.worker",  # a level of its own: it describes each turn to a logger that has none
    "azure.identity",
    "durabletask",
    "httpx",
    "urllib3",
    "uvicorn",
)
_DURABLE = ("orchestration", "entity", "activity")
_MACHINERY = (
    "azure_functions_runtime",
    "azure/durable_functions",
    "concurrent/futures",
    "importlib/__init__.py",
    "<frozen importlib",
)


_LEVELS = {
    "Trace": logging.DEBUG,
    "Debug": logging.DEBUG,
    "Information": logging.INFO,
    "Warning": logging.WARNING,
    "Error": logging.ERROR,
    "Critical": logging.CRITICAL,
    "None": logging.CRITICAL + 1,
}
_CATEGORIES = {  # of host.json's logLevel, and whose lines they are here; the later ones are within the earlier
    "default": "",
    "Function": "",
    "Host": "localazure",
    "Host.Triggers.DurableTask": "localazure.task_hub",
}


def set_up_logging(levels: Mapping[str, str]) -> None:
    """One short line an event, on stderr; libraries speak from WARNING on. `levels` are host.json's logLevel."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for category, logger in _CATEGORIES.items():
        if category in levels:
            logging.getLogger(logger).setLevel(_LEVELS[levels[category]])
    warnings.filterwarnings("ignore", message="azure.functions df_", category=DeprecationWarning)


def unknown_categories(levels: Iterable[str]) -> list[str]:
    """The categories of host.json's logLevel that are no logger's here."""
    return sorted(set(levels) - set(_CATEGORIES))


def report_failure(log: logging.Logger, error: InvocationFailed) -> None:
    """Say that an invocation failed, with the part of the traceback that is the app's."""
    log.error("%s failed: %s\n%s", error.function, error, app_frames(error.stack_trace))


def app_frames(stack_trace: str) -> str:
    """The traceback's frames without those of the worker library."""
    kept, skipping = list[str](), False
    for line in stack_trace.splitlines():
        if line.startswith("  File "):
            skipping = any(part in line.replace("\\", "/") for part in _MACHINERY)
        elif not line.startswith("   "):
            skipping = False
        if not skipping:
            kept.append(line)
    return "\n".join(kept)


def print_start(base: str, functions: "Sequence[Listed]", remarks: Iterable[str]) -> None:
    """What the host serves and what it does not, and where it listens."""
    console = _console()
    table = Table("function", "trigger", "methods", "address", box=None, pad_edge=False, header_style="bold")
    table.columns[3].overflow = "fold"  # an address is there to be copied
    for one in functions:
        if one.address or one.state:
            where = f"({one.state})" if one.state else one.address.removeprefix(base)
            table.add_row(one.name, one.trigger, one.methods, where)
    if table.row_count:
        console.print(table, markup=False, highlight=False)
    durable = Table.grid(padding=(0, 2, 0, 0))
    for trigger in _DURABLE:
        names = [one.name for one in functions if one.trigger == trigger and not one.state]
        if names:
            durable.add_row(Text(trigger, "bold"), ", ".join(names))
    if durable.row_count:
        console.print(durable, markup=False, highlight=False)
    for remark in remarks:
        console.print(remark, style="yellow", markup=False, highlight=False, soft_wrap=True)
    console.print(f"\nThe functions host listens on [bold]{base}[/bold]", soft_wrap=True)


def say(text: str) -> None:
    """A line for the person at the terminal."""
    _console().print(text, markup=False, highlight=False, soft_wrap=True)


def _console() -> Console:
    width = None if sys.stderr.isatty() or "COLUMNS" in os.environ else 160
    return Console(file=sys.stderr, width=width)
