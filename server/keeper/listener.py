"""The keeper's socket: takes requests, a line each, and sends answers as they come."""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from server.keeper.protocol import (
    MAX_MESSAGE_BYTES,
    SOCKET_NAME,
    KeeperEndedError,
    KeeperError,
    KeeperFullError,
    KeeperLeaseError,
    KeeperRefusedError,
    decode,
    encode,
    socket_address,
)
from server.keeper.trash import Trash

Message = dict[str, Any]

ROOT = 0
_PEER = struct.Struct("3i")
"""struct ucred: pid, uid and gid of who connected (SO_PEERCRED in unix(7))."""

logger = logging.getLogger(__name__)


class Listener:
    """Serves the socket in `directory`: `answer` makes an answer's fields of a request.

    Who connects must be of our user, root, or `client`: a user and a group by their numbers, whom
    the mode of the socket lets connect as well. `on_change` is called when a client has come or
    gone.
    """

    def __init__(
        self,
        directory: Path,
        answer: Callable[[Message], Awaitable[Message]],
        on_change: Callable[[], None],
        *,
        client: tuple[int, int] | None = None,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self._directory = directory
        self._client = client
        self._answer = answer
        self._on_change = on_change
        self._max_message_bytes = max_message_bytes
        self._server: asyncio.Server | None = None
        self._place: os.stat_result | None = None
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        """Whether there is a client."""
        return bool(self._clients)

    async def open(self) -> None:
        """Listen, in the place of a keeper that has gone, or of whatever else is there."""
        path = self._directory / SOCKET_NAME
        try:
            path.unlink(missing_ok=True)
        except OSError:
            Trash(self._directory.parent / "trash").take(path)
        listening = socket.socket(socket.AF_UNIX)
        directory = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
        try:
            listening.bind(socket_address(directory))
            os.chmod(SOCKET_NAME, 0o600, dir_fd=directory)
            if self._client is not None:
                os.chown(SOCKET_NAME, -1, self._client[1], dir_fd=directory)
                os.chmod(SOCKET_NAME, 0o660, dir_fd=directory)
            self._place = path.lstat()
        except OSError:
            listening.close()
            raise
        finally:
            os.close(directory)
        self._server = await asyncio.start_unix_server(
            self._serve, sock=listening, limit=self._max_message_bytes
        )

    async def check(self) -> None:
        """Listen anew when the socket is not at its name any more; clients stay connected."""
        with contextlib.suppress(OSError):
            found = (self._directory / SOCKET_NAME).lstat()
            if self._place is not None and os.path.samestat(found, self._place):
                return
        former = self._server
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            await self.open()
        except OSError as error:
            logger.warning("socket was removed, listening anew failed, trying again: %s", error)
            return
        logger.warning("socket was removed: listening anew")
        if former is not None:
            former.close()

    async def close(self) -> None:
        """Accept no more clients, and close the connections of those that there are."""
        if self._server is not None:
            self._server.close()
        (self._directory / SOCKET_NAME).unlink(missing_ok=True)
        serving = list(filter(None, self._clients.values()))
        for writer in self._clients:
            writer.close()
        if serving:
            await asyncio.wait(serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._admits(writer.get_extra_info("socket")):
            writer.close()
            return
        self._clients[writer] = asyncio.current_task()
        self._on_change()
        try:
            while line := await reader.readline():
                # Side by side: a stop must not wait for the start of another run.
                task = asyncio.create_task(self._reply(line, writer), name="answer")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (ConnectionError, ValueError) as error:
            logger.warning("client dropped: %s", error)
        finally:
            del self._clients[writer]
            writer.close()
            self._on_change()

    def _admits(self, connection: socket.socket) -> bool:
        """Whether who connected may ask; the mode of a directory may be changed by mistake."""
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        pid, uid, _ = _PEER.unpack(credentials)
        admitted = {ROOT, os.geteuid(), *(self._client or ())[:1]}
        if uid not in admitted:
            logger.warning("client refused: pid %d is of user %d", pid, uid)
        return uid in admitted

    async def _reply(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        answer: Message = {"id": None}
        try:
            message = decode(line)
            answer["id"] = message.get("id")
            answer |= {"ok": True, **await self._answer(message)}
        except KeeperEndedError as error:
            answer |= {"ok": False, "refused": True, "ended": True, "error": str(error)}
        except (KeeperRefusedError, TypeError, ValueError) as error:
            answer |= {"ok": False, "refused": True, "error": str(error) or type(error).__name__}
        except KeeperFullError as error:
            answer |= {"ok": False, "full": True, "error": str(error)}
        except KeeperLeaseError as error:
            answer |= {"ok": False, "unleased": True, "error": str(error)}
        except (KeeperError, OSError) as error:
            answer |= {"ok": False, "error": str(error) or type(error).__name__}
        except Exception as error:
            logger.exception("request failed")
            answer |= {"ok": False, "error": f"internal error: {error!r}"}
        with contextlib.suppress(ConnectionError):
            writer.write(encode(answer))
            await writer.drain()
