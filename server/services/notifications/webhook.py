"""Webhooks as targets: a POST with the three headers of Standard Webhooks."""

import asyncio
import time

import aiohttp
from yarl import URL

from server.notifications import Target
from server.services.notifications.messages import Message
from server.services.notifications.redaction import without_url
from server.services.notifications.resolver import Resolver
from server.services.notifications.senders import SEND_SECONDS, NotDeliveredError
from server.services.notifications.signing import signature

ANSWER_BYTES = 4096
"""Of an answer, at most."""

SHOWN_CHARACTERS = 200
"""Of an answer that refuses, at most: it is shown to people."""


class WebhookSender:
    """Sends messages to webhooks; follows no redirect, and reads next to nothing of an answer."""

    def __init__(self, *, timeout_seconds: float = SEND_SECONDS) -> None:
        self._timeout_seconds = timeout_seconds
        self._session: aiohttp.ClientSession | None = None

    async def check(self, url: str) -> None:
        """Look at a URL, without sending anything.

        Raises:
            ValueError: it is none of http or https with a host.
        """
        try:
            parsed = URL(url)
        except ValueError as error:
            raise ValueError(f"It is no URL: {error}.") from error
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise ValueError("A webhook's URL begins with https:// or http://, and names a host.")

    async def send(self, target: Target, message: Message) -> None:
        """Send a message, once.

        Raises:
            NotDeliveredError: it was not answered with a status of 200 to 299 in time.
        """
        timestamp = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": str(message.id),
            "webhook-timestamp": str(timestamp),
        }
        if target.secret is not None:
            headers["webhook-signature"] = signature(
                target.secret, str(message.id), timestamp, message.body
            )
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._open().post(
                    target.url, data=message.body, headers=headers, allow_redirects=False
                ) as answer,
            ):
                _accept(answer.status, await answer.content.read(ANSWER_BYTES), target.url)
        except TimeoutError as error:
            raise NotDeliveredError(
                f"It did not answer within {self._timeout_seconds:g} s."
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotDeliveredError(_why(error)) from error

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No cookies: what one target sets is no other's business. A compressed answer is left
            # as it is: 1 MB may become 1 GB.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=Resolver()),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"Accept-Encoding": "identity", "User-Agent": "Tailrun"},
            )
        return self._session


def _accept(status: int, answered: bytes, url: str) -> None:
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise NotDeliveredError(
            f"It answered {status}, a redirect, which is not followed. Give the URL that it leads"
            " to."
        )
    text = "".join(one if one.isprintable() else " " for one in answered.decode("utf-8", "replace"))
    said = without_url(" ".join(text.split()), url)[:SHOWN_CHARACTERS]
    raise NotDeliveredError(f"It answered {status}{f': {said}' if said else '.'}")


def _why(error: Exception) -> str:
    """Return why a request failed, without its URL, which may hold a secret."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"It cannot be reached: {error.os_error.strerror or type(error.os_error).__name__}."
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "It closed the connection without an answer."
    return f"It cannot be asked: {type(error).__name__}."
