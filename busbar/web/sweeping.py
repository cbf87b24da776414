"""Acting on an orchestration and on all that is below it."""

import time
from collections.abc import Callable
from typing import Protocol

from busbar.domain.errors import TemporarilyUnavailable
from busbar.domain.recovery import CLEANED, Standing, Trail

PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.1


class Tree(Protocol):
    """The part of the durable client that finds what is below an orchestration."""

    def standing(self, instance_id: str) -> Standing | None: ...
    def trail(self, instance_id: str) -> Trail: ...


class Terminating(Tree, Protocol):
    def terminate(self, instance_id: str, reason: str) -> None: ...


def sweep(
    orchestrations: Tree, root: str, act: Callable[[str], None], settled: Callable[[Standing], bool]
) -> list[Standing]:
    """Act on an orchestration and all that is below it, until all of it has settled; what there is by then.

    The parents come first, and the tree is read again until nothing new has shown: a parent may start a child while
    it is being stopped.
    """
    deadline, told = time.monotonic() + PATIENCE_SECONDS, set[str]()
    while True:
        found = tree(orchestrations, root)
        open_ = [one for one in found if not settled(one)]
        if not open_:
            return found
        for one in open_:
            if one.id not in told:
                act(one.id)
                told.add(one.id)
        if time.monotonic() > deadline:
            raise TemporarilyUnavailable(f"{open_[0].id} has not settled within {PATIENCE_SECONDS:g} s")
        time.sleep(LOOK_SECONDS)


def until_cleaned(orchestrations: Tree, cleaner: str) -> None:
    """Wait until what a cancelled run had under way is ended; one that was never cancelled has no cleaner."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := orchestrations.standing(cleaner)) and not found.ended and found.said != CLEANED:
        if time.monotonic() > deadline:
            raise TemporarilyUnavailable(f"{cleaner} has not been through within {PATIENCE_SECONDS:g} s")
        time.sleep(LOOK_SECONDS)


def end(orchestrations: Terminating, root: str, reason: str) -> list[Standing]:
    """Terminate an orchestration with all that is below it."""
    return sweep(orchestrations, root, lambda id: orchestrations.terminate(id, reason), lambda one: one.ended)


def tree(orchestrations: Tree, root: str) -> list[Standing]:
    """An orchestration and, below it, all that has not come back to it."""
    found, waiting = list[Standing](), [root]
    while waiting:
        standing = orchestrations.standing(waiting.pop(0))
        if standing is not None:
            found.append(standing)
            waiting += orchestrations.trail(standing.id).children
    return found
