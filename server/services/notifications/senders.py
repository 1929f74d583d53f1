"""How targets are told."""

from typing import Protocol

from server.notifications import Target
from server.services.notifications.messages import Message

SEND_SECONDS = 15.0
"""The longest that one attempt may take, whatever the target does."""


class NotDeliveredError(Exception):
    """A target was not told; the message says why, and holds no secret."""


class Sender(Protocol):
    """Tells targets of one type."""

    async def check(self, url: str) -> None:
        """Look at a URL, without sending anything.

        Raises:
            ValueError: it is none that can be sent to; the message says why.
        """
        ...

    async def send(self, target: Target, message: Message) -> None:
        """Send a message, once.

        Raises:
            NotDeliveredError: the target did not take it in time.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
