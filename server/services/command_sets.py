"""Commands as files have them: many at a time, all or nothing."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from uuid import UUID

from server.access import Act, Actor
from server.command_parts import NO_PARTS, Fate, Parts, ScheduleStep
from server.command_set import Plan, Step, WantedCommand, groups_of, plan_of
from server.errors import CommandActiveError, CommandSetTooLargeError, PlanChangedError
from server.models import Command
from server.repositories.command_set_rows import Extras
from server.repositories.command_sets import CommandSetRepository
from server.repositories.page import Page
from server.schedules import Schedule, ScheduleFields
from server.services.access.audit import Audit
from server.services.events.events import Events
from server.services.hooks import schemes
from server.services.schedules.timing import timed

MAX_STORED_BYTES = 32 * 1024 * 1024
"""Of the commands that a set names, as they are stored: so much is compared at a time."""

TRIES = 5
"""How often a plan is made anew, while others change the same commands."""


@dataclass(frozen=True, slots=True)
class HookSecret:
    """The secret of a hook that was made, which is not to be had again."""

    key: str
    id: UUID
    name: str
    secret: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a set, or would become, and the secrets of hooks that were made."""

    plan: Plan
    secrets: tuple[HookSecret, ...] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """A command with its schedules and hooks."""

    command: Command
    parts: Parts


class CommandSets:
    """Makes commands what a set of them says; `on_schedules` is called after it has changed any."""

    def __init__(
        self,
        repository: CommandSetRepository,
        audit: Audit,
        events: Events,
        *,
        on_schedules: Callable[[], None],
    ) -> None:
        self._repository = repository
        self._audit = audit
        self._events = events
        self._on_schedules = on_schedules

    async def plan(self, wanted: Sequence[WantedCommand], *, prune: bool) -> Plan:
        """Return what it takes to make the stored commands what is wanted, by their keys.

        With `prune` those with another key, in the groups that the wanted ones are in, are deleted.

        Raises:
            CommandSetTooLargeError: what is stored of them is too much to compare at a time.
        """
        keys = [one.key for one in wanted]
        with_parts = [
            one.key for one in wanted if one.schedules is not None or one.hooks is not None
        ]
        size = await self._repository.size(keys, with_parts)
        if size > MAX_STORED_BYTES:
            raise CommandSetTooLargeError(
                f"Of these commands {size:,} bytes are stored, and {MAX_STORED_BYTES:,} are"
                " compared at a time. Apply fewer of them at a time."
            )
        stored = await self._repository.of_keys(keys)
        parts = await self._repository.parts(
            [stored[key].id for key in with_parts if key in stored]
        )
        if not prune:
            return plan_of(wanted, stored, parts=parts)
        pruned = await self._repository.others(keys, groups_of(wanted, stored))
        return plan_of(wanted, stored, pruned, parts)

    async def apply(
        self,
        wanted: Sequence[WantedCommand],
        *,
        prune: bool,
        token: str | None,
        permit: Callable[[Plan], None],
        by: Actor,
    ) -> Outcome:
        """Do what a plan of it says, if `permit` lets it pass; return what became of it.

        With the `token` of a plan, nothing else is done than that. New hooks get a secret.

        Raises:
            PlanChangedError: it is another plan by now, or the commands do not stay as they are.
            CommandActiveError: one that is to be deleted has an active run.
        """
        with self._audit.trying(Act.COMMAND_CHANGE, by):
            for _ in range(TRIES):
                plan = await self.plan(wanted, prune=prune)
                permit(plan)
                if not plan.changing:
                    return Outcome(plan)
                if token is not None and token != plan.token:
                    break
                extras = await _extras(plan)
                applied = await self._repository.apply(plan.changing, extras, by)
                if applied.busy:
                    keys = ", ".join(applied.busy)
                    raise CommandActiveError(f"Active runs have: {keys}. Stop them first.")
                if applied.done:
                    self._events.commands_changed()
                    if any(step.schedules for step in plan.changing):
                        self._on_schedules()
                    return Outcome(plan, tuple(_secrets(plan, extras)))
            raise PlanChangedError(
                "These commands were changed meanwhile, and nothing was done. Look at what would"
                " change by now, and apply it again."
            )

    async def export(
        self, groups: AbstractSet[str] | None, *, limit: int, cursor: str | None
    ) -> Page[Exported]:
        """Return a page of whole commands with a key, in the order of their keys.

        They are of some groups, None: of every one.
        """
        found = await self._repository.page(groups, cursor or "", limit + 1)
        is_last = len(found) <= limit and not await self._more(groups, found)
        items = found[:limit]
        parts = await self._repository.parts([one.id for one in items])
        exported = [Exported(one, parts.get(one.id, NO_PARTS)) for one in items]
        return Page(exported, None if is_last or not items else items[-1].key)

    async def _more(self, groups: AbstractSet[str] | None, found: Sequence[Command]) -> bool:
        """Return whether there are commands behind a page that was cut for its size."""
        return bool(found and await self._repository.page(groups, found[-1].key or "", 1))


async def _extras(plan: Plan) -> Extras:
    """Return what the steps of a plan take that no file says."""
    now = datetime.now(UTC)
    schedules: dict[UUID, Schedule] = {}
    secrets: dict[UUID, str] = {}
    for step in plan.changing:
        schedules |= {one.id: _timed(step, one, now) for one in step.schedules if one.is_timed_anew}
        secrets |= {
            one.id: schemes.new_secret(one.wanted.scheme)
            for one in step.hooks
            if one.wanted is not None and one.fate is Fate.CREATED
        }
        await asyncio.sleep(0)  # thousands with their times take seconds: others have a turn
    return Extras(schedules, secrets)


def _timed(step: Step, one: ScheduleStep, now: datetime) -> Schedule:
    """Return a schedule as it is to be, with its due times."""
    assert one.wanted is not None  # what is deleted has no due times
    said = {field.name: getattr(one.wanted, field.name) for field in fields(ScheduleFields)}
    if one.stored is not None:
        before = one.stored.schedule
        return timed(replace(before, **said), now, before)
    new = Schedule(id=one.id, command_id=step.command_id, created_at=now, updated_at=now, **said)
    return timed(new, now)


def _secrets(plan: Plan, extras: Extras) -> Iterator[HookSecret]:
    for step in plan.changing:
        for one in step.hooks:
            if one.wanted is not None and one.id in extras.secrets:
                yield HookSecret(step.key, one.id, one.wanted.name, extras.secrets[one.id])
