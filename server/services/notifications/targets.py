"""Where notifications are sent to: made, changed and tried by admins."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from server.access import Act, Actor
from server.notifications import Target, TargetChange, TargetType
from server.repositories.targets import TargetRepository
from server.services.access.audit import Audit
from server.services.notifications.messages import trial_message
from server.services.notifications.notifier import Notifier
from server.services.notifications.signing import key_of, new_secret


def missing(names: Sequence[str]) -> str:
    """Say that there are no targets of these names."""
    return f"There is no notification target {', '.join(map(repr, names))}."


class TargetRefusedError(ValueError):
    """A field of a target is wrong; `field` is its name."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a test; `error` says why it was not delivered."""

    delivered: bool
    error: str | None


class Targets:
    """The targets of notifications; `address` is where people reach Tailrun, mostly set."""

    def __init__(
        self,
        targets: TargetRepository,
        notifier: Notifier,
        audit: Audit,
        address: Callable[[], str],
    ) -> None:
        self._targets = targets
        self._notifier = notifier
        self._audit = audit
        self._address = address

    async def list(self) -> Sequence[Target]:
        """Return all targets, by name."""
        return await self._targets.list()

    async def unknown(self, names: Collection[str]) -> Sequence[str]:
        """Return those of the names that no target has, in order."""
        known = await self._targets.named(names)
        return sorted(name for name in names if name not in known)

    async def create(
        self, *, name: str, kind: TargetType, url: str, secret: str | None, by: Actor
    ) -> Target:
        """Make a target; a webhook without a secret gets one.

        Raises:
            TargetRefusedError: the URL or the secret is none.
            ConflictError: there is one of this name.
        """
        with self._audit.trying(Act.TARGET_CREATE, by):
            await self._check(kind, url, secret)
            if kind is TargetType.WEBHOOK and secret is None:
                secret = new_secret()
            return await self._targets.add(name=name, kind=kind, url=url, secret=secret, by=by)

    async def change(self, target_id: UUID, change: TargetChange, *, by: Actor) -> Target:
        """Change a target; what waits for it is tried now.

        Raises:
            TargetRefusedError: the URL or the secret is none.
            TargetNotFoundError: there is no such target.
            ConflictError: another one has this name.
        """
        with self._audit.trying(Act.TARGET_CHANGE, by):
            before = await self._targets.get(target_id)
            await self._check(before.type, change.url, change.secret)
            target = await self._targets.change(target_id, change, by=by)
        self._notifier.forgive(before.name)
        return target

    async def delete(self, target_id: UUID, *, by: Actor) -> None:
        """Delete a target; what is still to be told to it is given up after a day.

        Raises:
            TargetNotFoundError: there is no such target.
        """
        with self._audit.trying(Act.TARGET_DELETE, by):
            await self._targets.delete(target_id, by=by)

    async def test(self, target_id: UUID, *, by: Actor) -> Trial:
        """Send a message to a target, once; return what came of it.

        Raises:
            TargetNotFoundError: there is no such target.
        """
        with self._audit.trying(Act.TARGET_TEST, by):
            target = await self._targets.get(target_id)
        async with self._audit.act(Act.TARGET_TEST, by, details={"name": target.name}):
            message = trial_message(uuid4(), target.name, datetime.now(UTC), self._address())
            error = await self._notifier.send(target, message)
        return Trial(error is None, error)

    async def _check(self, kind: TargetType, url: str | None, secret: str | None) -> None:
        if url is not None:
            try:
                await self._notifier.check(kind, url)
            except ValueError as error:
                raise TargetRefusedError("url", str(error)) from error
        if secret is None:
            return
        if kind is not TargetType.WEBHOOK:
            raise TargetRefusedError("secret", "Only a webhook has one. Leave it out.")
        try:
            key_of(secret)
        except ValueError as error:
            raise TargetRefusedError("secret", str(error)) from error
