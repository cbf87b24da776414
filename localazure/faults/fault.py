"""One fault as it is asked for, and one injection of it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from localazure.faults.kinds import KINDS, Kind, Number, Text

type Value = float | str

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class FaultError(ValueError):
    """What was asked for is no fault; the message names the field, for whoever asked."""


class Fault(BaseModel):
    """What goes wrong (`kind`), where (patterns with `*` and `?`), how often, and for how long or how many times.

    Of the requests, events, jobs … that `where` covers, every `every`-th is one to draw for, and the draw says yes with
    `probability`. The draws follow from `seed`: the n-th time at one place always meets the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    where: Mapping[str, str] = {}
    probability: float = Field(default=1.0, gt=0, le=1)
    every: int = Field(default=1, ge=1)
    times: int | None = Field(default=None, ge=1)
    for_seconds: float | None = Field(default=None, gt=0)
    parameters: Mapping[str, Value] = {}
    seed: int = 0

    @classmethod
    def read(cls, body: Any) -> Self:
        """The fault that a JSON `body` asks for, every default filled in. Raises `FaultError`."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            first = error.errors()[0]
            place = "".join(f"{part}." for part in first["loc"])[:-1]
            message = first["msg"].removeprefix("Value error, ")
            raise FaultError(f"{place}: {message}" if place else message) from None

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        asked: dict[str, Any] = given  # pyright: ignore[reportUnknownVariableType] - JSON
        kind = KINDS.get(str(asked.get("kind")))
        if kind is None:
            raise ValueError(f"kind: {asked.get('kind')!r} is none of {', '.join(KINDS)}")
        _check_condition(asked, kind)
        return {
            **asked,
            **_bounds(asked, kind),
            "where": {**kind.where, **_known(asked, "where", kind.aims)},
            "parameters": _parameters(_known(asked, "parameters", tuple(kind.parameters)), kind),
        }

    def covers(self, place: Mapping[str, str]) -> bool:
        """Whether `where` matches; what a place does not have matches `*` alone."""
        return all(
            fnmatchcase(place.get(name, "").lower(), pattern.lower()) for name, pattern in self.where.items()
        )


@dataclass(frozen=True)
class Injection:
    """A fault that happens here and now. `origin` is what its draws are made of."""

    parameters: Mapping[str, Value]
    origin: str

    def number(self, name: str) -> float:
        return float(self.parameters[name])

    def text(self, name: str) -> str:
        return str(self.parameters[name])

    def draw(self, purpose: str) -> float:
        """A number from 0 to below 1, the same whenever the same thing happens again under the same seed."""
        digest = hashlib.blake2b(f"{self.origin}|{purpose}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64


def place_key(place: Mapping[str, str]) -> str:
    """The place as a key of counters; ids that are random anew at every run do not count."""
    return _UUID.sub("*", "|".join(f"{name}={place[name]}" for name in sorted(place)))


def _check_condition(asked: Mapping[str, Any], kind: Kind) -> None:
    for name, neutral in (("probability", 1), ("every", 1), ("times", None)):
        if kind.condition and asked.get(name, neutral) not in (None, neutral):
            raise ValueError(
                f"{name}: {asked['kind']} is in force for a while (for_seconds), it has no {name}"
            )
    seconds = asked.get("for_seconds")
    if isinstance(seconds, int | float) and seconds > kind.most_seconds:
        raise ValueError(f"for_seconds: {asked['kind']} lasts {kind.most_seconds:.0f} s at most")


def _bounds(asked: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """Nothing is unbounded: where nothing was asked, the kind's own times or seconds; a count ends after a day."""
    times, seconds = asked.get("times"), asked.get("for_seconds")
    if times is None and seconds is None:
        times, seconds = kind.times, kind.seconds
    return {"times": times, "for_seconds": kind.most_seconds if seconds is None else seconds}


def _known(asked: Mapping[str, Any], field: str, names: tuple[str, ...]) -> dict[str, Any]:
    given = asked.get(field) or {}
    if not isinstance(given, dict):
        raise ValueError(f"{field}: an object is expected")
    values: dict[str, Any] = given  # pyright: ignore[reportUnknownVariableType] - JSON
    for name in values:
        if name not in names:
            known = ", ".join(names) or "none"
            raise ValueError(f"{field}.{name}: {asked['kind']} does not know it (known: {known})")
    return values


def _parameters(given: Mapping[str, Any], kind: Kind) -> dict[str, Value]:
    return {name: _parameter(name, given.get(name), spec) for name, spec in kind.parameters.items()}


def _parameter(name: str, given: Any, spec: Number | Text) -> Value:
    if given is None:
        return spec.default
    if isinstance(spec, Text):
        if spec.choices and given not in spec.choices:
            raise ValueError(f"parameters.{name}: {given!r} is none of {', '.join(spec.choices)}")
        return str(given)
    try:
        number = float(given)
    except (TypeError, ValueError):
        raise ValueError(f"parameters.{name}: {given!r} is not a number") from None
    if not spec.least <= number <= spec.most:
        raise ValueError(f"parameters.{name}: {number:g} is not from {spec.least:g} to {spec.most:g}")
    return number
