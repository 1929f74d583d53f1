"""The changes of runs and commands, for whoever listens: a cursor on a bounded ring, no queue.

While nobody listens, nothing is held and nothing is done; who comes back after changes that nobody
heard is told to fetch anew.
"""

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from server.errors import DatabaseUnavailableError, RunNotFoundError
from server.models import CommandLabel
from server.services.events.changes import (
    Change,
    CommandChanged,
    CommandDeleted,
    FleetChanged,
    FleetPart,
    Grown,
    OfRun,
    Reset,
    RunChanged,
    RunDeleted,
)
from server.services.events.labels import Labels
from server.services.events.ring import Ring
from server.services.hosts.hosts import Watched
from server.services.running.live import LiveRun, RunView
from server.services.views import CommandView

MAX_CHANGES = 1024
"""Things whose last change is held: who is further behind fetches anew."""

MAX_GROWN = 10_000
"""Runs whose output is told of."""

BATCH = 100
"""Changes that a listener is given at a time."""

LINGER_SECONDS = 60.0
"""For so long changes are held after the last listener has gone: it may come back."""

GROWTH_SECONDS = 1.0
ELSEWHERE_SECONDS = 10.0
"""How often it is looked whether the database is there, and whether runs of other servers have
started or ended."""

FLEET_SECONDS = 2.0
"""How often it is looked how the workers stand, where there are some."""

ELSEWHERE_SLACK = timedelta(seconds=5)
RETRY_SECONDS = 1.0

Elsewhere = Callable[[datetime], Awaitable[bool]]
"""Returns whether runs of other hosts were made or have ended since; as the repository raises."""


Look = Callable[[UUID], Awaitable[RunView]]
"""Returns a run as it is seen now; as the repository raises."""

Fleet = Callable[[], Awaitable[tuple[object, object]]]
"""Returns how the workers stand, and what waits and runs in pools; as the repository raises."""


@dataclass(frozen=True, slots=True)
class Told:
    """Something that a listener is told, and the label of the command that it is about.

    `sequence` is what to come back with.
    """

    sequence: int
    what: Change | Grown | Reset
    label: CommandLabel | None = None


class Events:
    """Takes note of changes, and tells them to those who listen; `lives` are the live runs now."""

    def __init__(
        self,
        lives: Iterable[Watched],
        labels: Labels,
        elsewhere: Elsewhere,
        fleet: Fleet | None = None,
    ) -> None:
        self.on_changed: Callable[[UUID], None] = lambda _: None
        """Called with each run that has changed here: other servers may be told of it."""
        self.on_commands_changed: Callable[[], None] = lambda: None
        """Called where commands have changed here: other servers may be told that some have."""
        self._lives = lives
        self._fleet = fleet
        self._fleet_told: tuple[object, object] | None = None
        self._labels = labels
        self._elsewhere = elsewhere
        # They ascend over restarts, as fewer changes than microseconds go by.
        self.sequence = time.time_ns() // 1000
        self._ring: Ring[UUID | str, Change] = Ring(MAX_CHANGES, lost=self.sequence)
        self._grown: Ring[UUID, Grown] = Ring(MAX_GROWN, lost=0)
        self._growths = 0
        self._sizes: dict[UUID, int] = {}
        self._listeners = 0
        self._held_until = 0.0
        self._unheard = False
        self._away = False
        self._heard = asyncio.Event()
        self._changed = asyncio.Event()

    def run_changed(self, live: LiveRun) -> None:
        """Note that an active run has changed."""
        self.on_changed(live.run.id)
        if self._is_held():
            self._run_told(live.view)

    def run_told(self, view: RunView) -> None:
        """Note that a run is as it is seen here."""
        self.on_changed(view.run.id)
        self._run_told(view)

    async def look_at(self, run_ids: Collection[UUID], look: Look) -> None:
        """Note how runs are of which another server tells; without any, that some have changed."""
        if not self._is_held():
            return
        if not run_ids:
            self.reset()
        found = await asyncio.gather(*map(look, run_ids), return_exceptions=True)
        for one in found:
            match one:
                case RunNotFoundError():  # whose it was is not known any more
                    self.reset()
                case DatabaseUnavailableError():
                    pass  # what is missed now is told when it is back
                case BaseException():
                    raise one
                case _:
                    self._run_told(one)

    def run_deleted(self, run_id: UUID, command_id: UUID) -> None:
        """Note that a run is no more."""
        self.on_changed(run_id)
        self._note(run_id, RunDeleted(run_id, command_id))

    def command_changed(self, view: CommandView, *, moved_from: str | None = None) -> None:
        """Note that a command was made or changed; `moved_from` is the group that it has left."""
        command = view.command
        self.on_commands_changed()
        self._labels.note(CommandLabel(command.id, command.name, command.group))
        left = self._left(command.id)
        if moved_from is not None:
            left |= {moved_from}
        self._note(command.id, CommandChanged(view.cut(), left - {command.group}))

    def command_deleted(self, command_id: UUID, group: str) -> None:
        """Note that a command is no more, nor its runs."""
        self.on_commands_changed()
        self._labels.forget(command_id)
        self._note(command_id, CommandDeleted(command_id, self._left(command_id) | {group}))

    def commands_changed(self) -> None:
        """Note that many commands were made, changed or deleted: they are to be fetched anew."""
        self.on_commands_changed()
        self.reset()

    def fleet_changed(self, part: FleetPart) -> None:
        """Note that what is told of workers is another now."""
        self._note(part, FleetChanged(part))

    def reset(self) -> None:
        """Have everybody fetch anew: it is not known what has changed."""
        self.sequence += 1
        self._ring.clear(self.sequence)
        self._wake()

    async def follow(self, since: int | None) -> AsyncGenerator[Sequence[Told], None]:
        """Iterate over what changes from a sequence on, from now on if it is None.

        At first, and again whenever a listener has fallen too far behind, changes may be missing:
        it is told by Reset. An empty batch comes where there is nothing to be told at first.
        """
        with self._listening():
            known = since is not None and since <= self.sequence
            cursor, growth = since if known and since is not None else -1, self._growths
            if cursor >= self._ring.lost:
                yield []
            while True:
                changed = self._changed
                batch: Sequence[Told] = []
                if cursor < self._ring.lost:
                    cursor, growth = self.sequence, self._growths
                    yield [Told(cursor, Reset())]
                elif found := self._ring.after(cursor, BATCH):
                    batch = await self._labelled([*found])
                    cursor = batch[-1].sequence if batch else cursor
                elif grown := self._grown.after(growth, BATCH):
                    batch = await self._labelled([(cursor, one) for _, one in grown])
                    growth = grown[-1][0] if batch else growth
                else:
                    await changed.wait()
                if batch:
                    yield batch

    async def run(self) -> None:
        """Look how far outputs have grown, while somebody listens; the service's owner cancels."""
        looked_at = fleet_looked_at = datetime.now(UTC)
        while True:
            await self._heard.wait()
            await asyncio.sleep(GROWTH_SECONDS)
            self.note_growth()
            now = datetime.now(UTC)
            if now - looked_at >= timedelta(seconds=ELSEWHERE_SECONDS):
                await self.look_elsewhere(looked_at - ELSEWHERE_SLACK)
                looked_at = now
            if now - fleet_looked_at >= timedelta(seconds=FLEET_SECONDS):
                await self.look_at_workers()
                fleet_looked_at = now

    def note_growth(self) -> None:
        """Note how much the runs have written of which that is more than before."""
        before, self._sizes = self._sizes, {}
        growths = self._growths
        for live in self._lives:
            if live.log is None:
                continue
            size = self._sizes[live.run.id] = live.log.size
            if before.get(live.run.id) != size:
                self._growths += 1
                grown = Grown(live.run.id, live.run.command_id, size)
                self._grown.put(self._growths, live.run.id, grown)
        if self._growths > growths:
            self._wake()

    async def look_elsewhere(self, since: datetime) -> None:
        """Have everybody fetch anew if runs of other servers were made or have ended since.

        Also when the database has gone away: who fetches nothing would not hear of it.
        """
        was_away, self._away = self._away, False
        try:
            changed = await self._elsewhere(since)
        except DatabaseUnavailableError:
            self._away, changed = True, not was_away
        if changed:
            self.reset()

    async def look_at_workers(self) -> None:
        """Tell whether workers stand otherwise than at the last look, or other runs wait or run."""
        if self._fleet is None:
            return
        before = self._fleet_told
        try:
            now = self._fleet_told = await self._fleet()
        except DatabaseUnavailableError:
            return  # it is told of by what is asked of it
        for part, was, is_now in zip(FleetPart, before or now, now, strict=True):
            if was != is_now:
                self.fleet_changed(part)

    async def _labelled(self, found: Sequence[tuple[int, Change | Grown]]) -> Sequence[Told]:
        """Return changes with the labels of their commands; nothing: the database is away.

        Then a moment has passed, and they are to be asked for again.
        """
        ids = {one.command_id for _, one in found if isinstance(one, OfRun)}
        try:
            labels = await self._labels.of(ids)
        except DatabaseUnavailableError:
            await asyncio.sleep(RETRY_SECONDS)
            return []
        return [
            Told(sequence, one, labels[one.command_id] if isinstance(one, OfRun) else None)
            for sequence, one in found
        ]

    def _left(self, command_id: UUID) -> frozenset[str]:
        """Return the groups that a command has left, as far as some may not have heard of it."""
        before = self._ring.get(command_id)
        return before.left if isinstance(before, CommandChanged) else frozenset()

    def _run_told(self, view: RunView) -> None:
        self._note(view.run.id, RunChanged.of(view))

    def _note(self, key: UUID | str, change: Change) -> None:
        if self._is_held():
            self.sequence += 1
            self._ring.put(self.sequence, key, change)
            self._wake()

    def _is_held(self) -> bool:
        """Return whether changes are held; else note that there was one."""
        if self._listeners or asyncio.get_running_loop().time() < self._held_until:
            return True
        self._unheard = True
        return False

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        if self._unheard:
            self.reset()
            self._unheard = False
        self._listeners += 1
        self._heard.set()
        try:
            yield
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._heard.clear()
                self._held_until = asyncio.get_running_loop().time() + LINGER_SECONDS
