"""Who is asked for a run, whatever host has it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from server.models import Run
from server.output.source import LiveOutput
from server.services.running.live import RunView


class Watched(Protocol):
    """A run that is followed here, whatever host has it.

    `log` is None until it has a process. `change` is the event of its next change: take it before
    reading the run, to miss none.
    """

    @property
    def run(self) -> Run:
        """The run as it is known now."""
        ...

    @property
    def log(self) -> LiveOutput | None:
        """Its output."""
        ...

    @property
    def view(self) -> RunView:
        """The run as users see it now."""
        ...

    @property
    def change(self) -> asyncio.Event:
        """The event of its next change."""
        ...

    def until_started(self) -> AsyncIterator[RunView]:
        """Wait until it has output, or has ended without; yield it at first, and as it changes."""
        ...


class Hosts(Protocol):
    """The hosts that have runs.

    What is followed here is answered from memory, without the database; of all else there is what
    is stored.
    """

    def __iter__(self) -> Iterator[Watched]:
        """Iterate over the runs that are followed here."""
        ...

    def live(self, run_id: UUID) -> Watched | None:
        """Return a run as it is followed here; None: it is not."""
        ...

    def of_command(self, command_id: UUID) -> Sequence[Watched]:
        """Return a command's runs that are followed here, newest first."""
        ...

    def view(self, run: Run) -> RunView:
        """View a stored run, as it is live where it is followed here."""
        ...

    def follow(self, run_id: UUID) -> AbstractAsyncContextManager[Watched | None]:
        """Hold a run for somebody who watches it; None: nobody here can follow it."""
        ...

    def until_claimed(self, run_id: UUID) -> AsyncIterator[RunView]:
        """Wait while a run has no host, for somebody who watches it; yield it as it is meanwhile.

        Raises:
            RunNotFoundError: it was deleted.
        """
        ...

    async def wait_ended(self, live: Watched) -> Run:
        """Return a run that is followed with its end, once its output has ended."""
        ...

    async def queue(self, run: Run) -> RunView:
        """Have a run started that is stored as queued; harmless when that is done already."""
        ...

    async def stop(self, run: Run, *, signal: str, grace_seconds: float) -> RunView:
        """End a run; harmless when it is ending already. What no host has ends as lost.

        Raises:
            NoActiveRunError: it has ended already.
            KeeperUnavailableError: its keeper did not take the request.
            DatabaseUnavailableError: it has no process, and its end cannot be stored.
        """
        ...

    async def signal(self, run: Run, name: str) -> RunView:
        """Send a signal to a run's process group.

        Raises:
            NoActiveRunError: the run has no process (any more).
            KeeperUnavailableError: its keeper did not take the request.
        """
        ...
