"""The operator's command line, over the HTTP API: `python -m busbar circuits`."""

from typing import Annotated

import typer

from busbar.api import Snapshot
from busbar.commands.approvals import approvals
from busbar.commands.audit import audit
from busbar.commands.console import LOCAL_URL, Key, Ref, Url, ask, show, started, table
from busbar.commands.drift import drift, look
from busbar.commands.environments import environments
from busbar.commands.merges import merge, merges
from busbar.commands.releases import releases
from busbar.commands.retention import retention
from busbar.commands.rollback import drill, lift, rollback
from busbar.commands.runs import cancel, pause, resume, retry
from busbar.domain.policies import Stage
from busbar.domain.training import Verdict

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

app.command()(approvals)
app.command()(audit)
app.command()(drift)
app.command()(look)
app.command()(merge)
app.command()(merges)
app.add_typer(releases, name="releases")
app.command()(retention)
app.command()(rollback)
app.add_typer(environments, name="environments")
app.command()(drill)
app.command()(lift)
app.command()(pause)
app.command()(resume)
app.command()(cancel)
app.command()(retry)


@app.command()
def circuits(url: Url = LOCAL_URL, key: Key = "") -> None:
    """Every circuit: verdict and reason, model, what serves it, its last scoring."""
    found = table("circuit", "verdict", "model", "dev", "test", "prod", "rows", "reason")
    for name, state in sorted(_snapshot(url, key).circuits.items()):
        record = state.record
        serving = [
            state.deployments[stage].model_version if stage in state.deployments else "–" for stage in Stage
        ]
        scoring = state.scorings.get(Stage.PROD)
        rows = str(scoring.rows) if scoring else "–"
        reason = "" if record.verdict is Verdict.TRAINED else record.reason
        found.add_row(str(name), record.verdict, record.model_version or "–", *serving, rows, reason)
    show(found, "no circuit yet: push a commit with config/circuits.yaml")


@app.command()
def runs(url: Url = LOCAL_URL, key: Key = "") -> None:
    """Training runs, newest first."""
    found = table("id", "updated", "status", "branch", "by", "what happened")
    for run in _snapshot(url, key).runs:
        updated = run.updated_at[:16].replace("T", " ")
        status = "on hold" if run.paused else run.status
        found.add_row(run.id, updated, status, run.branch, run.requester, run.paused or run.sentence)
    show(found, "no run yet: push to a branch that trains")


@app.command()
def train(
    circuits: Annotated[str, typer.Argument(help="PLANT1/CIRC1,PLANT1/CIRC2,…")],
    ref: Ref = "",
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """Train circuits by name, whatever their training hash says."""
    started(lambda api: api.train(circuits, ref), url, key)


@app.command()
def score(
    stage: Annotated[Stage, typer.Option(help="Deployment stage.")] = Stage.PROD,
    day: Annotated[str, typer.Option(help="YYYY-MM-DD; Busbar's default if left out.")] = "",
    since: Annotated[str, typer.Option(help="YYYY-MM-DD: make up for all days from it on, and look.")] = "",
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """Score every circuit that a stage serves."""
    started(lambda api: api.score(stage, day, since), url, key)


def _snapshot(url: str, key: str) -> Snapshot:
    return ask(lambda api: api.snapshot(), url, key)
