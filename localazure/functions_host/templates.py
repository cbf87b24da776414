"""Route templates of HTTP triggers, such as `runs/{name}/{n:int}/{*rest}`."""

import re
from dataclasses import dataclass
from typing import Self

from localazure.functions_host.settings import SettingsError

_CONSTRAINTS = {
    "alpha": r"[A-Za-z]+",
    "bool": r"(?i:true|false)",
    "decimal": r"-?[0-9]+(?:\.[0-9]+)?",
    "double": r"-?[0-9]+(?:\.[0-9]+)?",
    "float": r"-?[0-9]+(?:\.[0-9]+)?",
    "guid": r"[0-9A-Fa-f]{8}(?:-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}",
    "int": r"-?[0-9]+",
    "long": r"-?[0-9]+",
}
_LENGTHS = {
    "length": "{%s}",
    "maxlength": "{0,%s}",
    "minlength": "{%s,}",
}
_LENGTH = re.compile(r"(?P<rule>\w+)\((?P<numbers>[0-9]+(?:,[0-9]+)?)\)")
_PARAMETER = re.compile(r"\{(?P<rest>\*{0,2})(?P<name>\w+)(?::(?P<constraint>[^}?]+))?(?P<optional>\?)?\}")


@dataclass(frozen=True)
class Template:
    """A compiled route; templates sort with the more specific one first."""

    text: str
    pattern: re.Pattern[str]
    precedence: tuple[int, ...]

    @classmethod
    def compile(cls, text: str) -> Self:
        """Raises `SettingsError` for a constraint that is not supported."""
        segments = [segment for segment in text.split("/") if segment]
        pattern = "".join(_segment_pattern(segment, text) for segment in segments)
        return cls(text, re.compile(f"{pattern}/?", re.IGNORECASE), tuple(map(_segment_rank, segments)))

    def match(self, path: str) -> dict[str, str] | None:
        """The route's parameters if `path` (with its leading slash) fits."""
        found = self.pattern.fullmatch(path)
        return None if found is None else {k: v for k, v in found.groupdict().items() if v is not None}


def _segment_pattern(segment: str, template: str) -> str:
    pattern, end, optional = "", 0, False
    for parameter in _PARAMETER.finditer(segment):
        pattern += re.escape(segment[end : parameter.start()]) + _parameter_pattern(parameter, template)
        optional = optional or bool(parameter["optional"]) or bool(parameter["rest"])
        end = parameter.end()
    pattern += re.escape(segment[end:])
    return f"(?:/{pattern})?" if optional else f"/{pattern}"


def _parameter_pattern(parameter: re.Match[str], template: str) -> str:
    constraint = parameter["constraint"]
    free = ".*" if parameter["rest"] else "[^/]+"
    return f"(?P<{parameter['name']}>{_constraint_pattern(constraint, template) if constraint else free})"


def _constraint_pattern(constraint: str, template: str) -> str:
    if constraint in _CONSTRAINTS:
        return _CONSTRAINTS[constraint]
    length = _LENGTH.fullmatch(constraint)
    if length and length["rule"] in _LENGTHS:
        return "[^/]" + _LENGTHS[length["rule"]] % length["numbers"]
    known = ", ".join([*_CONSTRAINTS, *(f"{rule}(n)" for rule in _LENGTHS)])
    raise SettingsError(
        f"Route {template!r}: constraint {constraint!r} is not supported here (only {known})."
    )


def _segment_rank(segment: str) -> int:
    """Literal text before constrained before free parameters before the rest of the path."""
    parameter = _PARAMETER.search(segment)
    if parameter is None:
        return 0
    if parameter["rest"]:
        return 3
    return 1 if parameter["constraint"] else 2
