"""The operator's command line, over the HTTP API: `python -m busbar circuits`."""

from collections.abc import Callable
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from busbar.api import Api, ApiError, Snapshot
from busbar.domain.policies import Stage
from busbar.domain.training import Verdict

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Url = Annotated[str, typer.Option("--url", envvar="BUSBAR_URL", help="Where Busbar answers.")]
Key = Annotated[str, typer.Option("--key", envvar="BUSBAR_KEY", help="A function key.", show_default=False)]
Ref = Annotated[str, typer.Option(help="Branch or commit; the default branch if left out.")]

LOCAL_URL = "http://127.0.0.1:7071"


@app.command()
def circuits(url: Url = LOCAL_URL, key: Key = "") -> None:
    """Every circuit: verdict and reason, model, what serves it, its last scoring."""
    table = _table("circuit", "verdict", "model", "dev", "test", "prod", "rows", "reason")
    for name, state in sorted(_snapshot(url, key).circuits.items()):
        record = state.record
        serving = [
            state.deployments[stage].model_version if stage in state.deployments else "–" for stage in Stage
        ]
        scoring = state.scorings.get(Stage.PROD)
        rows = str(scoring.rows) if scoring else "–"
        reason = "" if record.verdict is Verdict.TRAINED else record.reason
        table.add_row(str(name), record.verdict, record.model_version or "–", *serving, rows, reason)
    _print(table, "no circuit yet: push a commit with config/circuits.yaml")


@app.command()
def runs(url: Url = LOCAL_URL, key: Key = "") -> None:
    """Training runs, newest first."""
    table = _table("commit", "updated", "status", "branch", "by", "what happened")
    for run in _snapshot(url, key).runs:
        updated = run.updated_at[:16].replace("T", " ")
        table.add_row(run.commit[:8], updated, run.status, run.branch, run.requester, run.sentence)
    _print(table, "no run yet: push to a branch that trains")


@app.command()
def approvals(url: Url = LOCAL_URL, key: Key = "") -> None:
    """What waits for somebody's decision. Deciding is done by the link in the mail, by the person it was sent to."""
    table = _table("gate", "votes", "asked", "subject")
    for pending in _snapshot(url, key).pending:
        votes = f"{len(pending.votes)} of {pending.quorum}"
        table.add_row(pending.gate, votes, ", ".join(pending.approvers), pending.subject)
    _print(table, "nothing waits for a decision")


@app.command()
def train(
    circuits: Annotated[str, typer.Argument(help="PLANT1/CIRC1,PLANT1/CIRC2,…")],
    ref: Ref = "",
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """Train circuits by name, whatever their training hash says."""
    _started(lambda api: api.train(circuits, ref), url, key)


@app.command()
def merge(ref: Ref = "", url: Url = LOCAL_URL, key: Key = "") -> None:
    """Merge the raw files into the table of readings now."""
    _started(lambda api: api.merge(ref), url, key)


@app.command()
def score(
    stage: Annotated[Stage, typer.Option(help="Deployment stage.")] = Stage.PROD,
    day: Annotated[str, typer.Option(help="YYYY-MM-DD; Busbar's default if left out.")] = "",
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """Score every circuit that a stage serves."""
    _started(lambda api: api.score(stage, day), url, key)


def _table(*columns: str) -> Table:
    """A table whose last column takes the room that is left; the others are never cut."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=column != columns[-1], overflow="fold")
    return table


def _print(table: Table, empty: str) -> None:
    Console().print(table if table.row_count else empty)


def _snapshot(url: str, key: str) -> Snapshot:
    return _ask(lambda api: api.snapshot(), url, key)


def _started(command: Callable[[Api], str], url: str, key: str) -> None:
    Console().print(f"started {_ask(command, url, key)}")


def _ask[T](question: Callable[[Api], T], url: str, key: str) -> T:
    """Ask; a refusal ends the program with its sentence on standard error and status 1."""
    try:
        return question(Api(url, key))
    except ApiError as error:
        Console(stderr=True).print(f"busbar: {error}", markup=False, highlight=False)
        if error.status is None:
            hint = "is it running (`make up`), and is BUSBAR_URL right?"
        elif error.status in (401, 403):
            hint = "set BUSBAR_KEY to a function key of the app"
        else:
            hint = ""
        if hint:
            Console(stderr=True).print(f"busbar: {hint}", markup=False, highlight=False)
        raise typer.Exit(1) from None
