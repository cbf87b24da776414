"""Environments on the command line: give a new one to what is deployed, see on which models it was tried."""

from typing import Annotated

import typer
from rich.table import Table

from busbar.commands.console import LOCAL_URL, Key, Url, ask, say, show, table
from busbar.domain.environments import Compatibility, EnvironmentRelease

environments = typer.Typer(help="Environment-only releases.", no_args_is_help=True)

Version = Annotated[str, typer.Argument(help="Major.minor.patch.", show_default=False)]
Ref = Annotated[str, typer.Option(help="Branch or commit that has it; the default branch if left out.")]


@environments.command()
def release(version: Version, ref: Ref = "", url: Url = LOCAL_URL, key: Key = "") -> None:
    """Try a non-breaking environment on every deployed model; then, once people agree, move the deployments to it."""
    started = ask(lambda api: api.release_environment(version, ref), url, key)
    say(f"started {started}")
    say(f"`busbar environments show {version}` says how it stands")


@environments.command("show")
def show_environment(version: Version, url: Url = LOCAL_URL, key: Key = "") -> None:
    """How an environment's release stands, and which models stay the same in it."""
    found = ask(lambda api: api.environment(version), url, key)
    say(f"{found.name} {found.version}: {found.status}: {found.sentence}")
    if found.matrix:
        show(_matrix(found), "")


def _matrix(release: EnvironmentRelease) -> Table:
    made = table("circuit", "model", "from", "verdict", "difference", "windows", "why")
    for one in sorted(release.matrix, key=lambda one: (one.compatible, one.key)):
        made.add_row(*_row(one))
    return made


def _row(one: Compatibility) -> tuple[str, ...]:
    found, apart = one.comparison, one.comparison.max_difference
    return (
        str(one.key),
        f"v{found.model_version}",
        found.before,
        "ok" if one.compatible else "failed",
        "–" if apart is None else f"{apart:.2g} σ",
        str(found.compared),
        "" if one.compatible else one.sentence.partition(": ")[2],
    )
