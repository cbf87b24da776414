"""The page of retention: what may go and why, what stays and why, and of a purge what became of it."""

from collections import Counter
from dataclasses import dataclass

from busbar.domain.policies import RetentionPolicy, Stage
from busbar.domain.retention import PLACES, Item, Kind, days
from busbar.domain.steps import RetentionReport
from busbar.pages.render import render

SHOWN = 500
"""So many lines of a list; the report's JSON has all of them."""

OTHERS = 12


@dataclass(frozen=True)
class PlaceLine:
    """A kind in a place: for how many days it is kept, how many go and how many stay although they are old."""

    kind: Kind
    place: str
    days: int
    going: int
    kept: int


def retention(report: RetentionReport | None, ids: tuple[str, ...] = ()) -> str:
    """A report, and the other ones by their ids, newest first; `None`: nobody has looked yet."""
    others = [id for id in ids if report is None or id != report.run.id][:OTHERS]
    return render(
        "retention.html",
        report=report,
        places=_places(report) if report else (),
        others=others,
        most=SHOWN,
        fates={fate.item: fate for fate in report.fates} if report else {},
    )


def _places(report: RetentionReport) -> tuple[PlaceLine, ...]:
    """In the order of the stages, the registry before those that it serves."""
    going = Counter(_where(ruling.item) for ruling in report.plan.purge)
    kept = Counter(_where(ruling.item) for ruling in report.plan.kept)
    terms = {stage: report.run.terms.get(stage, RetentionPolicy()) for stage in Stage}
    asked = (at for at in PLACES if report.run.place in ("", at[1]))
    return tuple(PlaceLine(*at, days(terms, *at), going[at], kept[at]) for at in asked)


def _where(item: Item) -> tuple[Kind, str]:
    return item.kind, str(item.place)
