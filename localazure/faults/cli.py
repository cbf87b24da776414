"""`python -m localazure faults`: list, add, clear, log; against the local Azure that runs in the state folder."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from localazure.commands.screen import DEFAULT_STATE, StateOption, console, fail, say
from localazure.faults.asking import PATH, pairs
from localazure.faults.fault import FaultError
from localazure.faults.kinds import KINDS
from localazure.supervisor import holder, read_state

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

app = typer.Typer(
    help="Let things go wrong in the local Azure that runs.",
    add_completion=False,
    invoke_without_command=True,
)


def seconds(text: str) -> float:
    """`30`, `30s`, `500ms`, `5m`, `1h`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no duration: 30s, 500ms, 5m or 1h")
    return float(found[1]) * _UNITS[found[2]]


@app.callback()
def default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        show(DEFAULT_STATE)


@app.command("list")
def show(state: StateOption = DEFAULT_STATE) -> None:
    """Show the faults that were asked for."""
    table = Table("id", "kind", "where", "how often", "happened", "state", box=None, padding=(0, 2, 0, 0))
    for one in _ask(state, "GET")["faults"]:
        table.add_row(*_row(one))
    if table.row_count:
        console.print(table, markup=False, highlight=False)
    else:
        say("No faults: everything works.")


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help=", ".join(KINDS))],
    where: Annotated[list[str], typer.Option(help="name=pattern, with * and ?; may be repeated.")] = [],  # noqa: B006 - typer reads it
    set_: Annotated[list[str], typer.Option("--set", help="parameter=value; may be repeated.")] = [],  # noqa: B006 - typer reads it
    probability: Annotated[float | None, typer.Option(help="Of each that is met; all if left out.")] = None,
    every: Annotated[int | None, typer.Option(help="Only every n-th that is met.")] = None,
    times: Annotated[int | None, typer.Option(help="End after so many.")] = None,
    for_: Annotated[float | None, typer.Option("--for", parser=seconds, help="End after 30s, 5m …")] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same draws.")] = 0,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Have something go wrong, for a while or some times."""
    try:
        asked: dict[str, Any] = {"kind": kind, "where": pairs(where, "where"), "seed": seed}
        asked["parameters"] = pairs(set_, "parameters")
    except FaultError as error:
        fail(str(error))
    given = {"probability": probability, "every": every, "times": times, "for_seconds": for_}
    asked |= {name: value for name, value in given.items() if value is not None}
    say(_ask(state, "POST", json=asked)["id"])


@app.command()
def clear(
    identifier: Annotated[str | None, typer.Argument(help="One fault; all if left out.")] = None,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """End one fault, or all."""
    count = _ask(state, "DELETE", f"/{identifier}" if identifier else "")["cleared"]
    say(f"Cleared {count}.")


@app.command()
def log(state: StateOption = DEFAULT_STATE) -> None:
    """Show what was injected into what, the last first."""
    for entry in _ask(state, "GET", "/log")["log"]:
        at = datetime.fromtimestamp(entry["at"], UTC).strftime("%H:%M:%S.%f")[:-3]
        into = " ".join(f"{name}={value}" for name, value in entry["into"].items() if value)
        say(f"{at} {entry['kind']} {into}")


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    fault = one["fault"]
    often = [f"every {fault['every']}"] if fault["every"] > 1 else []
    often += [f"{fault['probability']:.0%}"] if fault["probability"] < 1 else []
    bounds = f" of {fault['times']}" if fault["times"] else ""
    left = datetime.fromtimestamp(one["added"] + fault["for_seconds"], UTC)
    return (
        one["id"],
        fault["kind"],
        " ".join(f"{name}={pattern}" for name, pattern in fault["where"].items()) or "everywhere",
        ", ".join(often) or "always",
        f"{one['injected']}{bounds}",
        f"live until {left:%H:%M:%S} UTC" if one["live"] else "over",
    )


def _ask(state: Path, method: str, path: str = "", **options: Any) -> dict[str, Any]:
    import httpx  # `up` and the other commands have no use for it

    state = state.absolute()
    body = read_state(state)
    if not (holder(state) and body.get("ready")):
        fail(f"No local Azure runs in {state}: start it with `python -m localazure up`")
    try:
        answer = httpx.request(
            method, f"{body['addresses']['pages']}{PATH}{path}", trust_env=False, timeout=30, **options
        )
    except httpx.HTTPError as error:
        fail(f"The azure server does not answer: {error}")
    if answer.is_error:
        fail(str(answer.json()["error"]["message"]))
    return answer.json()
