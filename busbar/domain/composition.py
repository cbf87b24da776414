"""Release sets that a person composes: which models are asked for, and why one may not go."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import BadRequest
from busbar.domain.gates import GateInput, evaluate, passed, summary
from busbar.domain.policies import Policies, Stage
from busbar.domain.release import Pin

MOST = 1000
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, order=True)
class Wanted:
    """A circuit and the version of its model."""

    key: CircuitKey
    version: str

    def __str__(self) -> str:
        return f"{self.key}={self.version}"


@dataclass(frozen=True)
class Candidacy:
    """What is known of a wanted model: its pin, whether a workspace or the registry has it, where it is deployed."""

    wanted: Wanted
    pin: Pin | None
    exists: bool
    known_circuit: bool = True
    deployed_to: tuple[Stage, ...] = ()


def parse_pins(text: str) -> tuple[Wanted, ...]:
    """Read `PLANT1/CIRC1=3,PLANT2/CIRC2=1`, each circuit once; raises `BadRequest` naming what is wrong."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise BadRequest("pins", "a release set needs one circuit at least: PLANT1/CIRC1=3,PLANT2/CIRC2=1")
    if len(parts) > MOST:
        raise BadRequest("pins", f"{len(parts)} circuits; a release set holds {MOST} at most")
    wanted = [_parse(part) for part in parts]
    if twice := _repeated(one.key for one in wanted):
        raise BadRequest("pins", f"{', '.join(twice)} more than once: one model a circuit")
    return tuple(sorted(wanted))


def objections(candidacies: Iterable[Candidacy], policies: Policies) -> tuple[str, ...]:
    """Why models may not be composed into a release set, one sentence each; none when all may."""
    return tuple(problem for one in candidacies if (problem := _objection(one, policies)))


def _objection(one: Candidacy, policies: Policies) -> str:
    if not one.known_circuit:
        return f"{one.wanted.key}: there is no such circuit"
    if not one.exists:
        return f"{one.wanted}: there is no such model version"
    if one.pin is None:
        return f"{one.wanted}: no training run of Busbar has registered it, so that nobody knows what made it: train it"
    if one.deployed_to:
        return ""
    thresholds = policies.stage(Stage.DEV).thresholds.overlaid(one.pin.thresholds)
    results = evaluate(GateInput(one.pin.metrics, thresholds, policies.gates))
    return (
        ""
        if passed(results)
        else f"{one.wanted} failed its gates and is deployed nowhere: {summary(results)}"
    )


def _parse(part: str) -> Wanted:
    key, separator, version = part.partition("=")
    if not separator or not _VERSION.fullmatch(version.strip()):
        raise BadRequest("pins", f"{part!r} is not PLANT/CIRCUIT=VERSION (a whole number from 1)")
    try:
        return Wanted(CircuitKey.parse(key), version.strip())
    except BadRequest as problem:
        raise BadRequest("pins", str(problem).removeprefix(f"{problem.field}: ")) from problem


def _repeated(keys: Iterable[CircuitKey]) -> list[str]:
    return [str(key) for key, count in sorted(Counter(keys).items()) if count > 1]
