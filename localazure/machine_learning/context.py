"""What every room of the emulator shares."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from starlette.requests import Request

from localazure.documents import Documents
from localazure.identity.tokens import Claims, Tokens
from localazure.machine_learning.actions import needed
from localazure.machine_learning.datastores.places import datastore_container
from localazure.machine_learning.events import Events
from localazure.machine_learning.routing import Json, Scope, principal
from localazure.machine_learning.storage import Location, Storage, locate
from localazure.service import Runtime
from localazure.web import azure_error

_MANAGEMENT = ("https://management.azure.com", "https://management.core.windows.net")
_MACHINE_LEARNING = "https://ml.azure."


@dataclass(frozen=True)
class Context:
    """`documents` is the one memory; `tokens` issues and checks the bearer tokens."""

    runtime: Runtime
    documents: Documents
    storage: Storage
    scopes: Mapping[str, Scope]
    events: Events
    tokens: Tokens

    def locate(self, uri: str, workspace: str) -> Location:
        """Where `uri` lies; short datastore URIs belong to `workspace`. Raises `UnknownLocation`."""
        return locate(uri, workspace, partial(datastore_container, self.documents))

    def authorize(self, request: Request) -> Claims:
        """The token's claims. Refuses with 401 a request without a valid token for Azure's management or Azure ML, and
        with 403 one whose bearer no role assignment allows it."""
        claims = self.tokens.authorize(request)
        audience = str(claims["aud"]).rstrip("/")
        management = (self.runtime.addresses.azure, *_MANAGEMENT)
        if audience not in management and not audience.startswith(_MACHINE_LEARNING):
            raise azure_error(
                401,
                "InvalidAuthenticationTokenAudience",
                f"The token is for {audience}, not for {management[0]}.",
            )
        if need := needed(request.method, request.url.path):
            self.tokens.access.check(claims, need.action, need.scope)
        return claims


def timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def system_data(created: str | None = None, *, old: Json | None = None) -> Json:
    """ARM's record of who touched a resource and when; `old` is the record so far, `created` its time alone."""
    now, who = timestamp(), principal.get()
    return {
        "createdAt": created or now,
        "createdBy": who.name,
        "createdByType": who.kind,
        **{key: value for key, value in (old or {}).items() if key.startswith("created")},
        "lastModifiedAt": now,
        "lastModifiedBy": who.name,
        "lastModifiedByType": who.kind,
    }
