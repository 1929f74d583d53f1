"""The sweep: runs are given up whose host was away for as long as their commands say."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from server.keeper.protocol import boottime
from server.models import Run
from server.repositories.losses import LossRepository
from server.services.fleet.lease import Lease
from server.services.tasks import forever

if TYPE_CHECKING:
    from datetime import datetime

SWEEP_SECONDS = 2.0
"""Between two looks."""


class Sweep:
    """Gives up runs of hosts that are away. Any server does it: each step is a statement.

    That nothing was heard of a host counts only while this server would have heard of it: it has
    looked again and again for a whole lease, and its own connection, which it `stands` for so many
    seconds (None: it does not), has outlasted that as well. Else what was frozen, or cut off, was
    this server, the database or the engine, and who lives is about to say so.

    `on_lost` is called with what was given up.
    """

    def __init__(
        self,
        losses: LossRepository,
        lease: Lease,
        *,
        stands: Callable[[], float | None],
        on_lost: Callable[[Sequence[Run]], None],
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._losses = losses
        self._lease = lease
        self._stands = stands
        self._on_lost = on_lost
        self._clock = clock
        self._looked_at = clock()
        self._silent: dict[tuple[str, datetime], float] = {}

    @property
    def away(self) -> int:
        """How many hosts were away at the last look."""
        return len(self._silent)

    async def run(self) -> None:
        """Look again and again; the owner cancels it."""
        await forever(self.step, seconds=SWEEP_SECONDS, name="look for hosts that are away")

    async def step(self) -> None:
        """Look once, and give up what is to be given up.

        Raises:
            DatabaseUnavailableError: it may be done again.
        """
        known = await self._losses.hosts()
        now = self._clock()
        before = self._silent if now - self._looked_at < self._lease.seconds / 2 else {}
        self._looked_at = now
        silent = [(one, host.seen_at) for one, host in known.items() if host.away]
        self._silent = {silence: before.get(silence, now) for silence in silent}
        hosts = [host for (host, _), since in self._silent.items() if self._outlasts(now - since)]
        stands = self._stands()
        if not hosts or stands is None or not self._outlasts(stands):
            return
        if lost := await self._losses.lose(hosts):
            self._on_lost(lost)

    def _outlasts(self, seconds: float) -> bool:
        return seconds >= self._lease.seconds
