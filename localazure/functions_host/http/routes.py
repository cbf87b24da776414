"""Where the HTTP triggers of an app are served."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from localazure.functions_host.access import Level
from localazure.functions_host.http.templates import Template
from localazure.functions_host.settings import SettingsError, resolve
from localazure.functions_host.worker import Function

RESERVED = ("admin", "runtime")


@dataclass(frozen=True)
class HttpRoute:
    """Where an HTTP-triggered function is served; no methods means all of them."""

    function: Function
    template: Template
    methods: frozenset[str]
    level: Level

    def serves(self, method: str) -> bool:
        return not self.methods or method in self.methods

    def collides(self, other: "HttpRoute") -> bool:
        shared = not self.methods or not other.methods or self.methods & other.methods
        return bool(shared) and self.template.shape == other.template.shape


def http_routes(functions: Iterable[Function], prefix: str) -> list[HttpRoute]:
    """The routes of `functions`, the most specific first. Raises `SettingsError` naming the function."""
    routes = [_route(function, prefix) for function in functions]
    for one, other in itertools.combinations(routes, 2):
        if one.collides(other):
            raise SettingsError(
                f"The functions {one.function.name} and {other.function.name} have the same route, "
                f"{one.template.text!r}, for the same method: change the route or the methods of one."
            )
    return sorted(routes, key=lambda route: route.template.precedence)


def _route(function: Function, prefix: str) -> HttpRoute:
    trigger = function.trigger
    path = resolve(trigger.get("route") or function.name)  # an empty route is the name on Azure, too
    text = "/".join(part for part in (prefix, path.strip("/")) if part)
    try:
        template = Template.compile(text)
    except ValueError as error:
        raise SettingsError(f"The function {function.name} has the route {text!r}: {error}.") from None
    if text.partition("/")[0].lower() in RESERVED:
        raise SettingsError(
            f"The function {function.name} has the route {text!r}, but addresses that begin with "
            f"{' or '.join(RESERVED)} are the host's own."
        )
    methods = frozenset(str(method).upper() for method in trigger.get("methods") or ())
    level = Level[str(trigger.get("authLevel") or "FUNCTION").upper()]
    return HttpRoute(function, template, methods, level)
