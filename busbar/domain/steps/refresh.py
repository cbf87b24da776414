"""New cutoff dates, by age or by a stage's schedule."""

from dataclasses import dataclass

from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage


@dataclass(frozen=True)
class RefreshRun:
    """Move the cutoff dates that are due by the training branch's policy.

    With a `stage` its schedule is due, and its circuits move (of dev: all), whatever their age. `due` is when, ISO
    8601: the instance's id carries it. Without a stage, circuits move whose readings are much newer.
    With `circuits` these move, whatever their age, for a `cause` in words.
    """

    stage: Stage | None = None
    due: str = ""
    circuits: tuple[CircuitKey, ...] = ()
    cause: str = ""


@dataclass(frozen=True)
class Refreshed:
    """The circuits that move, the commit that moves them (none where nothing is due), and a sentence."""

    sentence: str
    circuits: tuple[CircuitKey, ...] = ()
    commit: str | None = None
