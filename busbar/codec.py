"""Frozen dataclasses to plain JSON and back: what crosses every durable boundary and lies in the tables."""

from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from busbar.domain.errors import BadRequest

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def to_wire(value: Any) -> Any:
    """`value` (a dataclass, tuple, list, mapping, enum, date or scalar) as dicts, lists and scalars."""
    return _plain(_adapter(type(value)).dump_python(value, mode="json"))


def from_wire[T](type_: type[T], data: Any) -> T:
    """Read what `to_wire` wrote as a `type_`; raises `BadRequest` naming the field that does not fit."""
    from pydantic import ValidationError

    try:
        return _adapter(type_).validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or type_.__name__
        raise BadRequest(place, first["msg"]) from error


def _plain(value: Any) -> Any:
    """JSON has no NaN or infinity: they travel as text, which `from_wire` reads back as numbers."""
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case float() if not isfinite(value):
            return str(value)
        case _:
            return value


@cache
def _adapter(type_: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(type_)
