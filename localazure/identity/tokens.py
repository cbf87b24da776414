"""JWTs as Entra ID issues them (v1, RS256), signed by a key that lives in the state folder."""

import base64
import hashlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import HTTPConnection

from localazure.faults import Faults
from localazure.faults.tokens import TokenFaults
from localazure.identity.access import Access, Claims
from localazure.identity.directory import Directory, Principal, default_principal, issuer_of
from localazure.service import Runtime
from localazure.web import azure_error

LIFETIME_SECONDS = 24 * 3600  # what a managed identity's tokens live on Azure
_EARLIER_SECONDS = 300  # `nbf` before now: clocks differ


class InvalidTokenError(Exception):
    """The token is malformed, expired, signed by another key, or meant for another audience."""


class Tokens:
    """Issues and verifies tokens of one tenant; `access` knows what their bearers may do.

    `now` gives the seconds since 1970 by which tokens are dated and judged; faults shift it, and shorten lives.
    """

    def __init__(
        self,
        state: Path,
        tenant_id: str,
        *,
        principal: Principal | None = None,
        access: Access | None = None,
        now: Callable[[], float] | None = None,
        faults: Faults | None = None,
    ):
        self.tenant_id = tenant_id
        self.issuer = issuer_of(tenant_id)
        self.access = access or Access()
        self._faults = TokenFaults(faults or Faults())
        self.now = now or self._faults.now
        self.lifetime_seconds = LIFETIME_SECONDS
        self._principal = principal or default_principal(tenant_id)
        self._key = _load_or_create_key(state / "identity" / "key.pem")
        self._key_id = _key_id(self._key)

    @classmethod
    def of(cls, runtime: Runtime) -> Self:
        """The tokens of a local Azure, with its identities and role assignments."""
        config = runtime.config
        default = Directory(config).default
        return cls(
            runtime.state,
            config.tenant_id,
            principal=default,
            access=Access(config),
            faults=runtime.faults,
        )

    def issue(
        self, resource: str, lifetime_seconds: int | None = None, principal: Principal | None = None
    ) -> tuple[str, Claims]:
        """A token of `principal` (left out: the app's own identity) for `resource`, its `aud`, and its claims."""
        now = int(self.now())
        usual = self.lifetime_seconds if lifetime_seconds is None else lifetime_seconds
        claims: Claims = {
            "aud": resource,
            "iss": self.issuer,
            "iat": now,
            "nbf": now - _EARLIER_SECONDS,
            "exp": now + self._faults.lifetime(resource, usual),
            "tid": self.tenant_id,
            "uti": uuid.uuid4().hex[:22],
            "ver": "1.0",
            **(principal or self._principal).claims,
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._key_id}), claims

    def verify(self, token: str, *audiences: str) -> Claims:
        """The token's claims; `audiences` (none: any) are compared without trailing slashes.

        Raises `InvalidTokenError`.
        """
        try:
            claims: Claims = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                issuer=self.issuer,
                options={
                    "require": ["exp", "iss", "aud"],
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError as error:
            raise InvalidTokenError(str(error)) from None
        self._check_times(claims)
        if audiences and claims["aud"].rstrip("/") not in {audience.rstrip("/") for audience in audiences}:
            raise InvalidTokenError(f"The token is for {claims['aud']}, not for {' or '.join(audiences)}.")
        return claims

    def _check_times(self, claims: Claims) -> None:
        now = self.now()
        if claims["exp"] <= now or self._faults.is_over(claims):
            raise InvalidTokenError("The token has expired.")
        if claims.get("nbf", 0) > now:
            raise InvalidTokenError("The token is not yet valid: the clocks differ.")

    def authorize(self, request: HTTPConnection, *audiences: str) -> Claims:
        """The claims of the request's bearer token; refuses with 401."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise azure_error(401, "Unauthorized", "The request carries no bearer token.")
        try:
            return self.verify(token, *audiences)
        except InvalidTokenError as error:
            raise azure_error(401, "Unauthorized", f"The bearer token was refused: {error}") from None

    def jwks(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self._key_id, "issuer": self.issuer}
        return {"keys": [key | {"n": _base64url(numbers.n), "e": _base64url(numbers.e)}]}


def _load_or_create_key(path: Path) -> rsa.RSAPrivateKey:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_bytes(pem)
        draft.replace(path)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{path} holds no RSA key: delete it, a new one is made")
    return key


def _key_id(key: rsa.RSAPrivateKey) -> str:
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.urlsafe_b64encode(hashlib.sha256(public).digest())[:27].decode()


def _base64url(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).rstrip(b"=").decode()
