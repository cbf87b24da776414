"""What Azure ML allows of endpoints and deployments, asked before a release touches any."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from busbar.domain.policies import QuotaPolicy


@dataclass(frozen=True)
class Occupancy:
    """What stands before a release: the stage's deployments by endpoint, and the counts of the whole region."""

    deployments: Mapping[str, Set[str]]
    endpoints_in_region: int
    deployments_in_region: int


def exceeded(
    quota: QuotaPolicy, now: Occupancy, created: Mapping[str, Set[str]], freed: Mapping[str, Set[str]]
) -> str:
    """Which quota a release would break that creates and frees these deployments, by endpoint; "" for none.

    What is freed goes before what is created beside it.
    """
    new = {name: created[name] - now.deployments.get(name, set()) for name in sorted(created)}
    gone = {name: freed.get(name, set()) & now.deployments.get(name, set()) - created[name] for name in new}
    for name, deployments in new.items():
        there = len(now.deployments.get(name, set())) - len(gone[name])
        problem = _problem(
            f"endpoint {name}",
            "deployments",
            there,
            len(deployments),
            quota.deployments_per_endpoint,
            "deployments_per_endpoint",
        )
        if problem:
            return problem
    endpoints = sum(name not in now.deployments for name in new)
    every, left = (
        sum(map(len, new.values())),
        now.deployments_in_region - sum(map(len, gone.values())),
    )
    return _problem(
        "the region", "endpoints", now.endpoints_in_region, endpoints, quota.endpoints, "endpoints"
    ) or _problem("the region", "deployments", left, every, quota.deployments, "deployments")


def _problem(where: str, what: str, there: int, new: int, limit: int, key: str) -> str:
    if not new or there + new <= limit:
        return ""
    return (
        f"{where} would have {there + new} {what} ({there} there, {new} new) and may have {limit}: "
        f"delete what is no longer used, or have the quota raised and set quotas.{key} in config/pipeline.yaml"
    )
