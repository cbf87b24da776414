"""How many mails may be sent in a minute and in an hour."""

import math
from collections import deque


class Quota:
    """Sliding windows; a limit of None is none. Forgotten at a restart, as the limits are about rates."""

    def __init__(self, per_minute: int | None, per_hour: int | None):
        self._limits = [(limit, seconds) for limit, seconds in ((per_minute, 60), (per_hour, 3600)) if limit]
        self._sent: deque[float] = deque()

    def wait(self, now: float) -> int:
        """Whole seconds until one more may be sent; 0: now."""
        while self._sent and self._sent[0] <= now - 3600:
            self._sent.popleft()
        waits = [
            self._sent[-limit] + seconds - now for limit, seconds in self._limits if len(self._sent) >= limit
        ]
        return max(0, math.ceil(max(waits, default=0)))

    def count(self, now: float) -> None:
        if self._limits:
            self._sent.append(now)
