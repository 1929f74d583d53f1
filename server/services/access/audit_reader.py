"""The audit as it is read: page by page, or all of it as lines of JSON."""

from collections.abc import AsyncGenerator

from server.access import AuditAsked, AuditEntry
from server.repositories.access.audit import AuditRepository
from server.repositories.page import Page
from server.services.access.entries import json_line

LINES_A_PAGE = 500


class AuditReader:
    """Reads what is on record."""

    def __init__(self, repository: AuditRepository) -> None:
        self._repository = repository

    async def list(self, asked: AuditAsked, *, limit: int, cursor: str | None) -> Page[AuditEntry]:
        """Return a page of entries, the newest act first.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        return await self._repository.list(asked, limit=limit, cursor=cursor)

    async def lines(self, asked: AuditAsked, cursor: str | None) -> AsyncGenerator[bytes, None]:
        """Return all entries from a cursor on as lines of JSON, many at a time.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        first = await self._repository.list(asked, limit=LINES_A_PAGE, cursor=cursor)
        return self._following(asked, first)

    async def _following(
        self, asked: AuditAsked, page: Page[AuditEntry]
    ) -> AsyncGenerator[bytes, None]:
        while True:
            if page.items:
                yield b"".join(map(json_line, page.items))
            if page.next is None:
                return
            page = await self._repository.list(asked, limit=LINES_A_PAGE, cursor=page.next)
