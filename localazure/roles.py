"""Azure's built-in roles for what is emulated here, and how their wildcards match an action."""

import re
from collections.abc import Iterable
from functools import cache

from pydantic import BaseModel, ConfigDict

_ML = "Microsoft.MachineLearningServices"
_MAIL = "Microsoft.Communication"


class Role(BaseModel):
    """A role definition: what it allows, less what it takes away again. Data actions are a world of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    id: str = ""
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()

    def allows(self, action: str, *, data: bool = False) -> bool:
        """Whether this role alone permits `action`, a data action if `data`."""
        given = self.data_actions if data else self.actions
        taken = self.not_data_actions if data else self.not_actions
        return _any_matches(given, action) and not _any_matches(taken, action)


def _any_matches(patterns: Iterable[str], action: str) -> bool:
    return any(_expression(pattern).fullmatch(action) for pattern in patterns)


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """`*` stands for any text; `a/*/b` also means `a/b`: the data scientist's `workspaces/*/read` reads workspaces."""
    text = re.escape(pattern).replace(r"/\*/", "/(?:.*/)?").replace(r"\*", ".*")
    return re.compile(text, re.IGNORECASE)


_ROLES = (
    Role(name="Owner", id="8e3af657-a8ff-443c-a75c-2fe8c4bcb635", actions=("*",)),
    Role(
        name="Contributor",
        id="b24988ac-6180-42a0-ab88-20f7382dd24c",
        actions=("*",),
        not_actions=(
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
        ),
    ),
    Role(name="Reader", id="acdd72a7-3385-48ef-bd42-f606fba81ae7", actions=("*/read",)),
    Role(
        name="AzureML Data Scientist",
        id="f6c7c914-8db3-469d-8ca1-694a8f32e121",
        actions=tuple(f"{_ML}/workspaces/*/{verb}" for verb in ("read", "action", "delete", "write")),
        not_actions=(
            f"{_ML}/workspaces/delete",
            f"{_ML}/workspaces/write",
            f"{_ML}/workspaces/computes/*/write",
            f"{_ML}/workspaces/computes/*/delete",
            f"{_ML}/workspaces/computes/listKeys/action",
            f"{_ML}/workspaces/listKeys/action",
            f"{_ML}/workspaces/hubs/write",
            f"{_ML}/workspaces/hubs/delete",
            f"{_ML}/workspaces/featurestores/write",
            f"{_ML}/workspaces/featurestores/delete",
        ),
    ),
    Role(
        name="AzureML Compute Operator",
        id="e503ece1-11d0-4e8e-8e2c-7a6c3bf38815",
        actions=(f"{_ML}/workspaces/computes/*", f"{_ML}/workspaces/notebooks/vm/*"),
    ),
    Role(
        name="AzureML Registry User",
        id="1823dd4f-9b8c-4ab6-ab4e-7397a3684615",
        actions=(f"{_ML}/registries/read", f"{_ML}/registries/assets/*"),
    ),
    Role(
        name="EventGrid Data Sender",
        id="d5a91429-5739-47e2-a06b-3470a27159e7",
        actions=(
            "Microsoft.Authorization/*/read",
            "Microsoft.EventGrid/topics/read",
            "Microsoft.EventGrid/domains/read",
            "Microsoft.EventGrid/partnerNamespaces/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.EventGrid/namespaces/read",
        ),
        data_actions=("Microsoft.EventGrid/events/send/action",),
    ),
    Role(
        name="EventGrid Contributor",
        id="1e241071-0855-49ea-94dc-649edcd759de",
        actions=(
            "Microsoft.Authorization/*/read",
            "Microsoft.EventGrid/*",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Support/*",
        ),
    ),
    Role(
        name="Communication and Email Service Owner",
        id="09976791-48a7-449e-bb21-39d1a415f350",
        actions=(
            f"{_MAIL}/CheckNameAvailability/action",
            f"{_MAIL}/Locations/OperationStatuses/*",
            f"{_MAIL}/Operations/read",
            f"{_MAIL}/CommunicationServices/*",
            f"{_MAIL}/EmailServices/*",
        ),
    ),
)

BUILT_IN = {role.name: role for role in _ROLES}
