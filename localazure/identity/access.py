"""What the role assignments of the configuration permit, and how Azure says no."""

import uuid
from dataclasses import dataclass
from typing import Any

from localazure import scopes
from localazure.config import Config
from localazure.identity.directory import Directory, Principal
from localazure.roles import BUILT_IN, Role
from localazure.web import azure_error

Claims = dict[str, Any]


@dataclass(frozen=True)
class Assignment:
    """`role`, held by `principal` at `scope` (an ARM id) and everywhere below it."""

    principal: Principal
    role: Role
    scope: str

    @property
    def name(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.principal.object_id}{self.role.name}{self.scope}"))

    def covers(self, scope: str) -> bool:
        return f"{scope.lower().rstrip('/')}/".startswith(f"{self.scope.lower().rstrip('/')}/")


class Access:
    """Decides by the token's `oid`. Without a configuration, or where it assigns no roles, everything is allowed."""

    def __init__(self, config: Config | None = None):
        self.is_checked = config is not None and config.role_assignments is not None
        self.assignments = _assignments(config) if config else []

    def allows(self, claims: Claims, action: str, scope: str, *, data: bool = False) -> bool:
        """Whether a role that the caller holds at `scope` or above permits `action`."""
        held = (one for one in self.assignments if one.principal.object_id == claims.get("oid"))
        return not self.is_checked or any(
            one.covers(scope) and one.role.allows(action, data=data) for one in held
        )

    def check(self, claims: Claims, action: str, scope: str, *, data: bool = False) -> None:
        """Refuses with 403, in Azure Resource Manager's words, what no assignment allows."""
        if self.allows(claims, action, scope, data=data):
            return
        client = claims.get("upn") or claims.get("appid")
        raise azure_error(
            403,
            "AuthorizationFailed",
            f"The client '{client}' with object id '{claims.get('oid')}' does not have authorization to perform "
            f"action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, "
            "please refresh your credentials.",
        )


def _assignments(config: Config) -> list[Assignment]:
    directory, names = Directory(config), scopes.short_names(config)
    roles = BUILT_IN | {role.name: role for role in config.custom_roles}
    return [
        Assignment(directory.named(one.identity), roles[one.role], names.get(one.scope, one.scope))
        for one in config.role_assignments or ()
    ]
