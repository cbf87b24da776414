"""`logs`: the end of what the parts wrote, and what they go on writing."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from localazure.commands.screen import DEFAULT_STATE, StateOption, console, fail, say

_LOOK_SECONDS = 0.2

NameArgument = Annotated[
    str | None, typer.Argument(help="azurite, azure, functions or supervisor; all if left out.")
]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Print what is written from now on, too.")]


def logs(
    name: NameArgument = None,
    follow: FollowOption = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last ones.")] = 50,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Print the end of the parts' logs."""
    folder = state.absolute() / "logs"
    found = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if name and name not in found:
        known = f"there are {', '.join(found)}" if found else "nothing ran there yet"
        fail(f"There is no log of {name} in {folder}: {known}.")
    if not found:
        fail(f"There are no logs in {folder}: nothing ran there yet.")
    chosen = {name: found[name]} if name else found
    ends = {one: path.stat().st_size for one, path in chosen.items()}
    for one, path in chosen.items():
        if len(chosen) > 1:
            console.rule(one)
        for line in _last(path, lines, ends[one]):
            say(line)
    if follow:
        for one, line in _written(chosen, ends):
            say(f"{one:<11}{line}" if len(chosen) > 1 else line)


def _last(path: Path, lines: int, end: int) -> list[str]:
    with path.open("rb") as log:
        return log.read(end).decode(errors="replace").splitlines()[-lines:] if lines else []


def _written(logs: Mapping[str, Path], ends: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """(log, line) of what comes after `ends`, until Ctrl-C."""
    with ExitStack() as opened:
        files = {name: opened.enter_context(path.open(errors="replace")) for name, path in logs.items()}
        begun = dict.fromkeys(files, "")
        for name, file in files.items():
            file.seek(ends[name])
        while True:
            for name, file in files.items():
                *whole, begun[name] = (begun[name] + file.read()).split("\n")
                yield from ((name, line) for line in whole)
            time.sleep(_LOOK_SECONDS)
