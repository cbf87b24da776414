"""Managed identity: App Service's endpoint (both api-versions) and the virtual machine's."""

import hmac
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.identity.directory import Directory, Principal
from localazure.identity.tokens import Tokens
from localazure.web import Refusal

_OLD = "2017-09-01"  # secret instead of X-IDENTITY-HEADER, clientid, and a written-out expires_on
_UNKNOWN = (
    "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."
)


class ManagedIdentity:
    """Serves every identity but service principals, by `client_id`, `object_id` or `mi_res_id` (`msi_res_id`)."""

    def __init__(self, directory: Directory, tokens: Tokens, header: str):
        self._directory, self._tokens, self._header = directory, tokens, header

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/msi/token", self._app_service),
            Route("/metadata/identity/oauth2/token", self._virtual_machine),
        ]

    async def _app_service(self, request: Request) -> Response:
        is_old = request.query_params.get("api-version") == _OLD
        given = request.headers.get("secret" if is_old else "x-identity-header", "")
        if not hmac.compare_digest(given.encode(), self._header.encode()):
            raise _app_service_error(401, "X-IDENTITY-HEADER is missing or is not IDENTITY_HEADER's value.")
        resource = request.query_params.get("resource")
        if not resource:
            raise _app_service_error(400, "The query parameter `resource` is required.")
        principal = self._app_principal(request)
        token, claims = self._tokens.issue(resource, principal=principal)
        expiry = datetime.fromtimestamp(claims["exp"], UTC)
        return JSONResponse(
            {
                "access_token": token,
                "client_id": principal.client_id.upper(),
                "expires_on": _written_out(expiry) if is_old else str(claims["exp"]),
                "not_before": str(claims["nbf"]),
                "resource": resource,
                "token_type": "Bearer",
            }
        )

    async def _virtual_machine(self, request: Request) -> Response:
        if request.headers.get("metadata", "").lower() != "true":
            raise _metadata_error("invalid_request", "Required metadata header not specified")
        resource = request.query_params.get("resource")
        if not resource:
            raise _metadata_error("invalid_request", "Required query variable 'resource' is missing")
        principal = self._machine_principal(request)
        token, claims = self._tokens.issue(resource, principal=principal)
        lifetime = str(claims["exp"] - claims["iat"])
        return JSONResponse(
            {
                "access_token": token,
                "client_id": principal.client_id,
                "expires_in": lifetime,
                "expires_on": str(claims["exp"]),
                "ext_expires_in": lifetime,
                "not_before": str(claims["nbf"]),
                "resource": resource,
                "token_type": "Bearer",
            }
        )

    def _app_principal(self, request: Request) -> Principal:
        asked = _selector(request)
        if any(asked):
            found = self._selected(*asked)
            if found is None:
                raise _app_service_error(400, _UNKNOWN)
            return found
        if self._directory.default.kind != "system-assigned":
            raise _app_service_error(400, "Unable to load the proper Managed Identity.")
        return self._directory.default

    def _machine_principal(self, request: Request) -> Principal:
        asked = _selector(request)
        if any(asked):
            found = self._selected(*asked)
            if found is None:
                raise _metadata_error("invalid_request", "Identity not found")
            return found
        managed = [one for one in self._directory.assigned if one.kind != "user"]
        if self._directory.default.kind == "system-assigned":
            return self._directory.default
        if len(managed) == 1:
            return managed[0]
        raise _metadata_error(
            "invalid_request",
            "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in "
            "the token request"
            if managed
            else "Identity not found",
        )

    def _selected(self, client_id: str, object_id: str, resource_id: str) -> Principal | None:
        found = (one for one in self._directory.assigned if one.answers_to(client_id, object_id, resource_id))
        return next(found, None)


def _selector(request: Request) -> tuple[str, str, str]:
    """(client id, object id, resource id) under the names of all the api-versions; empty: not given."""

    def given(*names: str) -> str:
        return next((request.query_params[name] for name in names if request.query_params.get(name)), "")

    return (
        given("client_id", "clientid"),
        given("object_id", "principal_id"),
        given("mi_res_id", "msi_res_id"),
    )


def _written_out(time: datetime) -> str:
    return time.strftime("%m/%d/%Y %I:%M:%S %p +00:00")


def _app_service_error(status: int, message: str) -> Refusal:
    return Refusal(status, {"statusCode": status, "message": message, "correlationId": str(uuid.uuid4())})


def _metadata_error(code: str, description: str) -> Refusal:
    return Refusal(400, {"error": code, "error_description": description})
