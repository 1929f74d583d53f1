"""Pages of a list, and the cursors between them.

A cursor is the sort key of the last item shown, so that a page costs the same however deep it
is, and items that come or go meanwhile neither repeat nor hide others
(https://use-the-index-luke.com/no-offset).
"""

import base64
import binascii
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

from server.errors import InvalidCursorError

Item = TypeVar("Item")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAYOUT = struct.Struct(">q16s")


@dataclass(frozen=True, slots=True)
class SortKey:
    """What lists are ordered by, newest first."""

    created_at: datetime
    id: UUID

    def encode(self) -> str:
        """Return the key as an opaque cursor, safe in a URL."""
        microseconds = (self.created_at - _EPOCH) // timedelta(microseconds=1)
        return base64.urlsafe_b64encode(_LAYOUT.pack(microseconds, self.id.bytes)).decode("ascii")

    @classmethod
    def decode(cls, cursor: str) -> "SortKey":
        """Return the key that a cursor holds.

        Raises:
            InvalidCursorError: the text was not made by `encode`.
        """
        try:
            raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
            microseconds, identifier = _LAYOUT.unpack(raw)
            created_at = _EPOCH + timedelta(microseconds=microseconds)
        except (UnicodeEncodeError, binascii.Error, struct.error, OverflowError) as error:
            raise InvalidCursorError("The cursor was not made by this service.") from error
        return cls(created_at, UUID(bytes=identifier))

    @classmethod
    def parameters(cls, cursor: str | None) -> dict[str, object]:
        """Return a statement's parameters `created_at` and `id` for what follows a cursor.

        Raises:
            InvalidCursorError: the text was not made by `encode`.
        """
        if cursor is None:
            return {"created_at": None, "id": None}
        key = cls.decode(cursor)
        return {"created_at": key.created_at, "id": key.id}


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A stretch of a list; `next` is the cursor of the page after it, None at the end."""

    items: Sequence[Item]
    next: str | None

    @classmethod
    def cut(
        cls, items: Sequence[Item], limit: int, key_of: Callable[[Item], SortKey]
    ) -> "Page[Item]":
        """Return the first `limit` of items; one more means that a page follows."""
        more = len(items) > limit
        return cls(items[:limit], key_of(items[limit - 1]).encode() if more else None)
