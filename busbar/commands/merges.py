"""Merges of raw files on the command line."""

from typing import Annotated

import typer

from busbar.commands.console import LOCAL_URL, Key, Url, ask, show, started, table


def merge(
    ref: Annotated[str, typer.Option(help="Branch or commit; the branch that trains if left out.")] = "",
    full: Annotated[bool, typer.Option("--full", help="Read files that were merged before, too.")] = False,
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """Merge the raw files into the table of readings now."""
    started(lambda api: api.merge(ref, full=full), url, key)


def merges(
    limit: Annotated[int, typer.Option(help="How many, of the newest.", min=1, max=100)] = 20,
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """Recent merges: files, rows, what was merged and quarantined, the Delta version, seconds."""
    found = table("at", "files", "rows", "new", "corrected", "quarantined", "version", "s", "reasons")
    for one in ask(lambda api: api.merges(), url, key)[:limit]:
        at = one.at[:16].replace("T", " ")
        figures = (one.rows, one.inserted, one.updated, one.quarantined)
        cells = (
            ("–",) * 6
            if one.error
            else (f"{one.files_read} of {one.files}", *map(str, figures), one.versions)
        )
        told = one.sentence if one.error else one.top_reasons
        found.add_row(at, *cells, "–" if one.error else f"{one.seconds:.1f}", told)
    show(found, "no merge yet: put raw files into the container `raw`, then `busbar merge`")
