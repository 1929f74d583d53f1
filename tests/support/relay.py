"""A server on a Unix socket, reached by TCP or TLS, and lost whenever a test wants that."""

import asyncio
import ssl
import subprocess
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Self

SSL_REQUEST = bytes([0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F])
"""A client of PostgreSQL asks so for TLS (protocol.html, "SSLRequest")."""


class Relay:
    """Connections to a port of the loopback interface, passed on to a Unix socket.

    With a certificate it speaks TLS, as PostgreSQL does, to those that ask for it. Each connection
    is cut after `cut_after_bytes` of answers, if that is given; so are those whose next answers are
    to be lost (`lose_answers`).
    """

    def __init__(
        self,
        socket: Path,
        context: ssl.SSLContext | None = None,
        *,
        cut_after_bytes: int | None = None,
    ) -> None:
        self.cut_after_bytes = cut_after_bytes
        self.lose_answers = 0
        self.cuts = 0
        self._socket = socket
        self._context = context
        self._writers: list[asyncio.StreamWriter] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._stack = AsyncExitStack()
        self.port = 0

    async def __aenter__(self) -> Self:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        await self._stack.enter_async_context(server)
        self._stack.push_async_callback(self._end)
        self.port = server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def cut(self) -> None:
        """Lose all connections, as when the server's machine dies and another answers for it."""
        while self._writers:
            transport = self._writers.pop().transport
            if not transport.is_closing():  # its loop is gone, once it is closed
                transport.abort()

    async def _end(self) -> None:
        self.cut()
        if self._serving:
            await asyncio.wait(self._serving)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._context is not None:
            assert await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST
            writer.write(b"S")
            await writer.start_tls(self._context)
        try:
            answers, asking = await asyncio.open_unix_connection(self._socket)
        except OSError:  # the server is away
            writer.close()
            return
        self._writers.append(asking)
        await asyncio.gather(_pass_on(reader, asking), self._answer(answers, writer))
        if not asking.is_closing():
            asking.close()

    async def _answer(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = self.cut_after_bytes
        with suppress(OSError):
            while data := await answers.read(1 << 16 if left is None else min(left, 1 << 16)):
                if self.lose_answers:
                    self.lose_answers -= 1
                    self._cut(writer)
                    return
                writer.write(data)
                await writer.drain()
                if left is not None:
                    left -= len(data)
                    if left == 0:
                        self._cut(writer)
                        return
        writer.close()

    def _cut(self, writer: asyncio.StreamWriter) -> None:
        self.cuts += 1
        writer.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


def certificate(directory: Path) -> ssl.SSLContext:
    """Return a TLS server's context with a new certificate; `directory/certificate` is it."""
    names = ("-keyout", directory / "key", "-out", directory / "certificate")
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    kind = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    subprocess.run(["openssl", "req", *kind, *subject, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "certificate", directory / "key")
    return context
