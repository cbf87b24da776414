"""Computes as ARM resources: what may be asked for, and what is shown."""

import math
from datetime import timedelta

from pydantic import TypeAdapter, ValidationError

from localazure.config import Compute
from localazure.machine_learning.computes.nodes import Cluster, Plan
from localazure.machine_learning.computes.sizes import SIZES, Size, size
from localazure.machine_learning.context import Context, system_data
from localazure.machine_learning.routing import Json, Scope
from localazure.web import azure_error

KIND = "computes"
IN_USE = ("Succeeded", "Updating")
_PRIORITIES = {"dedicated": "Dedicated", "lowpriority": "LowPriority"}
_SECONDS = TypeAdapter(timedelta)


def find_compute(context: Context, scope: Scope, name: str) -> bool:
    """Whether jobs can be sent to the compute."""
    found = context.documents.get(KIND, f"{scope.key}/{name}")
    return found is not None and found["properties"]["provisioningState"] in IN_USE


def compute_names(context: Context, scope: Scope) -> list[str]:
    return [resource["name"] for _, resource in context.documents.list(KIND, f"{scope.key}/")]


def check_properties(wanted: Json, old: Json | None, limit: int) -> None:
    """Refuses with 400 what no cluster can be; `limit` is the most nodes a cluster may have."""
    name, settings = str(wanted.get("vmSize")), wanted.get("scaleSettings") or {}
    if size(name) is None:
        known = ", ".join(one.name for one in SIZES)
        raise azure_error(400, "InvalidPropertyValue", f"The vmSize {name!r} is none of {known}.")
    if old and str(old["properties"]["properties"]["vmSize"]).lower() != name.lower():
        raise azure_error(400, "UserError", "The vmSize of a compute cannot be changed: make a new compute.")
    most, least = settings.get("maxNodeCount"), settings.get("minNodeCount") or 0
    if type(most) is not int or not 0 <= most <= limit:
        raise azure_error(
            400, "UserError", f"maxNodeCount is {most!r}: a whole number from 0 to {limit} is expected."
        )
    if type(least) is not int or not 0 <= least <= most:
        raise azure_error(
            400,
            "UserError",
            f"minNodeCount is {least!r}: a whole number from 0 to maxNodeCount is expected.",
        )
    if str(wanted.get("vmPriority") or "Dedicated").lower() not in _PRIORITIES:
        raise azure_error(400, "UserError", f"vmPriority {wanted['vmPriority']!r}: Dedicated or LowPriority.")
    idle_seconds(settings)


def resource_of(scope: Scope, name: str, body: Json, wanted: Json, old: Json | None) -> Json:
    now = system_data(old=old["systemData"] if old else None)
    settings = wanted.get("scaleSettings") or {}
    least = settings.get("minNodeCount") or 0
    return {
        "id": f"{scope.arm_id}/computes/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/computes",
        "location": body.get("location") or (old or {}).get("location"),
        "tags": body.get("tags") or {},
        **({"identity": body["identity"]} if body.get("identity") else {}),
        "systemData": now,
        "properties": {
            **{key: value for key, value in body["properties"].items() if key != "provisioningErrors"},
            "computeType": "AmlCompute",
            "computeLocation": body.get("location") or (old or {}).get("location"),
            "createdOn": now["createdAt"],
            "modifiedOn": now["lastModifiedAt"],
            "isAttachedCompute": False,
            "properties": {
                **wanted,
                "vmPriority": _PRIORITIES[str(wanted.get("vmPriority") or "Dedicated").lower()],
                "scaleSettings": {"nodeIdleTimeBeforeScaleDown": "PT120S", **settings, "minNodeCount": least},
            },
        },
    }


def configured(compute: Compute) -> Json:
    """The properties of a cluster of the configuration."""
    return {
        "vmSize": compute.size,
        "scaleSettings": {
            "minNodeCount": compute.min_nodes,
            "maxNodeCount": compute.max_nodes,
            "nodeIdleTimeBeforeScaleDown": f"PT{compute.idle_seconds:g}S",
        },
    }


def live(cluster: Cluster | None) -> Json:
    """What is there now, in the properties of an AmlCompute."""
    nodes = cluster.nodes if cluster else ()
    running = sum(node.run is not None for node in nodes)
    waiting = len(cluster.waiting) if cluster else 0
    error = cluster.error if cluster else None
    most = cluster.plan.max_nodes if cluster else 0
    return {
        "allocationState": "Steady",
        "currentNodeCount": len(nodes),
        "targetNodeCount": min(most, running + waiting) if error else len(nodes),
        "nodeStateCounts": {
            "idleNodeCount": len(nodes) - running,
            "runningNodeCount": running,
            "preparingNodeCount": 0,
            "unusableNodeCount": 0,
            "leavingNodeCount": max(0, len(nodes) - most),
            "preemptedNodeCount": 0,
        },
        "errors": [{"error": {"code": "ClusterCoreQuotaReached", "message": error}}] if error else [],
    }


def plan_of(resource: Json) -> Plan:
    wanted = resource["properties"]["properties"]
    settings = wanted["scaleSettings"]
    return Plan(
        min_nodes=settings["minNodeCount"],
        max_nodes=settings["maxNodeCount"],
        idle_seconds=idle_seconds(settings),
        cores=machine_of(resource).cores,
        priority=wanted["vmPriority"],
    )


def machine_of(resource: Json) -> Size:
    found = size(resource["properties"]["properties"]["vmSize"])
    if found is None:
        raise RuntimeError(
            f"The compute {resource['id']} has an unknown size: it was checked when it was written."
        )
    return found


def idle_seconds(settings: Json) -> float:
    text = settings.get("nodeIdleTimeBeforeScaleDown") or "PT120S"
    try:
        seconds = _SECONDS.validate_python(text).total_seconds()
    except ValidationError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise azure_error(400, "UserError", f"nodeIdleTimeBeforeScaleDown {text!r} is no ISO 8601 duration.")
    return seconds
