"""`busbar retention`: what may be purged and why, what stays and why; with `--apply` the purge of just that."""

import time
from enum import StrEnum
from typing import Annotated

import typer

from busbar.api import Api
from busbar.commands.console import LOCAL_URL, Key, Url, ask, refuse, say, show, table
from busbar.domain.policies import Stage
from busbar.domain.retention import REGISTRY, Item, Ruling
from busbar.domain.steps import RetentionReport

POLL_SECONDS = 0.5
SHOWN = 200  # lines of each list: the page and its JSON have all of them


class Where(StrEnum):
    DEV = Stage.DEV
    TEST = Stage.TEST
    PROD = Stage.PROD
    REGISTRY = REGISTRY


def retention(
    stage: Annotated[Where | None, typer.Option(help="One place; everywhere if left out.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Purge it, after a question.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    by: Annotated[
        str, typer.Option("--as", envvar="USER", help="Your name, for the audit log.")
    ] = "operator",
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """What is older than its stage keeps it and nothing refers to: a report, and with --apply its purge."""
    place = stage.value if stage else ""
    shown = ask(lambda api: _ended(api, api.look_at_retention(place, by)), url, key)
    _show(shown, url)
    if not apply or not (shown.plan.purge or shown.predictions):
        return
    if not yes and not typer.confirm("Purge that?"):
        raise refuse("nothing was purged")
    done = ask(lambda api: _ended(api, api.purge(shown.run.id, by)), url, key)
    found = table("stays", "where", "why")
    for fate in done.fates:
        if not fate.purged:
            found.add_row(_named(fate.item), f"{fate.item.kind}, {fate.item.place}", fate.sentence)
    if found.row_count:
        show(found, "")
    _say(done, url)


def _show(report: RetentionReport, url: str) -> None:
    found = table("", "what", "where", "why")
    for goes, rulings in (("goes", report.plan.purge), ("stays", report.plan.kept)):
        for ruling in rulings[:SHOWN]:
            found.add_row(goes, *_cells(ruling))
        if len(rulings) > SHOWN:
            found.add_row(goes, f"… and {len(rulings) - SHOWN} more", "", _page(report, url))
    show(found, "nothing is older than it is kept")
    _say(report, url)


def _say(report: RetentionReport, url: str) -> None:
    say("; ".join(filter(None, (report.sentence, report.predictions))) + f" ({_page(report, url)})")


def _cells(ruling: Ruling) -> tuple[str, str, str]:
    return _named(ruling.item), f"{ruling.item.kind}, {ruling.item.place}", ruling.reason


def _named(item: Item) -> str:
    return f"{item.name}:{item.version}" if item.version else item.name


def _page(report: RetentionReport, url: str) -> str:
    return f"{url.rstrip('/')}/retention/{report.run.id}"


def _ended(api: Api, id: str) -> RetentionReport:
    """Wait for a report; raises `ApiError` where its making broke off."""
    while True:
        report = api.retention_report(id)
        if report is not None and report.ended:
            return report
        time.sleep(POLL_SECONDS)
