"""Who there is: the tenant's principals, and what their tokens say of them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from localazure.config import Config
from localazure.identity_config import IdentityKind, IdentitySettings

AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"  # the application that people sign in with
_APP = IdentitySettings(name="app", kind="system-assigned")


@dataclass(frozen=True)
class Principal:
    """One identity with its ids settled. `resource_id` is empty unless it belongs to an Azure resource."""

    name: str
    kind: IdentityKind
    object_id: str
    client_id: str
    resource_id: str = ""
    upn: str = ""

    @property
    def claims(self) -> dict[str, Any]:
        """The claims of this principal's tokens that say who it is."""
        shared = {"oid": self.object_id, "sub": self.object_id}
        if self.kind == "user":
            names = {"upn": self.upn, "unique_name": self.upn, "name": self.name}
            return shared | names | {"appid": AZURE_CLI, "idtyp": "user", "scp": "user_impersonation"}
        application = shared | {"appid": self.client_id, "idtyp": "app"}
        if self.kind == "application":
            return application | {"appidacr": "1"}
        return application | {"appidacr": "2", "xms_mirid": self.resource_id}

    def answers_to(self, client_id: str, object_id: str, resource_id: str) -> bool:
        """Whether the one selector that is given, whatever its case, names this principal."""
        pairs = (client_id, self.client_id), (object_id, self.object_id), (resource_id, self.resource_id)
        return all(not asked or asked.lower() == own.lower() for asked, own in pairs)


def issuer_of(tenant_id: str) -> str:
    """Entra's v1 form, which Azurite insists on."""
    return f"https://sts.windows.net/{tenant_id}/"


def default_principal(tenant_id: str) -> Principal:
    """The one identity of a tenant where none is configured."""
    return _principal(_APP, Config(tenant_id=tenant_id))


class Directory:
    """The principals of a configuration; `default` is whose token is handed out when nobody else is asked for."""

    def __init__(self, config: Config):
        self.principals: Sequence[Principal] = [
            _principal(one, config) for one in config.identities or (_APP,)
        ]
        self.default = next(
            (one for one in self.principals if one.kind == "system-assigned"), self.principals[0]
        )

    @property
    def assigned(self) -> list[Principal]:
        """Those that the managed identity endpoints serve; people, too: it stands for a developer's login."""
        return [one for one in self.principals if one.kind != "application"]

    def application(self, client_id: str) -> Principal | None:
        """The service principal with this client id."""
        applications = (one for one in self.principals if one.kind == "application")
        return next((one for one in applications if one.client_id == client_id.lower()), None)

    def named(self, name: str) -> Principal:
        """Raises `KeyError`."""
        return {one.name: one for one in self.principals}[name]


def _principal(settings: IdentitySettings, config: Config) -> Principal:
    def settled(given: str | None, what: str) -> str:
        name = f"{issuer_of(config.tenant_id)}{settings.name}/{what}"
        return given.lower() if given else str(uuid.uuid5(uuid.NAMESPACE_URL, name))

    provider = {
        "system-assigned": "Microsoft.Web/sites",
        "user-assigned": "Microsoft.ManagedIdentity/userAssignedIdentities",
    }.get(settings.kind)
    group = f"/subscriptions/{config.subscription_id}/resourcegroups/{settings.resource_group}"
    return Principal(
        settings.name,
        settings.kind,
        settled(settings.object_id, "object"),
        settled(settings.client_id, "client"),
        f"{group}/providers/{provider}/{settings.name}" if provider else "",
        settings.upn,
    )
