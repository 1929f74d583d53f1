"""The parts that tell targets, put together."""

from collections.abc import Callable

from server.notifications import TargetType
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.notifications import NotificationRepository
from server.repositories.targets import TargetRepository
from server.services.access.audit import Audit
from server.services.notifications.apprise import AppriseSender
from server.services.notifications.messages import Messages
from server.services.notifications.notifier import Notifier
from server.services.notifications.sent import Notifications
from server.services.notifications.targets import Targets
from server.services.notifications.webhook import WebhookSender
from server.services.runs import RunService
from server.services.tasks import Tasks


class Notifying:
    """Tells targets; `address` is where people reach Tailrun, once it listens."""

    def __init__(
        self,
        database: Database,
        commands: CommandRepository,
        runs: RunService,
        audit: Audit,
        tasks: Tasks,
        address: Callable[[], str],
        *,
        host: str,
    ) -> None:
        repository, targets = NotificationRepository(database), TargetRepository(database)
        messages = Messages(commands, runs, address)
        self.notifier = Notifier(
            repository,
            targets,
            {TargetType.WEBHOOK: WebhookSender(), TargetType.APPRISE: AppriseSender()},
            messages,
            tasks,
            host=host,
        )
        self.targets = Targets(targets, self.notifier, audit, address)
        self.notifications = Notifications(repository)
