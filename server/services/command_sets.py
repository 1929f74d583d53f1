"""Commands as files have them: many at a time, all or nothing."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from server.access import Act, Actor
from server.command_set import Plan, WantedCommand, groups_of, plan_of
from server.errors import CommandActiveError, CommandSetTooLargeError, PlanChangedError
from server.models import Command
from server.repositories.command_sets import CommandSetRepository
from server.repositories.page import Page
from server.services.access.audit import Audit
from server.services.events.events import Events

MAX_STORED_BYTES = 32 * 1024 * 1024
"""Of the commands that a set names, as they are stored: so much is compared at a time."""

TRIES = 5
"""How often a plan is made anew, while others change the same commands."""


class CommandSets:
    """Makes commands what a set of them says."""

    def __init__(self, repository: CommandSetRepository, audit: Audit, events: Events) -> None:
        self._repository = repository
        self._audit = audit
        self._events = events

    async def plan(self, wanted: Sequence[WantedCommand], *, prune: bool) -> Plan:
        """Return what it takes to make the stored commands what is wanted, by their keys.

        With `prune` those with another key, in the groups that the wanted ones are in, are deleted.

        Raises:
            CommandSetTooLargeError: what is stored of them is too much to compare at a time.
        """
        keys = [one.key for one in wanted]
        size = await self._repository.size(keys)
        if size > MAX_STORED_BYTES:
            raise CommandSetTooLargeError(
                f"Of these commands {size:,} bytes are stored, and {MAX_STORED_BYTES:,} are"
                " compared at a time. Apply fewer of them at a time."
            )
        stored = await self._repository.of_keys(keys)
        if not prune:
            return plan_of(wanted, stored)
        pruned = await self._repository.others(keys, groups_of(wanted, stored))
        return plan_of(wanted, stored, pruned)

    async def apply(
        self,
        wanted: Sequence[WantedCommand],
        *,
        prune: bool,
        token: str | None,
        permit: Callable[[Plan], None],
        by: Actor,
    ) -> Plan:
        """Do what a plan of it says, if `permit` lets it pass; return the plan.

        With the `token` of a plan, nothing else is done than that.

        Raises:
            PlanChangedError: it is another plan by now, or the commands do not stay as they are.
            CommandActiveError: one that is to be deleted has an active run.
        """
        with self._audit.trying(Act.COMMAND_CHANGE, by):
            for _ in range(TRIES):
                plan = await self.plan(wanted, prune=prune)
                permit(plan)
                if not plan.changing:
                    return plan
                if token is not None and token != plan.token:
                    break
                applied = await self._repository.apply(plan.changing, by)
                if applied.busy:
                    keys = ", ".join(applied.busy)
                    raise CommandActiveError(f"Active runs have: {keys}. Stop them first.")
                if applied.done:
                    self._events.reset()
                    return plan
            raise PlanChangedError(
                "These commands were changed meanwhile, and nothing was done. Look at what would"
                " change by now, and apply it again."
            )

    async def export(
        self, groups: AbstractSet[str] | None, *, limit: int, cursor: str | None
    ) -> Page[Command]:
        """Return a page of whole commands with a key, in the order of their keys.

        They are of some groups, None: of every one.
        """
        found = await self._repository.page(groups, cursor or "", limit + 1)
        is_last = len(found) <= limit and not await self._more(groups, found)
        items = found[:limit]
        return Page(items, None if is_last or not items else items[-1].key)

    async def _more(self, groups: AbstractSet[str] | None, found: Sequence[Command]) -> bool:
        """Return whether there are commands behind a page that was cut for its size."""
        return bool(found and await self._repository.page(groups, found[-1].key or "", 1))
