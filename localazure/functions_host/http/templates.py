"""Route templates of HTTP triggers, such as `runs/{name=all}/{n:int:min(1)?}/{*rest}`, as in ASP.NET Core."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from localazure.functions_host.http.constraints import Constraint, constraint

_NAME = re.compile(r"[^{}/?*:=]+")
_PART = re.compile(r"\{((?:[^{}]|\{\{|\}\})*)\}(?!\})|((?:[^{}]|\{\{|\}\})+)")
_SLASH = re.compile("%(?=2f)", re.IGNORECASE)


@dataclass(frozen=True)
class Parameter:
    """One `{…}` of a template; `default` is None where there is none."""

    name: str
    constraints: tuple[str, ...]
    checks: tuple[Constraint, ...]
    default: str | None
    optional: bool
    catch_all: bool

    @property
    def may_be_missing(self) -> bool:
        return self.optional or self.catch_all or self.default is not None

    def takes(self, value: str) -> bool:
        return all(check(value) for check in self.checks)


type Segment = list[str | Parameter]


@dataclass(frozen=True)
class Template:
    """A compiled route; templates sort by `precedence`, the more specific one first.

    Templates of one `shape` match the same paths.
    """

    text: str
    parameters: tuple[Parameter, ...]
    pattern: re.Pattern[str]
    precedence: tuple[int, ...]
    shape: str

    @classmethod
    def compile(cls, text: str) -> Self:
        """Raises ValueError with what is wrong."""
        segments = [_segment(segment) for segment in _split(text)]
        parameters = tuple(part for segment in segments for part in segment if isinstance(part, Parameter))
        _check(segments, parameters)
        return cls(
            text,
            parameters,
            re.compile(f"{_pattern(segments)}/?", re.IGNORECASE | re.DOTALL),
            tuple(map(_rank, segments)),
            "/".join(map(_shape, segments)),
        )

    def match(self, path: str) -> dict[str, str] | None:
        """The route's parameters if `path`, decoded and with its leading slash, fits."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        values = dict[str, str]()
        for parameter, value in zip(self.parameters, found.groups(), strict=True):
            value = value or parameter.default
            if value is None and parameter.may_be_missing:
                continue
            if value is None or not parameter.takes(value):
                return None
            values[parameter.name] = value
        return values


def decoded(raw_path: bytes) -> str:
    """A request's path with its percent-escapes resolved, except for the slash, as ASP.NET Core does."""
    return unquote(_SLASH.sub("%25", raw_path.decode("latin-1")))


def _split(text: str) -> list[str]:
    """The segments: the text between slashes that are not within braces."""
    segments, depth = [""], 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if character == "/" and depth == 0:
            segments.append("")
        else:
            segments[-1] += character
    return [segment for segment in segments if segment]


def _segment(text: str) -> Segment:
    parts: Segment = []
    for part, is_parameter in _parts(text):
        if is_parameter and parts and isinstance(parts[-1], Parameter):
            raise ValueError(f"two parameters stand side by side in {text!r}: text must part them")
        parts.append(_parameter(part) if is_parameter else part)
    if len(parts) > 1 and any(isinstance(part, Parameter) and part.catch_all for part in parts):
        raise ValueError(f"a catch-all parameter must be a whole segment, unlike {text!r}")
    return parts


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """Literal texts, and what stands between braces; doubled braces stand for themselves."""
    position = 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            raise ValueError(f"the braces of {text!r} do not match")
        yield part[part.lastindex or 0].replace("{{", "{").replace("}}", "}"), part.lastindex == 1
        position = part.end()


def _parameter(text: str) -> Parameter:
    stars = len(text) - len(text.lstrip("*"))
    name = _NAME.match(text, stars)
    if name is None or stars > 2:
        raise ValueError(f"{{{text}}} has no name")
    constraints, default, optional = _tail(text[name.end() :])
    if optional and (default is not None or stars):
        raise ValueError(f"{{{text}}} cannot be optional, too")
    checks = tuple(map(constraint, constraints))
    return Parameter(name[0], tuple(constraints), checks, default, optional, stars > 0)


def _tail(text: str) -> tuple[list[str], str | None, bool]:
    """What follows a parameter's name: constraints, default, whether it is optional."""
    constraints, depth = list[str](), 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and character == "=":
            return constraints, text[position + 1 :], False
        if depth == 0 and character == "?" and position == len(text) - 1:
            return constraints, None, True
        if depth == 0 and character == ":":
            constraints.append("")
        elif constraints:
            constraints[-1] += character
        else:
            raise ValueError(f"{text!r} after a parameter's name is neither constraint, default nor ?")
    return constraints, None, False


def _check(segments: list[Segment], parameters: tuple[Parameter, ...]) -> None:
    names = [parameter.name.lower() for parameter in parameters]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"the parameter {', '.join(twice)} occurs twice")
    if any(isinstance(part, Parameter) and part.catch_all for segment in segments[:-1] for part in segment):
        raise ValueError("a catch-all parameter must come last")


def _pattern(segments: list[Segment]) -> str:
    """The segments at the end that consist of a parameter which may be missing are optional."""
    pattern, optional_so_far = "", True
    for segment in reversed(segments):
        optional_so_far = optional_so_far and _may_be_missing(segment)
        here = "/" + "".join(map(_part_pattern, segment)) + pattern
        pattern = f"(?:{here})?" if optional_so_far else here
    return pattern


def _may_be_missing(segment: Segment) -> bool:
    return len(segment) == 1 and isinstance(segment[0], Parameter) and segment[0].may_be_missing


def _part_pattern(part: str | Parameter) -> str:
    if isinstance(part, str):
        return re.escape(part)
    return "(.*)" if part.catch_all else "([^/]+)"


def _rank(segment: Segment) -> int:
    """Literal text before constrained before free parameters before the rest of the path."""
    parameters = [part for part in segment if isinstance(part, Parameter)]
    if not parameters:
        return 0
    if parameters[-1].catch_all:
        return 3
    return 1 if len(segment) > 1 or parameters[0].constraints else 2


def _shape(segment: Segment) -> str:
    return "".join(part.lower() if isinstance(part, str) else _parameter_shape(part) for part in segment)


def _parameter_shape(parameter: Parameter) -> str:
    kind = "**" if parameter.catch_all else "?" if parameter.may_be_missing else "*"
    return f"{{{kind}:{':'.join(sorted(parameter.constraints))}}}"
