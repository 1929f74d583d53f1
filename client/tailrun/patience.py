"""How long, and how often, one asks a server that is away."""

import asyncio
from random import SystemRandom

from tailrun.errors import AwayError

FIRST_DELAY_SECONDS = 0.1
MAX_DELAY_SECONDS = 5.0
MAX_RETRY_AFTER_SECONDS = 30.0
"""Of what a server asks for; whatever it says, somebody looks again."""


class Patience:
    """Waits ever longer between two tries, and gives up `seconds` after the first that failed."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._gives_up_at: float | None = None
        self._delay_seconds = FIRST_DELAY_SECONDS

    def succeeded(self) -> None:
        """Begin anew: the server is there."""
        self._gives_up_at, self._delay_seconds = None, FIRST_DELAY_SECONDS

    async def failed(self, error: AwayError) -> None:
        """Wait until the next try.

        Raises:
            AwayError: it is given up.
        """
        now = asyncio.get_running_loop().time()
        if self._gives_up_at is None:
            self._gives_up_at = now + self._seconds
        # Clients of a server that comes back do not ask all at the same moment.
        delay = self._delay_seconds * SystemRandom().uniform(0.5, 1)
        delay = max(delay, min(error.retry_after_seconds, MAX_RETRY_AFTER_SECONDS))
        if now + delay > self._gives_up_at:
            raise error
        await asyncio.sleep(delay)
        self._delay_seconds = min(2 * self._delay_seconds, MAX_DELAY_SECONDS)
