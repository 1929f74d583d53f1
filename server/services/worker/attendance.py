"""A worker's attendance: it says what it is, and again and again that it is there."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from server.errors import DatabaseUnavailableError, NoAnswerError, OtherLifeError, TailrunError
from server.keeper.protocol import boottime
from server.services.running.active import ActiveRuns
from server.wire.messages import Beat, Hello, Life, Standing, StopWanted, WorkerState

if TYPE_CHECKING:
    from uuid import UUID

RETRY_SECONDS = 1.0
"""Between two attempts to be heard."""

logger = logging.getLogger(__name__)


class Hearers(Protocol):
    """Who is told that a host is there: servers, or the server that it is inside."""

    async def ask(self, request: Hello | Beat) -> Any:
        """Say something; return the Standing that it is answered with."""
        ...


class Living(Protocol):
    """Which process of a host this is, as others are told it (`server.lives`)."""

    @property
    def id(self) -> str:
        """Which one."""
        ...

    @property
    def age(self) -> int:
        """What its state directory has counted up to."""
        ...

    @property
    def said(self) -> Life:
        """What is told of it with hello."""
        ...

    def note_heard(self) -> None:
        """Note that it is known from now on."""
        ...

    def note_refused(self) -> None:
        """Note that another one has the lease, or a later state of this one."""
        ...


async def until_let_in(
    servers: Hearers, hello: Hello, life: Living, *, despite: type[TailrunError] = TailrunError
) -> None:
    """Say hello until the host is let in, `despite` errors: it may have another process elsewhere.

    Until then nothing of it is touched here: what looks like its runs may be that one's.
    """
    told = None
    while True:
        try:
            standing: Standing = await servers.ask(replace(hello, life=life.said))
        except despite as error:
            if str(error) != told:
                told = str(error)
                logger.warning("this host is not let in yet, asking again: %s", told)
            await asyncio.sleep(RETRY_SECONDS)
        else:
            _note_heard(life, standing)
            return


class Attendance:
    """Keeps a host known to the servers, and does what they have for it meanwhile.

    Its lease counts from before it was asked for, by this host's clock: a server counts later.
    `stop` ends a run; `changed` is told how it stands whenever that is another than before;
    `leased`, at each answer, since when and until when the lease stands, by CLOCK_BOOTTIME.
    `back` is done when it has a lease again that was over, or has said hello again: what became of
    its runs meanwhile.
    `life` is which process of the host this is: where another one has the lease, it is refused.
    """

    def __init__(
        self,
        servers: Hearers,
        hello: Hello,
        active: ActiveRuns,
        *,
        stop: Callable[[StopWanted], Awaitable[object]],
        changed: Callable[[Standing], None],
        leased: Callable[[float, float], None],
        back: Callable[[], Awaitable[object]],
        life: Living,
    ) -> None:
        self._servers = servers
        self._hello = hello
        self._active = active
        self._stop = stop
        self._changed = changed
        self._leased = leased
        self._back = back
        self._life = life
        self._has_other_life = False
        self._is_back = True
        self._stopped: frozenset[UUID] = frozenset()
        self._problem: str | None = None
        self._standing: Standing | None = None
        self._since = self._until = -math.inf

    @property
    def may_claim(self) -> bool:
        """Whether the worker is to have further runs: it is wanted, and its lease lasts."""
        standing = self._standing
        wanted = standing is not None and standing.state is WorkerState.ACTIVE
        return wanted and self.may_start

    @property
    def may_start(self) -> bool:
        """Whether a run may be started that is this host's: else it may be another's by now."""
        return self._is_back and boottime() < self._until

    @property
    def life_id(self) -> str:
        """Which process of the host this is."""
        return self._life.id

    @property
    def may_answer(self) -> bool:
        """Whether this answers for the host: else another process of it does."""
        return not self._has_other_life

    async def hello(self) -> bool:
        """Say hello once; return whether it was heard."""
        return await self._heard(replace(self._hello, life=self._life.said))

    async def begin(self) -> None:
        """Say hello again until it is heard."""
        heard = False
        while not heard:
            await asyncio.sleep(RETRY_SECONDS)
            heard = await self.hello()

    async def attend(self) -> None:
        """Say hello until it is heard, then beat, forever; the owner cancels it."""
        if not await self.hello():
            await self.begin()
        await self.run()

    async def run(self) -> None:
        """Beat, forever; the owner cancels it. A stop that takes long keeps it from no beat."""
        doing: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(self._pause_seconds())
                stops = await self._beat()
                if (stops or not self._is_back) and (doing is None or doing.done()):
                    doing = group.create_task(self._catch_up(stops), name="stops")

    async def _beat(self) -> Sequence[StopWanted]:
        """Beat once; return what is to be stopped."""
        stopped = self._stopped
        said = Beat(stopped=stopped, life=self._life.id, age=self._life.age)
        if not await self._heard(said):
            return ()
        self._stopped -= stopped
        return () if self._standing is None else self._standing.stops

    async def _catch_up(self, stops: Sequence[StopWanted]) -> None:
        """Do what was asked for while the host was away, and learn what became of its runs."""
        for stop in stops:
            with suppress(TailrunError):  # it has ended meanwhile, or is asked for again
                await self._stop(stop)
                self._stopped |= {stop.run_id}
        if not self._is_back:
            with suppress(TailrunError):  # with the next beat
                await self._back()
                self._is_back = True
                self._active.reopen()

    def _pause_seconds(self) -> float:
        if self._standing is None or self._problem is not None:
            return RETRY_SECONDS
        return self._standing.beat_seconds

    async def _heard(self, word: Hello | Beat) -> bool:
        """Say something; return whether a server has heard it."""
        said_at = boottime()
        try:
            standing: Standing = await self._servers.ask(word)
        except (NoAnswerError, DatabaseUnavailableError) as error:
            self._report(f"no server answers, retrying; runs go on: {error}")
            return False
        except TailrunError as error:
            self._has_other_life = isinstance(error, OtherLifeError)
            if self._has_other_life:
                self._life.note_refused()
            self._report(f"the servers give this worker no runs, asking again: {error}")
            return isinstance(word, Beat) and await self._heard_again()
        self._has_other_life = False
        _note_heard(self._life, standing)
        if self._problem is not None:
            logger.info("the servers answer, and give this worker runs")
        self._problem = None
        self._take(standing, said_at)
        return True

    async def _heard_again(self) -> bool:
        """Say hello, as where the servers know no such worker any more: they may be set back."""
        await asyncio.sleep(RETRY_SECONDS)
        heard = await self.hello()
        self._is_back = self._is_back and not heard
        return heard

    def _take(self, standing: Standing, said_at: float) -> None:
        former, self._standing = self._standing, standing
        may_start = self.may_start
        if said_at > self._until:  # it was over meanwhile
            self._since = said_at
            self._is_back = former is None
        self._until = said_at + standing.lease_seconds
        self._leased(self._since, self._until)
        if not may_start and self.may_start:  # also where it was over while this was under way
            self._active.reopen()
        if former is None or _facts(former) != _facts(standing):
            self._changed(standing)
            logger.info(
                "the servers have this worker as %s, for the pools %s",
                standing.state,
                ", ".join(standing.pools) or "none",
            )

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            logger.warning("%s", problem)


def _note_heard(life: Living, standing: Standing) -> None:
    """Note that a life is known, if so: a server of before notes none, and another one stays."""
    if standing.life == life.id:
        life.note_heard()


def _facts(standing: Standing) -> tuple[object, ...]:
    return (standing.state, standing.pools, standing.labels, standing.places)
