"""Microsoft Entra ID and managed identity: tokens signed by a key of our own, and the endpoints that hand them out."""

from localazure.identity.service import Identity
from localazure.identity.tokens import Claims, InvalidTokenError, Tokens

__all__ = ["Claims", "Identity", "InvalidTokenError", "Tokens"]
