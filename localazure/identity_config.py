"""Who there is and what they may do: the `identities`, `custom_roles` and `role_assignments` of the configuration."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from localazure.roles import BUILT_IN, Role

IdentityKind = Literal["system-assigned", "user-assigned", "application", "user"]
_GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


class IdentitySettings(BaseModel):
    """A principal of the tenant. Ids that are left out follow from the name and the tenant, and never change.

    `application`: a service principal with a generated secret, `{secret:client_secret_<name>}` in settings.
    `user`: a person; its tokens name it `upn`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z-]*$")
    kind: IdentityKind = "user-assigned"
    object_id: str | None = Field(default=None, pattern=_GUID)
    client_id: str | None = Field(default=None, pattern=_GUID)
    resource_group: str = "local-rg"
    upn: str = Field(default="", pattern=r"^$|^[^@\s]+@[^@\s]+$")

    @model_validator(mode="after")
    def _people_have_names(self) -> Self:
        if (self.kind == "user") != bool(self.upn):
            raise ValueError(
                f"{self.name}: a `upn`, like someone@example.com, is for kind: user, which needs it"
            )
        return self

    @property
    def secret_name(self) -> str:
        return f"client_secret_{self.name.replace('-', '_')}"


class RoleAssignment(BaseModel):
    """`scope`: an ARM id, or the name of a workspace, registry, topic, e-mail service or group, or `subscription`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    identity: str
    role: str
    scope: str


def check(
    identities: Sequence[IdentitySettings],
    custom_roles: Iterable[Role],
    assignments: Iterable[RoleAssignment],
    scopes: Mapping[str, str],
) -> None:
    """Raises `ValueError`, naming what is wrong, for two of a name and for what does not exist."""
    names = [one.name for one in identities]
    if len(set(names)) != len(names):
        raise ValueError("identities: two have the same name")
    if sum(one.kind == "system-assigned" for one in identities) > 1:
        raise ValueError("identities: one at most is system-assigned: an app has one such identity")
    roles = {*BUILT_IN, *(role.name for role in custom_roles)}
    for one in assignments:
        _known("identity", one.identity, names or ["app"])
        _known("role", one.role, roles)
        if not re.match(r"/subscriptions/[^/]+", one.scope):
            _known("scope", one.scope, scopes)


def _known(what: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise ValueError(f"role_assignments: there is no {what} {name!r} (known: {', '.join(sorted(known))})")
