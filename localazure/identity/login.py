"""Entra's login: its published keys, and tokens for service principals with a secret."""

import hmac
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.identity.directory import Directory
from localazure.identity.tokens import Tokens
from localazure.web import Refusal

LIFETIME_SECONDS = 3599  # what a service principal's tokens live


class Login:
    """The client credentials grant, v1 (`resource`) and v2 (`scope`). `secrets` are the applications', by name."""

    def __init__(self, directory: Directory, tokens: Tokens, secrets: Mapping[str, str], azure: str):
        self._directory, self._tokens, self._secrets, self._azure = directory, tokens, secrets, azure

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/{tenant}/oauth2/token", self._token, methods=["POST"]),
            Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
            Route("/{tenant}/discovery/keys", self._keys),
            Route("/{tenant}/discovery/v2.0/keys", self._keys),
            Route("/{tenant}/.well-known/openid-configuration", self._openid_configuration),
            Route("/{tenant}/v2.0/.well-known/openid-configuration", self._openid_configuration),
        ]

    async def _token(self, request: Request) -> Response:
        form = {name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()}
        if request.path_params["tenant"].lower() != self._tokens.tenant_id.lower():
            message = f"Tenant '{request.path_params['tenant']}' not found."
            raise _refused(400, "invalid_request", 90002, message)
        if form.get("grant_type") != "client_credentials":
            message = f"The grant type '{form.get('grant_type')}' is not emulated: client_credentials is."
            raise _refused(400, "unsupported_grant_type", 70003, message)
        principal = self._directory.application(form.get("client_id", ""))
        if principal is None:
            message = (
                f"Application with identifier '{form.get('client_id')}' was not found in the directory: "
                "it must be one of the configuration's identities, with kind: application."
            )
            raise _refused(400, "unauthorized_client", 700016, message)
        secret = self._secrets[principal.name]
        if not hmac.compare_digest(form.get("client_secret", "").encode(), secret.encode()):
            message = f"Invalid client secret provided for app '{principal.client_id}'."
            raise _refused(401, "invalid_client", 7000215, message)
        token, claims = self._tokens.issue(_resource(form), LIFETIME_SECONDS, principal)
        lifetime = claims["exp"] - claims["iat"]
        answer = {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime}
        if "resource" in form:
            answer |= {"expires_on": str(claims["exp"]), "resource": form["resource"]}
        return JSONResponse(answer | {"access_token": token})

    async def _keys(self, request: Request) -> Response:
        return JSONResponse(self._tokens.jwks())

    async def _openid_configuration(self, request: Request) -> Response:
        base = f"{self._azure}/{request.path_params['tenant']}"
        version = "v2.0/" if "/v2.0/" in request.url.path else ""
        return JSONResponse(
            {
                "issuer": self._tokens.issuer,
                "authorization_endpoint": f"{base}/oauth2/{version}authorize",
                "token_endpoint": f"{base}/oauth2/{version}token",
                "jwks_uri": f"{base}/discovery/{version}keys",
                "response_types_supported": ["token"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            }
        )


def _resource(form: Mapping[str, str]) -> str:
    if resource := form.get("resource"):
        return resource
    scope = form.get("scope", "")
    if not scope.endswith("/.default") or " " in scope:
        message = f"The provided value for scope '{scope}' is not valid: client credentials take <resource>/.default."
        raise _refused(400, "invalid_scope", 1002012, message)
    return scope.removesuffix("/.default")


def _refused(status: int, error: str, code: int, message: str) -> Refusal:
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    timestamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return Refusal(
        status,
        {
            "error": error,
            "error_description": f"AADSTS{code}: {message} Trace ID: {trace} Correlation ID: {correlation} "
            f"Timestamp: {timestamp}",
            "error_codes": [code],
            "timestamp": timestamp,
            "trace_id": trace,
            "correlation_id": correlation,
        },
    )
