"""How many rows a flood may leave in a table from which nothing is deleted. Pure."""

SECOND, MINUTE = 1.0, 60.0
PER_SECOND = 10
PER_MINUTE = 100
"""At most: 70 MB a day of somebody who tries without end."""


class Allowance:
    """Lets 10 a second and 100 a minute through, and counts the others."""

    def __init__(self) -> None:
        self._second = self._minute = 0.0
        self._in_second = self._in_minute = 0
        self._further = 0

    def take(self, now: float) -> bool:
        """Return whether there is room for one more at this moment; else it is counted."""
        if now - self._minute >= MINUTE:
            self._minute, self._in_minute = now, 0
        if now - self._second >= SECOND:
            self._second, self._in_second = now, 0
        if self._in_second >= PER_SECOND or self._in_minute >= PER_MINUTE:
            self._further += 1
            return False
        self._in_second += 1
        self._in_minute += 1
        return True

    def further(self, now: float) -> int:
        """Return how many were counted, once the minute is over in which that began."""
        if now - self._minute < MINUTE:
            return 0
        return self.rest()

    def is_over(self, now: float) -> bool:
        """Return whether nothing of it matters any more."""
        return now - self._minute >= MINUTE and not self._further

    def rest(self) -> int:
        """Return how many were counted, and begin anew."""
        counted, self._further = self._further, 0
        return counted
