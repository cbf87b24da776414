"""The audit log on the command line: what it says, and whether anybody has been at it."""

from typing import Annotated

import typer

from busbar.api import AuditPage
from busbar.commands.console import LOCAL_URL, Key, Url, ask, refuse, say, show, table
from busbar.domain.audit import Head, verify


def audit(
    subject: Annotated[str, typer.Option(help="A release, a request, a circuit.", show_default=False)] = "",
    check: Annotated[
        bool, typer.Option("--verify", help="Compute the whole chain here; status 1 if it is broken.")
    ] = False,
    noted: Annotated[
        str, typer.Option(help="With --verify: NUMBER:DIGEST as noted earlier.", show_default=False)
    ] = "",
    limit: Annotated[int, typer.Option(help="How many entries, of the newest.", min=1, max=1000)] = 50,
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """The audit log, newest first; with --verify whether it is whole."""
    if check:
        _verify(ask(lambda api: api.whole_audit(), url, key), noted)
        return
    found = table("#", "at", "kind", "by", "what happened")
    for entry in reversed(ask(lambda api: api.audit(subject=subject, limit=limit), url, key).entries):
        at = entry.at[:19].replace("T", " ")
        found.add_row(str(entry.sequence), at, entry.kind, entry.actor, entry.sentence)
    show(found, "the audit log says nothing about that" if subject else "the audit log is empty")


def _verify(log: AuditPage, noted: str) -> None:
    """Against the log's own head and, where somebody noted one earlier, against that."""
    heads = [log.head, *([_head(noted)] if noted else [])]
    for head in heads:
        verdict = verify(log.entries, head)
        if not verdict.whole:
            raise refuse(f"the audit log is broken: {verdict.sentence}")
    say(f"{len(log.entries)} entries, each follows the one before it")
    say(f"head {log.head.sequence}:{log.head.digest}")


def _head(noted: str) -> Head:
    sequence, _, digest = noted.partition(":")
    if not sequence.isdecimal() or not digest:
        raise refuse(f"--noted: {noted!r} is not NUMBER:DIGEST, as --verify says it")
    return Head(int(sequence), digest)
