"""What Azure ML demands of endpoints and deployments of either kind: names, quotas, traffic."""

import re
from collections.abc import Collection, Mapping
from typing import Literal

from localazure.machine_learning.context import Context
from localazure.machine_learning.routing import Scope
from localazure.web import azure_error

Kind = Literal["batch", "online"]
KINDS: tuple[Kind, ...] = ("batch", "online")
MAX_MIRROR_PERCENT = 50

_NAME = re.compile(r"[a-zA-Z](?:[a-zA-Z0-9]|-(?!-)){1,30}[a-zA-Z0-9]")


def check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise refused(
            f"{name!r}: 3 to 32 letters, digits and single dashes, a letter first, no dash at the end."
        )


def check_endpoint_quota(context: Context) -> None:
    """Refuses with 400 one more endpoint than the region's quota."""
    most = context.runtime.config.quotas.endpoints
    if sum(len(context.documents.list(f"{kind}Endpoints")) for kind in KINDS) >= most:
        raise _quota(f"The region has {most} endpoints, the most a subscription may have there")


def check_deployment_quota(context: Context, scope: Scope, kind: Kind, endpoint: str) -> None:
    """Refuses with 400 one more deployment than the endpoint's or the region's quota."""
    quotas, documents = context.runtime.config.quotas, context.documents
    mine = len(documents.list(f"{kind}Deployments", f"{scope.key}/{endpoint}/"))
    if mine >= quotas.deployments_per_endpoint:
        raise _quota(
            f"The endpoint {endpoint} has {quotas.deployments_per_endpoint} deployments, the most an endpoint may have"
        )
    if sum(len(documents.list(f"{one}Deployments")) for one in KINDS) >= quotas.deployments:
        raise _quota(
            f"The region has {quotas.deployments} deployments, the most a subscription may have there"
        )


def check_unique_in_region(context: Context, kind: Kind, key: str) -> None:
    """Refuses with 400 an endpoint's name that another workspace of the region has taken."""
    name = key.rpartition("/")[2].lower()
    taken = [other for other, _ in context.documents.list(f"{kind}Endpoints") if other != key]
    if any(other.rpartition("/")[2].lower() == name for other in taken):
        location = context.runtime.config.location
        raise refused(
            f"There is already an endpoint named {name} in {location}: names are unique in a region."
        )


def check_traffic(
    traffic: Mapping[str, int], mirror: Mapping[str, int], deployments: Collection[str]
) -> None:
    """Refuses with 400 a split that the service does not take.

    Live traffic sums to 0 or 100; at most one deployment is sent copies, at most of half, and has no live traffic.
    """
    known = {name.lower() for name in deployments}
    for name, percent in (*traffic.items(), *mirror.items()):
        if type(percent) is not int or not 0 <= percent <= 100:
            raise refused(f"The traffic of {name} is {percent!r}: a whole number from 0 to 100 is expected.")
        if name.lower() not in known:
            raise refused(f"The deployment {name}, which is to have traffic, does not exist.")
    if sum(traffic.values()) not in (0, 100):
        raise refused(f"The traffic sums to {sum(traffic.values())}: it has to be 0 or 100.")
    mirrored = [name for name, percent in mirror.items() if percent]
    if len(mirrored) > 1:
        raise refused(
            f"Traffic can be mirrored to one deployment only, not to {', '.join(sorted(mirrored))}."
        )
    if sum(mirror.values()) > MAX_MIRROR_PERCENT:
        raise refused(f"At most {MAX_MIRROR_PERCENT} percent of the traffic can be mirrored.")
    live = {name.lower() for name, percent in traffic.items() if percent}
    if both := [name for name in mirrored if name.lower() in live]:
        raise refused(f"{both[0]} has live traffic: a deployment is sent live or mirrored traffic, not both.")


def refused(message: str) -> Exception:
    return azure_error(400, "UserError", message)


def _quota(message: str) -> Exception:
    return azure_error(400, "QuotaExceeded", f"{message}: delete what is no longer used.")
