"""Frozen dataclasses to plain JSON and back: what crosses every durable boundary and lies in the tables."""

from functools import cache
from typing import TYPE_CHECKING, Any

from busbar.domain.errors import BadRequest

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def to_wire(value: Any) -> Any:
    """`value` (a dataclass, tuple, list, mapping, enum, date or scalar) as dicts, lists and scalars.

    JSON has no NaN or infinity: they travel as text, which `from_wire` reads back as numbers.
    """
    from pydantic_core import from_json

    [plain] = from_json(_writer(type(value)).dump_json((value,)))
    return plain


def from_wire[T](type_: type[T], data: Any) -> T:
    """Read what `to_wire` wrote as a `type_`; raises `BadRequest` naming the field that does not fit."""
    from pydantic import ValidationError

    try:
        return _reader(type_).validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or type_.__name__
        raise BadRequest(place, first["msg"]) from error


@cache
def _reader(type_: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(type_)


@cache
def _writer(type_: Any) -> "TypeAdapter[tuple[Any]]":
    """In a tuple, since a dataclass would not take the setting."""
    from pydantic import ConfigDict, TypeAdapter

    alone: Any = tuple[type_]
    return TypeAdapter(alone, config=ConfigDict(ser_json_inf_nan="strings"))
