"""The keeper's socket: takes requests, a line each, and sends answers as they come."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from server.keeper.protocol import (
    MAX_MESSAGE_BYTES,
    SOCKET_NAME,
    KeeperError,
    KeeperRefusedError,
    decode,
    encode,
    socket_address,
)

Message = dict[str, Any]

_log = logging.getLogger(__name__)


class Listener:
    """Serves the socket in `directory` (0700): `answer` makes an answer's fields of a request.

    `on_change` is called when a client has come or gone.
    """

    def __init__(
        self,
        directory: Path,
        answer: Callable[[Message], Awaitable[Message]],
        on_change: Callable[[], None],
    ) -> None:
        self._directory = directory
        self._answer = answer
        self._on_change = on_change
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        """Whether there is a client."""
        return bool(self._clients)

    async def open(self) -> None:
        """Listen, in the place of a keeper that has gone."""
        listening = socket.socket(socket.AF_UNIX)
        directory = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(SOCKET_NAME, dir_fd=directory)
            listening.bind(socket_address(directory))
            os.chmod(SOCKET_NAME, 0o600, dir_fd=directory)
        finally:
            os.close(directory)
        self._server = await asyncio.start_unix_server(
            self._serve, sock=listening, limit=MAX_MESSAGE_BYTES
        )

    async def close(self) -> None:
        """Take no more clients, and see those off that there are."""
        if self._server is not None:
            self._server.close()
        (self._directory / SOCKET_NAME).unlink(missing_ok=True)
        serving = list(filter(None, self._clients.values()))
        for writer in self._clients:
            writer.close()
        if serving:
            await asyncio.wait(serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients[writer] = asyncio.current_task()
        self._on_change()
        try:
            while line := await reader.readline():
                task = asyncio.create_task(self._reply(line, writer), name="answer")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (ConnectionError, ValueError) as error:
            _log.warning("a client is dropped: %s", error)
        finally:
            del self._clients[writer]
            writer.close()
            self._on_change()

    async def _reply(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        answer: Message = {"id": None}
        try:
            message = decode(line)
            answer["id"] = message.get("id")
            answer |= {"ok": True, **await self._answer(message)}
        except (KeeperRefusedError, LookupError, TypeError, ValueError) as error:
            answer |= {"ok": False, "refused": True, "error": str(error) or type(error).__name__}
        except (KeeperError, OSError) as error:
            answer |= {"ok": False, "error": str(error) or type(error).__name__}
        except Exception as error:
            _log.exception("a request failed")
            answer |= {"ok": False, "error": f"internal error: {error!r}"}
        with contextlib.suppress(ConnectionError):
            writer.write(encode(answer))
            await writer.drain()
