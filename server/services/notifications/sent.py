"""What was told, or is to be: as users see it."""

from collections.abc import Set as AbstractSet

from server.notifications import Notification, NotificationFilter
from server.repositories.notifications import NotificationRepository
from server.repositories.page import Page


class Notifications:
    """The notifications of commands and runs."""

    def __init__(self, notifications: NotificationRepository) -> None:
        self._notifications = notifications

    async def list(
        self,
        asked: NotificationFilter,
        *,
        groups: AbstractSet[str] | None,
        limit: int,
        cursor: str | None,
    ) -> Page[Notification]:
        """Return notifications of the commands of some groups, None for every one, newest first.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        return await self._notifications.list(asked, groups=groups, limit=limit, cursor=cursor)
