"""Release sets on the command line: which there are, where one stands, what differs, composing one."""

from typing import Annotated

import typer

from busbar.commands.console import LOCAL_URL, Key, Url, ask, say, show, table
from busbar.domain.release_record import Place

releases = typer.Typer(help="Release sets: without a command, the newest.", invoke_without_command=True)

Requester = Annotated[
    str, typer.Option(envvar="BUSBAR_LOGIN", help="Your git login: who asks never approves.")
]


@releases.callback()
def newest(
    context: typer.Context,
    after: Annotated[str, typer.Option(help="Those older than this one.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=200)] = 20,
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """Release sets, newest first."""
    if context.invoked_subcommand:
        return
    page = ask(lambda api: api.releases(after=after, limit=limit), url, key)
    found = table("release", "composed", "by", "from", "circuits", "status", "how far it has come")
    for record in page.releases:
        composed, count = record.composed_at[:16].replace("T", " "), str(len(record.circuits))
        said = ", ".join([*(f"superseded by {id}" for id in record.successors), record.sentence])
        found.add_row(record.id, composed, record.requester, record.origin, count, record.status, said)
    show(found, "no release set yet: a training run composes one of what passes its gates")
    if page.next:
        say(f"older ones: busbar releases --after {page.next}")


@releases.command("show")
def show_one(id: Annotated[str, typer.Argument(help="r-…")], url: Url = LOCAL_URL, key: Key = "") -> None:
    """Where each circuit of a release set stands, and why."""
    release = ask(lambda api: api.release(id), url, key)
    say(f"{release.id}: {release.status}{release.sentence and ': ' + release.sentence}")
    found = table("circuit", "model", *Place, "why")
    for pin in release.pins:
        standings = release.standings[pin.circuit]
        told = [one for one in standings.values() if one["sentence"]]
        states = [standings[place]["state"] for place in Place]
        found.add_row(pin.circuit, f"v{pin.model_version}", *states, told[-1]["sentence"] if told else "")
    show(found, "it pins nothing")


@releases.command()
def diff(
    before: Annotated[str, typer.Argument(help="r-…")],
    after: Annotated[str, typer.Argument(help="r-…")],
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """What differs between two release sets, circuit by circuit."""
    found = ask(lambda api: api.release_diff(before, after), url, key)
    say(found.sentence)
    for change in found.changes:
        say(f"  {change['sentence']}")


@releases.command()
def compose(
    pins: Annotated[str, typer.Argument(help="PLANT1/CIRC1=3,PLANT2/CIRC2=1", show_default=False)] = "",
    source: Annotated[str, typer.Option("--from", help="test: what test runs now.", show_default=False)] = "",
    requester: Requester = "",
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """Compose a release set and send it on the ordinary way: registry, test, prod, each once approved."""
    composed = ask(lambda api: api.compose(pins, source, requester), url, key)
    say(f"composed {composed.release}, started {composed.id}")
