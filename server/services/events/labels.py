"""What the commands of runs are called, and their groups, remembered for some seconds."""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from uuid import UUID

from server.errors import DatabaseUnavailableError
from server.models import CommandLabel

FRESH_SECONDS = 5.0
"""For so long a label holds that is changed through another server."""

MAX_REMEMBERED = 10_000

AskLabels = Callable[[Collection[UUID]], Awaitable[Mapping[UUID, CommandLabel]]]


class Labels:
    """The labels of commands; while the database is away, those that it gave before."""

    def __init__(self, ask: AskLabels, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._said_at = clock()
        self._fresh: dict[UUID, CommandLabel | None] = {}
        self._before: dict[UUID, CommandLabel | None] = {}

    async def of(self, command_ids: Collection[UUID]) -> Mapping[UUID, CommandLabel | None]:
        """Return the labels of commands; None: there is no such command.

        Raises:
            DatabaseUnavailableError: the database is away, and one of them is not known.
        """
        now = self._clock()
        if now - self._said_at >= FRESH_SECONDS or len(self._fresh) > MAX_REMEMBERED:
            self._said_at, self._before, self._fresh = now, self._fresh or self._before, {}
        missing = {one for one in command_ids if one not in self._fresh}
        if missing:
            try:
                found = await self._ask(missing)
            except DatabaseUnavailableError:
                if not missing <= self._before.keys():
                    raise
                return {one: self._fresh.get(one, self._before.get(one)) for one in command_ids}
            self._fresh |= {one: found.get(one) for one in missing}
        return {one: self._fresh[one] for one in command_ids}

    def note(self, label: CommandLabel) -> None:
        """Note what a command is called from now on."""
        self._fresh[label.id] = label

    def forget(self, command_id: UUID) -> None:
        """Note that a command is no more."""
        self._fresh[command_id] = None
