"""How the host speaks to the person at the terminal."""

import logging
import sys
import warnings

from rich.console import Console
from rich.table import Table

from localazure.functions_host.worker import InvocationFailed

_QUIET = (
    "azure.core",
    "azure.functions",
    "azure.durable_functions",
    "azure.identity",
    "durabletask",
    "httpx",
    "urllib3",
    "uvicorn",
)
_MACHINERY = ("azure_functions_runtime", "azure/durable_functions", "concurrent/futures")


def set_up_logging() -> None:
    """One short line an event, on stderr; libraries speak from WARNING on."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message="azure.functions df_", category=DeprecationWarning)


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


def print_functions(base: str, rows: list[tuple[str, str, str]]) -> None:
    """The table of functions: name, trigger, address or schedule."""
    table = Table("function", "trigger", "address", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    console = Console(file=sys.stderr, width=None if sys.stderr.isatty() else 160)
    console.print(table)
    console.print(f"\nThe functions host listens on [bold]{base}[/bold]")
