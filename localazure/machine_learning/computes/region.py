"""What the region offers and how much of it is used: machine sizes, usages, quotas."""

import re
from collections.abc import Iterator, Sequence

from starlette.routing import BaseRoute

from localazure.machine_learning.computes.nodes import Region
from localazure.machine_learning.computes.resources import KIND
from localazure.machine_learning.computes.sizes import SIZES
from localazure.machine_learning.context import Context
from localazure.machine_learning.routing import Call, Json, resource_routes
from localazure.web import azure_error

_LOCATION = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"


class RegionOffers:
    def __init__(self, context: Context, region: Region):
        self._context = context
        self._documents = context.documents
        self._region = region

    @property
    def routes(self) -> Sequence[BaseRoute]:
        table = (
            ("GET", f"{_LOCATION}/vmSizes", self.list_sizes),
            ("GET", f"{_LOCATION}/usages", self.list_usages),
            ("GET", f"{_LOCATION}/quotas", self.list_quotas),
        )
        return resource_routes(table, self._context.authorize)

    def list_sizes(self, call: Call) -> Json:
        self._check_location(call)
        return {"value": [one.shown() for one in SIZES]}

    def list_usages(self, call: Call) -> Json:
        self._check_location(call)
        return {"value": list(self._usages())}

    def list_quotas(self, call: Call) -> Json:
        self._check_location(call)
        shown = ("id", "amlWorkspaceLocation", "type", "name", "limit", "unit")
        return {"value": [{name: usage[name] for name in shown} for usage in self._usages()]}

    def _usages(self) -> Iterator[Json]:
        for priority, name in (
            ("Dedicated", "TotalDedicatedCores"),
            ("LowPriority", "TotalLowPriorityCores"),
        ):
            yield self._usage(name, self._region.used(priority), self._region.limit(priority), priority)
        computes = self._context.runtime.config.quotas.computes
        yield self._usage("Clusters", len(self._documents.list(KIND)), computes, "Clusters")

    def _usage(self, name: str, current: int, limit: int, kind: str) -> Json:
        config = self._context.runtime.config
        path = _LOCATION.format(subscription=config.subscription_id, location=config.location)
        return {
            "id": f"{path}/usages/{name}",
            "amlWorkspaceLocation": config.location,
            "type": f"Microsoft.MachineLearningServices/{kind}/usages",
            "unit": "Count",
            "currentValue": current,
            "limit": limit,
            "name": {"value": name, "localizedValue": re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)},
        }

    def _check_location(self, call: Call) -> None:
        location = self._context.runtime.config.location
        if call.path["location"].lower().replace(" ", "") != location.lower():
            raise azure_error(
                400, "NoRegisteredProviderFound", f"The location {call.path['location']!r} is not {location}."
            )
