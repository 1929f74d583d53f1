"""Servers tell each other what has changed, so that each shows lists of all as they are."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from uuid import UUID

from server.errors import EngineUnavailableError, TailrunError
from server.wire import subjects
from server.wire.codec import decode, encode
from server.wire.connection import Wire
from server.wire.messages import Changed
from server.wire.values import parts_of, value_of

GATHER_SECONDS = 0.1
"""Between two messages: whatever changes meanwhile is told by one."""

MAX_RUNS = 1000
"""Runs in a message; where more have changed, it says that it is not known which."""

Look = Callable[[Collection[UUID]], Awaitable[object]]
"""Has those who listen here told how runs are now; without any, of whatever has changed."""

logger = logging.getLogger(__name__)


class Telling:
    """Tells the other servers of runs that have changed, and hears of theirs.

    What is lost costs time, and nobody is told of that: all is looked at now and then anyhow.
    """

    def __init__(self, wire: Wire, host: str, look: Look) -> None:
        self._wire = wire
        self._host = host
        self._look = look
        self._changed: set[UUID] = set()
        self._stored: set[UUID] = set()
        self._more = False
        self._bell = asyncio.Event()

    def tell(self, run_id: UUID) -> None:
        """Tell the others of a run that has changed here."""
        self._changed.add(run_id)
        self._bell.set()

    def tell_all(self, run_id: UUID) -> None:
        """Tell the others, and who listens here, of a run of which a change was stored here."""
        self._stored.add(run_id)
        self.tell(run_id)

    def tell_of_more(self) -> None:
        """Tell the others that something has changed here that is no run, such as a command."""
        self._more = True
        self._bell.set()

    async def run(self) -> None:
        """Tell and hear, forever; the owner cancels it."""
        listener = await self._wire.listen(subjects.CHANGED, self._take)
        try:
            while True:
                await self._bell.wait()
                await asyncio.sleep(GATHER_SECONDS)
                self._bell.clear()
                await self._step()
        finally:
            await self._wire.ignore(listener)

    async def _step(self) -> None:
        changed, self._changed = self._changed, set()
        stored, self._stored = self._stored, set()
        more, self._more = self._more, False
        if more:
            await self._send(frozenset())
        if changed:
            await self._send(_few(changed))
        if stored:
            await self._look(_few(stored))

    async def _send(self, runs: frozenset[UUID]) -> None:
        told = Changed(host=self._host, runs=runs)
        with suppress(EngineUnavailableError):
            await self._wire.send(subjects.CHANGED, encode(parts_of(told), self._wire.max_payload))

    async def _take(self, _subject: str, _reply: str, data: bytes) -> None:
        try:
            told = value_of(Changed, decode(data))
            if told.host != self._host:
                await self._look(told.runs)
        except TailrunError as error:
            logger.warning("what another server tells of runs is not understood: %s", error)


def _few(runs: Collection[UUID]) -> frozenset[UUID]:
    return frozenset(runs) if len(runs) <= MAX_RUNS else frozenset()
