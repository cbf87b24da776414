"""Computes: the clusters that jobs run on, and their nodes."""

import asyncio
import re
from collections.abc import Sequence

from starlette.responses import Response
from starlette.routing import BaseRoute

from localazure.config import Compute
from localazure.machine_learning.computes.nodes import Plan, Region
from localazure.machine_learning.computes.resources import (
    IN_USE,
    KIND,
    check_properties,
    configured,
    live,
    machine_of,
    plan_of,
    resource_of,
)
from localazure.machine_learning.computes.sizes import Size
from localazure.machine_learning.context import Context
from localazure.machine_learning.operations import Operation, Operations
from localazure.machine_learning.routing import WORKSPACE, Call, Json, Scope, not_found, resource_routes
from localazure.web import azure_error

_COMPUTE = f"{WORKSPACE}/computes/{{name}}"
# A dash is followed by a letter somewhere; 3 to 24 characters.
_NAME = re.compile(r"(?=.{3,24}$)[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9-]*[a-zA-Z][a-zA-Z0-9]*)?")


class Computes:
    """The documents are what was asked for; `region` is what is there, and changes on the event loop only."""

    def __init__(self, context: Context, operations: Operations, region: Region):
        self._context = context
        self._documents = context.documents
        self._operations = operations
        self._region = region
        self._loop: asyncio.AbstractEventLoop | None = None
        operations.listen(KIND, self._ended)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        table = (
            ("GET", f"{WORKSPACE}/computes", self.list_computes),
            ("GET", _COMPUTE, self.get),
            ("PUT", _COMPUTE, self.put),
            ("PATCH", _COMPUTE, self.patch),
            ("DELETE", _COMPUTE, self.delete),
            ("POST", f"{_COMPUTE}/listNodes", self.list_nodes),
            *(("POST", f"{_COMPUTE}/{verb}", self.refuse_verb) for verb in ("start", "stop", "restart")),
        )
        return resource_routes(table, self._context.authorize)

    async def start(self) -> None:
        """Bring up the computes of the configuration and those that were made before."""
        self._loop = asyncio.get_running_loop()
        for workspace in self._context.runtime.config.workspaces:
            scope = self._context.scopes[f"workspaces/{workspace.name}"]
            for compute in workspace.computes:
                self._configure(scope, compute)
        for key, resource in self._documents.list(KIND):
            if resource["properties"]["provisioningState"] in IN_USE:
                self._region.set(key, plan_of(resource))

    def list_computes(self, call: Call) -> Json:
        found = self._documents.list(KIND, f"{call.scope(self._context.scopes).key}/")
        return {"value": [self._shown(key, resource) for key, resource in found]}

    def get(self, call: Call) -> Json:
        key = self._key(call)
        return self._shown(key, self._known(call, key))

    def put(self, call: Call) -> Response:
        scope, name, key = call.scope(self._context.scopes), call.path["name"], self._key(call)
        old = self._documents.get(KIND, key)
        kind = str(call.required("properties", "computeType"))
        if kind.lower() != "amlcompute":
            raise azure_error(
                400, "NotSupported", f"localazure has computes of the type AmlCompute, not {kind}."
            )
        return self._write(scope, name, call.body, call.required("properties", "properties"), old)

    def patch(self, call: Call) -> Response:
        """Change how many nodes there may be."""
        old = self._known(call, self._key(call))
        changes = (call.required("properties", "properties") or {}).get("scaleSettings") or {}
        wanted: Json = dict(old["properties"]["properties"])
        wanted["scaleSettings"] = {**wanted["scaleSettings"], **changes}
        body = {**old, "tags": call.body.get("tags", old.get("tags"))}
        return self._write(call.scope(self._context.scopes), old["name"], body, wanted, old)

    def delete(self, call: Call) -> Response:
        """Jobs at work on it end undisturbed; those that wait for it fail."""
        if "underlyingResourceAction" not in call.query:
            raise azure_error(400, "UserError", "The query parameter underlyingResourceAction is required.")
        resource = self._documents.get(KIND, self._key(call))
        if resource is None:
            return Response(status_code=204)
        return self._operations.remove(KIND, self._key(call), resource)

    def list_nodes(self, call: Call) -> Json:
        key = self._key(call)
        self._known(call, key)
        cluster = self._region.cluster(key)
        nodes = cluster.nodes if cluster else ()
        return {
            "nodes": [
                {
                    "nodeId": node.id,
                    "privateIpAddress": "127.0.0.1",
                    "nodeState": "running" if node.run else "idle",
                    **({"runId": node.run} if node.run else {}),
                }
                for node in nodes
            ]
        }

    def refuse_verb(self, call: Call) -> Json:
        compute = self._known(call, self._key(call))
        raise azure_error(
            400,
            "UserError",
            f"{compute['name']} is an AmlCompute: only compute instances are started and stopped.",
        )

    def _configure(self, scope: Scope, compute: Compute) -> None:
        """What the configuration says anew is written; what was changed since then stays."""
        key, known = f"{scope.key}/{compute.name}", compute.model_dump()
        same = self._documents.get("configured_computes", key) == known
        if same and self._documents.get(KIND, key):
            return
        wanted = configured(compute)
        body = {
            "location": self._context.runtime.config.location,
            "properties": {"computeType": "AmlCompute"},
        }
        resource = resource_of(scope, compute.name, body, wanted, None)
        resource["properties"]["provisioningState"] = "Succeeded"
        self._documents.put(KIND, key, resource)
        self._documents.put("configured_computes", key, known)

    def _write(self, scope: Scope, name: str, body: Json, wanted: Json, old: Json | None) -> Response:
        key = f"{scope.key}/{name}"
        if old is None:
            self._check_name(name)
        check_properties(wanted, old, self._context.runtime.config.quotas.nodes_per_compute)
        resource = resource_of(scope, name, body, wanted, old)
        error = self._quota_error(key, plan_of(resource), machine_of(resource))
        if error:
            resource["properties"]["provisioningErrors"] = [{"error": error}]
        answer = self._operations.put(KIND, key, resource, is_new=old is None, work=bool(error))
        if error:
            self._operations.finish(KIND, key, error)
        return answer

    def _check_name(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise azure_error(
                400,
                "InvalidResourceName",
                f"The compute name {name!r} is invalid. It can include letters, digits and dashes. It must start with "
                "a letter, be between 3 and 24 characters in length, and a dash must be followed by a letter later on.",
            )
        most = self._context.runtime.config.quotas.computes
        if len(self._documents.list(KIND)) >= most:
            raise azure_error(400, "QuotaExceeded", f"The region has {most} computes, the most it may have.")

    def _quota_error(self, key: str, plan: Plan, machine: Size) -> Json | None:
        """As Azure refuses it: the nodes that must be there at once, one at least, have to fit the quota."""
        cluster = self._region.cluster(key)
        mine = len(cluster.nodes) if cluster else 0
        nodes = max(plan.min_nodes, 1)
        used = self._region.used(plan.priority) - mine * plan.cores
        if used + nodes * plan.cores <= self._region.limit(plan.priority):
            return None
        return {
            "code": "ClusterMinNodesExceedCoreQuota",
            "message": f"The specified subscription has a {machine.family} vCPU quota of "
            f"{self._region.limit(plan.priority)} ({used} in use) and cannot accomodate for at least {nodes} requested "
            f"managed compute nodes which maps to {nodes * plan.cores} vCPUs.",
        }

    def _ended(self, operation: Operation, resource: Json) -> None:
        if self._loop is None or operation.error:
            return
        if operation.change == "Deleting":
            self._loop.call_soon_threadsafe(self._region.remove, operation.key)
        else:
            self._loop.call_soon_threadsafe(self._region.set, operation.key, plan_of(resource))

    def _known(self, call: Call, key: str) -> Json:
        if found := self._documents.get(KIND, key):
            return found
        raise not_found(f"The compute {call.path['name']} of {call.path['workspace']}")

    def _shown(self, key: str, resource: Json) -> Json:
        """The resource with the nodes that there are now."""
        cluster = self._region.cluster(key)
        shown = {**resource["properties"]["properties"], **live(cluster)}
        return {**resource, "properties": {**resource["properties"], "properties": shown}}

    def _key(self, call: Call) -> str:
        return f"{call.scope(self._context.scopes).key}/{call.path['name']}"


def region_of(context: Context) -> Region:
    quotas = context.runtime.config.quotas
    return Region({"Dedicated": quotas.dedicated_cores, "LowPriority": quotas.low_priority_cores})
