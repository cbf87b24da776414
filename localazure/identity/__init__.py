"""Microsoft Entra ID: who there is, tokens signed by a key of our own, the endpoints that hand them out, and roles."""

from localazure.identity.access import Access, Claims
from localazure.identity.service import Identity
from localazure.identity.tokens import InvalidTokenError, Tokens

__all__ = ["Access", "Claims", "Identity", "InvalidTokenError", "Tokens"]
