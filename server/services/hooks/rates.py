"""How often something may be done in a minute. Pure."""

import math
from collections import OrderedDict
from uuid import UUID

MINUTE = 60.0
MAX_KEPT = 4096
"""Things that are counted; beyond it the one that was counted last is forgotten."""


class Rates:
    """Lets each thing be done so many times a minute; `now` is of a monotonic clock."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._counted: OrderedDict[UUID, tuple[float, int]] = OrderedDict()

    def wait_seconds(self, key: UUID, now: float) -> int:
        """Count one more, and return 0; or after how many seconds there is room for it."""
        since, count = self._counted.get(key, (now, 0))
        if now - since >= MINUTE:
            since, count = now, 0
        if count >= self._per_minute:
            return max(math.ceil(since + MINUTE - now), 1)
        self._counted[key] = since, count + 1
        self._counted.move_to_end(key)
        if len(self._counted) > MAX_KEPT:
            self._counted.popitem(last=False)
        return 0
