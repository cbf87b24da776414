"""The endpoints of managed identity (App Service's and the virtual machine's form) and of Entra's metadata."""

import hmac
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.identity.tokens import Tokens
from localazure.service import Runtime
from localazure.web import azure_error


class Identity:
    """One system-assigned identity, allowed everything. `tokens` verifies what it issued."""

    def __init__(self, runtime: Runtime):
        self.tokens = Tokens(runtime.state, runtime.config.tenant_id)
        self._header = runtime.secrets["identity_header"]
        self._azure = runtime.addresses.azure

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/msi/token", self._app_service_token),
            Route("/metadata/identity/oauth2/token", self._virtual_machine_token),
            Route("/{tenant}/discovery/keys", self._keys),
            Route("/{tenant}/discovery/v2.0/keys", self._keys),
            Route("/{tenant}/.well-known/openid-configuration", self._openid_configuration),
            Route("/{tenant}/v2.0/.well-known/openid-configuration", self._openid_configuration),
        ]

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def _app_service_token(self, request: Request) -> Response:
        if not hmac.compare_digest(
            request.headers.get("x-identity-header", "").encode(), self._header.encode()
        ):
            raise azure_error(
                401, "Unauthorized", "X-IDENTITY-HEADER is missing or is not IDENTITY_HEADER's value."
            )
        return self._token(request)

    async def _virtual_machine_token(self, request: Request) -> Response:
        if request.headers.get("metadata", "").lower() != "true":
            raise azure_error(400, "invalid_request", "The header `Metadata: true` is required.")
        return self._token(request)

    def _token(self, request: Request) -> Response:
        resource = request.query_params.get("resource")
        if not resource:
            raise azure_error(400, "invalid_request", "The query parameter `resource` is required.")
        token, claims = self.tokens.issue(resource)
        return JSONResponse(
            {
                "access_token": token,
                "client_id": claims["appid"],
                "expires_in": str(claims["exp"] - claims["iat"]),
                "expires_on": str(claims["exp"]),
                "not_before": str(claims["nbf"]),
                "resource": resource,
                "token_type": "Bearer",
            }
        )

    async def _keys(self, request: Request) -> Response:
        return JSONResponse(self.tokens.jwks())

    async def _openid_configuration(self, request: Request) -> Response:
        tenant = request.path_params["tenant"]
        return JSONResponse(
            {
                "issuer": self.tokens.issuer,
                "authorization_endpoint": f"{self._azure}/{tenant}/oauth2/authorize",
                "token_endpoint": f"{self._azure}/{tenant}/oauth2/token",
                "jwks_uri": f"{self._azure}/{tenant}/discovery/keys",
                "response_types_supported": ["token"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )
