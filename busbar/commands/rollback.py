"""Rollback on the command line: what would go back, a question, live progress, and the time against the promise."""

import time
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from busbar.api import Api, RollbackPreview, RollbackState
from busbar.commands.console import LOCAL_URL, Key, Url, ask, refuse, say, show, table
from busbar.domain.policies import Stage
from busbar.domain.rollback import PROMISE_SECONDS

Scope = Annotated[
    str, typer.Argument(help="PLANT1/CIRC1, PLANT1 or r-…; nothing with --all.", show_default=False)
]
InStage = Annotated[Stage, typer.Option(help="Deployment stage.")]
Reason = Annotated[str, typer.Option(help="Why; the audit log keeps it.", show_default=False)]
Everything = Annotated[bool, typer.Option("--all", help="All of the stage.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
By = Annotated[str, typer.Option("--as", envvar="USER", help="Your name, for the audit log.")]
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class _Wish:
    """What is to go back, and who wants it why."""

    stage: Stage
    scope: str
    everything: bool
    reason: str
    by: str
    drill: bool = False


def rollback(
    scope: Scope = "",
    stage: InStage = Stage.PROD,
    reason: Reason = "",
    everything: Everything = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go back.")] = False,
    yes: Yes = False,
    by: By = "operator",
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """Bring a circuit, a plant, a release or a stage back to what served before. One step back, never two."""
    wish = _Wish(stage, scope, everything, reason, by)
    preview = _preview(wish, url, key)
    if not dry_run:
        _confirm(f"Roll back {len(preview.returns)} in {stage}?", wish, yes)
        _go(wish, url, key)


def drill(
    scope: Scope = "",
    stage: InStage = Stage.TEST,
    reason: Reason = "drill",
    everything: Everything = False,
    yes: Yes = False,
    by: By = "operator",
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """Roll a scope back and forward again with the timer running; ramps under way are left alone."""
    wish = _Wish(stage, scope, everything, reason, by, drill=True)
    preview = _preview(wish, url, key)
    _confirm(f"Roll back {len(preview.returns)} in {stage}, and forward again?", wish, yes)
    _go(wish, url, key)


def lift(
    scope: Scope,
    stage: InStage = Stage.PROD,
    reason: Reason = "",
    by: By = "operator",
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """Let what was rolled back be deployed again; a new approval decides whether it is."""
    say(ask(lambda api: api.lift(stage, scope, reason, by), url, key))


def _preview(wish: _Wish, url: str, key: str) -> RollbackPreview:
    """Show what would happen; end with status 1 where nothing can."""
    if bool(wish.scope) == wish.everything:
        raise refuse("name a scope (PLANT1/CIRC1, PLANT1, r-…), or say --all")
    preview = ask(lambda api: api.rollback_preview(wish.stage, wish.scope), url, key)
    if preview.refused:
        raise refuse(preview.sentence)
    found = table("circuit", "leaves", "serves again", "what happens")
    for step in preview.returns:
        found.add_row(step.circuit, step.leaves, step.serves, step.sentence)
    for stay in preview.stays:
        found.add_row(stay.circuit, "", "stays", stay.reason)
    show(found, "")
    say(preview.sentence)
    return preview


def _confirm(question: str, wish: _Wish, yes: bool) -> None:
    if not wish.reason:
        raise refuse("say why: --reason …")
    if not yes and not typer.confirm(question):
        raise refuse("nothing was done")


def _go(wish: _Wish, url: str, key: str) -> None:
    """Start it and watch it; status 1 unless every circuit got there."""
    id = ask(
        lambda api: api.rollback(
            wish.stage, wish.scope, wish.reason, wish.by, everything=wish.everything, drill=wish.drill
        ),
        url,
        key,
    )
    say(f"{id} ({url.rstrip('/')}/rollbacks/{id})")
    ended = ask(lambda api: _watched(api, id), url, key)
    say(ended.sentence)
    if not ended.done:
        raise typer.Exit(1)


def _watched(api: Api, id: str) -> RollbackState:
    """Show how many circuits are back until it has ended."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(), transient=True) as progress:
        bar = progress.add_task(f"back (promised: {PROMISE_SECONDS // 60} minutes)", total=None)
        while True:
            state = api.rollback_state(id)
            if state is not None:
                progress.update(bar, total=state.wanted, completed=state.back)
                if state.ended:
                    return state
            time.sleep(POLL_SECONDS)
