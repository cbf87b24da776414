"""Function keys: the Functions host alone knows them, so it is asked."""

from busbar.domain.errors import TemporarilyUnavailable
from busbar.settings import Settings

_LONGEST = 256


class Keys:
    """Whether the app's own host accepts a key, as it does for every route that asks for one."""

    def __init__(self, settings: Settings):
        self._address = f"{settings.public_url}/api/key"

    def accepted(self, key: str) -> bool:
        """Raises `TemporarilyUnavailable` when the host does not answer."""
        import httpx

        if not (0 < len(key) <= _LONGEST and key.isascii() and key.isprintable()):
            return False
        try:
            answer = httpx.get(self._address, headers={"x-functions-key": key}, timeout=10, trust_env=False)
        except httpx.HTTPError as error:
            raise TemporarilyUnavailable(
                f"the key could not be checked: {self._address} does not answer"
            ) from error
        return answer.is_success
