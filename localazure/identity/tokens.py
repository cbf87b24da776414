"""JWTs as Entra ID issues them (v1, RS256), signed by a key that lives in the state folder."""

import base64
import hashlib
import os
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import HTTPConnection

from localazure.web import azure_error

Claims = dict[str, Any]

LIFETIME_SECONDS = 24 * 3600  # what a managed identity's tokens live on Azure
_EARLIER_SECONDS = 300  # `nbf` before now: clocks differ


class InvalidTokenError(Exception):
    """The token is malformed, expired, signed by another key, or meant for another audience."""


class Tokens:
    """Issues and verifies tokens of one tenant. `issuer` is Entra's v1 form, which Azurite insists on."""

    def __init__(self, state: Path, tenant_id: str):
        self.tenant_id = tenant_id
        self.issuer = f"https://sts.windows.net/{tenant_id}/"
        self.object_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.issuer}managed-identity"))
        self.client_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.issuer}application"))
        self._key = _load_or_create_key(state / "identity" / "key.pem")
        self._key_id = _key_id(self._key)

    def issue(self, resource: str, lifetime_seconds: int = LIFETIME_SECONDS) -> tuple[str, Claims]:
        """A token of the managed identity for `resource` (its `aud`, as asked), and its claims."""
        now = int(time.time())
        claims: Claims = {
            "aud": resource,
            "iss": self.issuer,
            "iat": now,
            "nbf": now - _EARLIER_SECONDS,
            "exp": now + lifetime_seconds,
            "appid": self.client_id,
            "idtyp": "app",
            "oid": self.object_id,
            "sub": self.object_id,
            "tid": self.tenant_id,
            "ver": "1.0",
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
                options={"verify_aud": False, "require": ["exp", "iss", "aud"]},
            )
        except jwt.InvalidTokenError as error:
            raise InvalidTokenError(str(error)) from None
        if audiences and claims["aud"].rstrip("/") not in {audience.rstrip("/") for audience in audiences}:
            raise InvalidTokenError(f"The token is for {claims['aud']}, not for {' or '.join(audiences)}.")
        return claims

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
