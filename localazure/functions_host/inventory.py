"""What the host serves, and what an app has that it does not."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from localazure.functions_host import event_grid
from localazure.functions_host.http.routes import HttpRoute
from localazure.functions_host.timers import Timer
from localazure.functions_host.worker import Function

SERVED = {
    "httptrigger",
    "eventgridtrigger",
    "timertrigger",
    "orchestrationtrigger",
    "activitytrigger",
    "entitytrigger",
}
_OTHER_BINDINGS = {"http", "durableclient"}


@dataclass(frozen=True)
class Listed:
    """A function of the app as a person sees it: `address` is a URL, a schedule, or empty."""

    function: Function
    trigger: str
    address: str
    methods: str = ""

    @property
    def name(self) -> str:
        return self.function.name

    @property
    def state(self) -> str:
        """Why the function is not served; empty if it is."""
        if self.function.disabled:
            return "disabled"
        return "" if self.function.kind in SERVED else "not served here"


def inventory(
    functions: Iterable[Function], routes: Iterable[HttpRoute], timers: Iterable[Timer], base: str
) -> list[Listed]:
    """The app's own functions, in the order of the app."""
    by_route = {route.function.name: route for route in routes}
    schedules = {timer.function.name: timer.schedule.expression for timer in timers}
    return [_listed(f, by_route, schedules, base) for f in functions if not f.built_in]


def _listed(
    function: Function, routes: Mapping[str, HttpRoute], schedules: Mapping[str, str], base: str
) -> Listed:
    trigger = str(function.trigger["type"]).removesuffix("Trigger")
    if route := routes.get(function.name):
        return Listed(function, trigger, f"{base}/{route.template.text}", ",".join(sorted(route.methods)))
    if function.kind == "eventgridtrigger":
        return Listed(function, trigger, f"{base}{event_grid.PATH}?functionName={function.name}")
    return Listed(function, trigger, schedules.get(function.name, ""))


def not_served(functions: Iterable[Function]) -> Iterator[str]:
    """A sentence for every trigger and binding that does nothing here."""
    for function in functions:
        if function.disabled or function.built_in:
            continue
        if function.kind not in SERVED:
            yield f"{function.name}: its trigger {function.trigger['type']} is not served here: it never runs."
            continue
        for binding in function.bindings:
            kind = str(binding["type"])
            if binding is not function.trigger and kind.lower() not in _OTHER_BINDINGS:
                yield f"{function.name}: its binding {kind} ({binding['name']}) does nothing here."
