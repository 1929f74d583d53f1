"""The runs that stand aside: they wait for their turn or their time, and hold up nobody."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from server.services.running.live import LiveRun
from server.services.tasks import wait_for


class Aside:
    """Queued runs that are not to be started yet, by their commands.

    A command is `rung` when something has changed for those of it that wait: one came, or a run of
    it has ended here.
    """

    def __init__(self) -> None:
        self._of: defaultdict[UUID, dict[UUID, LiveRun]] = defaultdict(dict)
        self._count = 0
        self._rung: set[UUID] = set()
        self._bell = asyncio.Event()

    def __len__(self) -> int:
        return self._count

    def __contains__(self, live: LiveRun) -> bool:
        return live.run.id in self._of.get(live.run.command_id, ())

    def __iter__(self) -> Iterator[UUID]:
        """Iterate over the commands of which some wait."""
        return iter([*self._of])

    def of(self, command_id: UUID) -> list[LiveRun]:
        """Return those of a command."""
        return [*self._of.get(command_id, {}).values()]

    def add(self, live: LiveRun) -> None:
        """Have a run wait."""
        self._of[live.run.command_id][live.run.id] = live
        self._count += 1
        self.ring(live.run.command_id)

    def remove(self, live: LiveRun) -> None:
        """Have it wait no more."""
        of_command = self._of[live.run.command_id]
        del of_command[live.run.id]
        self._count -= 1
        if not of_command:  # or each command that ever waited would stay in memory
            del self._of[live.run.command_id]

    def ring(self, command_id: UUID) -> None:
        """Note that something has changed for those of a command, if there are any."""
        if command_id in self._of:
            self._rung.add(command_id)
            self._bell.set()

    def watch(self, command_id: UUID) -> None:
        """Have a command rung of which a run may be replaced."""
        self._rung.add(command_id)
        self._bell.set()

    async def wait(self, seconds: float | None) -> None:
        """Wait until a command is rung, or for so many seconds."""
        await wait_for(self._bell, seconds)

    def take_rung(self) -> set[UUID]:
        """Return the commands that were rung since this was asked before."""
        rung, self._rung = self._rung, set()
        self._bell.clear()
        return rung
