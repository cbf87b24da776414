"""What all commands share: where Busbar answers, how it is asked, and how tables look."""

from collections.abc import Callable
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from busbar.api import Api, ApiError

Url = Annotated[str, typer.Option("--url", envvar="BUSBAR_URL", help="Where Busbar answers.")]
Key = Annotated[str, typer.Option("--key", envvar="BUSBAR_KEY", help="A function key.", show_default=False)]
Ref = Annotated[str, typer.Option(help="Branch or commit; the default branch if left out.")]

LOCAL_URL = "http://127.0.0.1:7071"


def table(*columns: str) -> Table:
    """A table whose last column takes the room that is left; the others are never cut."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        made.add_column(column, no_wrap=column != columns[-1], overflow="fold")
    return made


def show(made: Table, empty: str) -> None:
    Console().print(made if made.row_count else empty)


def say(text: str) -> None:
    """A sentence as it is: what looks like markup is text."""
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


def refuse(text: str) -> typer.Exit:
    """Say what is wrong on standard error; raise what this gives to end with status 1."""
    Console(stderr=True).print(f"busbar: {text}", markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(1)


def started(command: Callable[[Api], str], url: str, key: str) -> None:
    say(f"started {ask(command, url, key)}")


def ask[T](question: Callable[[Api], T], url: str, key: str) -> T:
    """Ask; a refusal ends the program with its sentence on standard error and status 1."""
    try:
        return question(Api(url, key))
    except ApiError as error:
        refusal = refuse(str(error))
        if error.status is None:
            refuse("is it running (`make up`), and is BUSBAR_URL right?")
        elif error.status in (401, 403):
            refuse("set BUSBAR_KEY to a function key of the app")
        raise refusal from None
