"""An operator's hand on a run: pause, resume, cancel, retry."""

from typing import Annotated

import typer

from busbar.commands.console import LOCAL_URL, Key, Url, ask, refuse, say
from busbar.commands.rollback import By, Yes
from busbar.domain.recovery import Control

Run = Annotated[str, typer.Argument(help="A run's id, as `busbar runs` and the pages show it.")]
Why = Annotated[str, typer.Option("--reason", help="Why; the audit log keeps it.", show_default=False)]


def pause(run: Run, reason: Why = "", by: By = "operator", url: Url = LOCAL_URL, key: Key = "") -> None:
    """Let nothing new start in a run; jobs under way end."""
    _control(Control.PAUSE, run, reason, by, url, key)


def resume(run: Run, reason: Why = "", by: By = "operator", url: Url = LOCAL_URL, key: Key = "") -> None:
    """Let a paused run go on where it was."""
    _control(Control.RESUME, run, reason, by, url, key)


def cancel(
    run: Run, reason: Why = "", yes: Yes = False, by: By = "operator", url: Url = LOCAL_URL, key: Key = ""
) -> None:
    """End a run with its jobs, its candidates and its open questions. What serves goes on serving."""
    if not yes and not typer.confirm(f"Cancel {run} and everything it has under way?"):
        raise refuse("nothing was done")
    _control(Control.CANCEL, run, reason, by, url, key)


def retry(run: Run, reason: Why = "", by: By = "operator", url: Url = LOCAL_URL, key: Key = "") -> None:
    """Start a run again that has ended without success; it takes up only what is missing."""
    _control(Control.RETRY, run, reason, by, url, key)


def _control(control: Control, run: str, reason: str, by: str, url: str, key: str) -> None:
    if not reason:
        raise refuse("say why: --reason …")
    say(ask(lambda api: api.control(run, control, reason, by), url, key))
