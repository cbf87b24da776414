"""Route constraints such as `int`, `length(2,3)` or `regex(^a)`, with ASP.NET Core's meaning."""

import math
import re
from collections.abc import Callable

type Constraint = Callable[[str], bool]

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")
_DECIMAL = re.compile(r"\s*[+-]?(?:[0-9][0-9,]*\.?[0-9]*|\.[0-9]+)\s*")
_FLOAT = re.compile(
    _DECIMAL.pattern.removesuffix(r"\s*") + r"(?:[eE][+-]?[0-9]+)?\s*|[+-]?(?:Infinity|∞)|NaN"
)
_DATE = re.compile(r".*[0-9]+[-/.: ]\w+.*")  # a bare number is no date
_GUID = re.compile(r"[0-9A-Fa-f]{32}|(\{|\()?[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?(1)[})])")
_FILE = re.compile(r".*\.[^.]+")
_LARGEST_DECIMAL = 79228162514264337593543950335
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


class UnknownConstraint(ValueError):
    """The text is no constraint; the message says what there is. For the app's author."""


def constraint(text: str) -> Constraint:
    """The check that `text` names. Raises `UnknownConstraint`."""
    name, _, rest = text.partition("(")
    takes_arguments = text.endswith(")") and bool(_)
    if not takes_arguments and name in _PLAIN:
        return _PLAIN[name]
    if takes_arguments and name == "regex":
        return _regex(rest[:-1])
    if takes_arguments and name in _COUNTED:
        return _counted(name, rest[:-1], text)
    known = [*_PLAIN, *(f"{known}({arguments})" for known, (arguments, _) in _COUNTED.items()), "regex(…)"]
    raise UnknownConstraint(f"constraint {text!r} is not known; there are {', '.join(sorted(known))}")


def _regex(expression: str) -> Constraint:
    try:
        pattern = re.compile(expression, re.IGNORECASE)
    except re.error as error:
        raise UnknownConstraint(f"regex({expression}) is not a regular expression: {error}") from None
    return lambda value: pattern.search(value) is not None


def _counted(name: str, arguments: str, text: str) -> Constraint:
    shape, make = _COUNTED[name]
    numbers = [part.strip() for part in arguments.split(",")]
    sizes = {"n": (1,), "a,b": (2,), "n or a,b": (1, 2)}[shape]
    if len(numbers) not in sizes or not all(_INTEGER.fullmatch(number) for number in numbers):
        raise UnknownConstraint(f"constraint {text!r} is not of the form {name}({shape}) with whole numbers")
    return make([int(number) for number in numbers])


def _integer(bits: int) -> Constraint:
    limit = 1 << (bits - 1)
    return lambda value: _INTEGER.fullmatch(value) is not None and -limit <= int(value) < limit


def _between(low: int, high: int) -> Constraint:
    is_long = _integer(64)
    return lambda value: is_long(value) and low <= int(value) <= high


def _length(low: int, high: float) -> Constraint:
    return lambda value: low <= len(value) <= high


def _is_decimal(value: str) -> bool:
    return _DECIMAL.fullmatch(value) is not None and abs(float(value.replace(",", ""))) <= _LARGEST_DECIMAL


def _is_float(value: str) -> bool:
    return _FLOAT.fullmatch(value) is not None


def _is_date(value: str) -> bool:
    if not _DATE.fullmatch(value):
        return False
    from dateutil import parser as dates  # few apps have such a route, and every start would pay for it

    try:
        dates.parse(value)
    except (ValueError, OverflowError):
        return False
    return True


def _is_bool(value: str) -> bool:
    return value.strip().lower() in ("true", "false")


def _is_file(value: str) -> bool:
    return _FILE.fullmatch(value.rpartition("/")[2]) is not None


_PLAIN: dict[str, Constraint] = {
    "alpha": lambda value: re.fullmatch(r"[A-Za-z]*", value) is not None,
    "bool": _is_bool,
    "datetime": _is_date,
    "decimal": _is_decimal,
    "double": _is_float,
    "file": _is_file,
    "float": _is_float,
    "guid": lambda value: _GUID.fullmatch(value) is not None,
    "int": _integer(32),
    "long": _integer(64),
    "nonfile": lambda value: not _is_file(value),
    "required": lambda value: bool(value),
}
_COUNTED: dict[str, tuple[str, Callable[[list[int]], Constraint]]] = {
    "length": ("n or a,b", lambda given: _length(given[0], given[-1])),
    "max": ("n", lambda given: _between(_SMALLEST, given[0])),
    "maxlength": ("n", lambda given: _length(0, given[0])),
    "min": ("n", lambda given: _between(given[0], _LARGEST)),
    "minlength": ("n", lambda given: _length(given[0], math.inf)),
    "range": ("a,b", lambda given: _between(given[0], given[1])),
}
