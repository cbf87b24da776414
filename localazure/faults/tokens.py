"""Faults of tokens: a clock that is off, short lives, and long-lived tokens refused before their time."""

import time
from collections.abc import Mapping
from typing import Any

from localazure.faults.registry import Faults


class TokenFaults:
    """What the issuer of tokens asks: what time it is, how long a token lives, whether one is over already."""

    def __init__(self, faults: Faults):
        self._faults = faults

    def now(self) -> float:
        """Seconds since the epoch by Azure's clock."""
        skew = self._faults.in_force("clock-skew") if self._faults.any() else None
        return time.time() + (skew.number("seconds") if skew else 0.0)

    def lifetime(self, resource: str, usual: int) -> int:
        """The seconds that a token for `resource`, issued now, lives."""
        self._faults.meet("clock-skew", resource=resource)
        short = self._faults.meet("token-expiry", resource=resource)
        return min(usual, int(short.number("seconds"))) if short else usual

    def is_over(self, claims: Mapping[str, Any]) -> bool:
        """Whether a token that has not expired is refused as if it had: it lives longer than tokens do now."""
        short = self._faults.in_force("token-expiry") if self._faults.any() else None
        if short is None or claims["exp"] - claims.get("iat", 0) <= short.number("seconds"):
            return False
        self._faults.meet("token-expiry", refused=str(claims["aud"]))
        return True
