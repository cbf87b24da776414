"""Pages of release sets: all of them, one with where each circuit stands, and what differs between two."""

from collections import Counter
from dataclasses import dataclass
from itertools import groupby

from busbar.domain.release import Pin, ReleaseSet
from busbar.domain.release_diff import Change, Diff
from busbar.domain.release_record import Place, ReleaseRecord
from busbar.domain.release_status import OnRecord, Standing, State, latest, standings
from busbar.pages.render import render
from busbar.pages.rows import in_order
from busbar.pages.voters import Ask


@dataclass(frozen=True)
class ReleaseList:
    """A page of the index, newest first; `next` is the id that the following page comes after."""

    records: tuple[ReleaseRecord, ...]
    next: str = ""


@dataclass(frozen=True)
class ReleaseLine:
    """A pin and where it stands at each place."""

    pin: Pin
    standings: tuple[Standing, ...]

    @property
    def latest(self) -> Standing:
        return latest(self.standings)


@dataclass(frozen=True)
class ReleaseView:
    """One release set; `before` is the id of the one composed before it."""

    release: ReleaseSet
    known: OnRecord
    before: str = ""

    @property
    def lines(self) -> tuple[ReleaseLine, ...]:
        """One a pin, in the order of their numbers."""
        pins = sorted(self.release.pins, key=lambda pin: in_order(pin.key))
        return tuple(ReleaseLine(pin, standings(pin, self.known)) for pin in pins)


RUNS = (State.DEPLOYED, State.RAMPING)
"""What a rollback takes back."""

HOLDS = {Place.REGISTRY: (State.PROMOTED,), Place.TEST: (State.DEPLOYED,), Place.PROD: (State.DEPLOYED,)}


def releases(view: ReleaseList) -> str:
    """All release sets, newest first."""
    return render("releases.html", view=view)


def release(view: ReleaseView) -> str:
    """What it pins, where that stands, and who decided."""
    lines = view.lines
    at = {
        place: sum(line.standings[index].state in HOLDS[place] for line in lines)
        for index, place in enumerate(Place)
    }
    states = Counter(line.latest.state for line in lines)
    return render(
        "release.html",
        view=view,
        record=view.known.record,
        asked=[Ask(dossier) for dossier in view.known.asked],
        plants=_by_plant(lines),
        places=tuple(Place),
        at=at,
        stayed=sum(states[state] for state in (State.HELD, State.EXCLUDED, State.REJECTED)),
        back=states[State.ROLLED_BACK],
        runs_in=[
            place
            for index, place in enumerate(Place)
            if place.stage and any(line.standings[index].state in RUNS for line in lines)
        ],
    )


def release_diff(found: Diff) -> str:
    """What differs, circuit by circuit."""
    ordered = sorted(found.changes, key=lambda change: in_order(change.key))
    return render("release_diff.html", diff=found, plants=_changes_by_plant(ordered))


def _by_plant(lines: tuple[ReleaseLine, ...]) -> tuple[tuple[str, tuple[ReleaseLine, ...]], ...]:
    return tuple((plant, tuple(group)) for plant, group in groupby(lines, lambda line: line.pin.key.plant_id))


def _changes_by_plant(changes: list[Change]) -> tuple[tuple[str, tuple[Change, ...]], ...]:
    return tuple(
        (plant, tuple(group)) for plant, group in groupby(changes, lambda change: change.key.plant_id)
    )
