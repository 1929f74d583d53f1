"""The Notifier: sends what is to be told, at least once, and again until a day has passed."""

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from server.errors import DatabaseUnavailableError, NotFoundError
from server.keeper.failpoints import failpoint
from server.notifications import Notification, Target, TargetType
from server.repositories.notifications import NotificationRepository
from server.repositories.targets import TargetRepository
from server.services.notifications.messages import Message, Messages
from server.services.notifications.resting import MANY_FAILURES, Resting
from server.services.notifications.senders import NotDeliveredError, Sender
from server.services.tasks import Tasks, forever, wait_for

AT_ONCE = 16
"""Targets that are told at the same time, by one server; each of one message at a time."""

OF_FAILING = 8
"""Of these places, at most so many are for targets whose last message failed."""

LEASE = timedelta(seconds=90)
"""Longer than an attempt takes: whoever made no end of one by then has died over it."""

FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=1)

LOOK_SECONDS = 60.0
"""How often it is looked for what nobody here has told of: other servers' notifications."""

RETRY_SECONDS = 1.0
"""After the database was away."""

logger = logging.getLogger(__name__)


class Notifier:
    """Sends notifications.

    Each target has one message under way, and one that fails rests for a moment, so those that hang
    hold up none of the others. While there is nothing to send, the database is asked once a minute.
    """

    def __init__(
        self,
        notifications: NotificationRepository,
        targets: TargetRepository,
        senders: Mapping[TargetType, Sender],
        messages: Messages,
        tasks: Tasks,
        *,
        host: str,
    ) -> None:
        self._notifications = notifications
        self._targets = targets
        self._senders = senders
        self._messages = messages
        self._tasks = tasks
        self._host = host
        self._busy: set[str] = set()
        self._changed = asyncio.Event()
        self._resting = Resting()

    def wake(self) -> None:
        """Look now: there may be something to send."""
        self._changed.set()

    @property
    def failing(self) -> int:
        """How many targets there are whose last message failed, of those told by this server."""
        return len(self._resting.failing)

    def forgive(self, target: str) -> None:
        """Try a target now that has failed: it was changed."""
        self._resting.told(target)
        self.wake()

    async def run(self) -> None:
        """Send what is due, forever; the service's owner cancels it."""
        try:
            await forever(self._send_due, seconds=RETRY_SECONDS, name="sending of notifications")
        finally:
            for sender in self._senders.values():
                await sender.close()

    async def _send_due(self) -> None:
        if not self._busy:  # it has just begun: what it claimed in its last life is made again
            await self._notifications.release(self._host)
        while True:
            self._changed.clear()
            free = AT_ONCE - len(self._busy)
            claimed = await self._claim(free) if free else []
            for notification in claimed:
                self._busy.add(notification.target)
                self._tasks.start_for_run(self._deliver(notification), "notification", _report)
            if not claimed or len(claimed) == free:
                pause = await self._pause_seconds() if free else LOOK_SECONDS
                await wait_for(self._changed, pause)

    async def _claim(self, free: int) -> list[Notification]:
        failpoint("notification.claim")
        failing = self._resting.failing
        claimed = await self._notifications.claim(
            host=self._host,
            but=self._busy | self._resting.names(time.monotonic()),
            limit=free,
            lease=LEASE,
            doubtful=failing,
            doubtful_limit=max(0, OF_FAILING - len(failing & self._busy)),
        )
        if claimed:
            failpoint("notification.claimed")
        return claimed

    async def _pause_seconds(self) -> float:
        """Return for how long nothing is due."""
        now = time.monotonic()
        failing = self._resting.failing
        # With no place for those that fail, the end of an attempt is waited for.
        full = len(failing & self._busy) >= OF_FAILING
        but = self._busy | (failing if full else self._resting.names(now))
        due = await self._notifications.next_due(but=but)
        pauses = [LOOK_SECONDS]
        if due is not None:
            pauses.append(max((due - datetime.now(UTC)).total_seconds(), 0))
        if not full and (rest := self._resting.seconds(now)) is not None:
            pauses.append(rest)
        return min(pauses)

    async def _deliver(self, notification: Notification) -> None:
        """Make an attempt, and note what came of it; else it is made again after the lease."""
        try:
            error = await self._attempt(notification)
            if error is None:
                failpoint("notification.sent")
                await self._notifications.delivered(notification.id)
            else:
                await self._note_failure(notification, error)
        except DatabaseUnavailableError as away:
            logger.warning("what came of a notification is not noted: %s", away)
        finally:
            self._busy.discard(notification.target)
            self.wake()

    async def _note_failure(self, notification: Notification, error: str) -> None:
        now = datetime.now(UTC)
        due = next_try(notification, now)
        await self._notifications.failed(notification.id, error, due)
        target = notification.target
        if due is None and self._resting.failures(target) >= MANY_FAILURES:
            await self._notifications.give_up(target, error, before=now - GIVEN_UP_AFTER)

    async def _attempt(self, notification: Notification) -> str | None:
        """Send a notification; return why it was not delivered, None if it was."""
        target = (await self._targets.named([notification.target])).get(notification.target)
        if target is None:
            self._resting.failed(notification.target, time.monotonic())
            return f"There is no notification target {notification.target!r} (any more)."
        try:
            message = await self._messages.of(notification)
        except NotFoundError as error:
            return str(error)
        except DatabaseUnavailableError:
            raise
        except Exception as error:
            logger.exception("notification cannot be made", extra=_about(notification))
            return f"Its message cannot be made: {type(error).__name__}. The log says more."
        return await self.send(target, message)

    async def send(self, target: Target, message: Message) -> str | None:
        """Send a message to a target, once; return why it was not delivered, None if it was."""
        try:
            await self._senders[target.type].send(target, message)
        except NotDeliveredError as error:
            logger.warning(
                "notification is not delivered: %s", error, extra={"target": target.name}
            )
            said = str(error)
        except Exception as error:
            # Without its text, which may have the URL in it.
            said = f"It cannot be sent: {type(error).__name__}."
            logger.warning("notification is not delivered: %s", said, extra={"target": target.name})
        else:
            self._resting.told(target.name)
            self.wake()
            return None
        self._resting.failed(target.name, time.monotonic())
        return said

    async def check(self, kind: TargetType, url: str) -> None:
        """Look at a target's URL, without sending anything.

        Raises:
            ValueError: it is none that can be sent to; the message says why.
        """
        await self._senders[kind].check(url)


def _about(notification: Notification) -> dict[str, object]:
    return {"notification": notification.id, "run": notification.run_id}


def _report(error: BaseException) -> None:
    """Log what an attempt died of; another one is made after the lease."""
    logger.error("sending of a notification failed", exc_info=error)


def next_try(notification: Notification, now: datetime) -> datetime | None:
    """Return when to try again what has just failed; None: it is given up."""
    doubled = FIRST_PAUSE * 2 ** min(notification.attempts - 1, 16)
    due = now + min(doubled, LONGEST_PAUSE)
    return due if due < notification.created_at + GIVEN_UP_AFTER else None
