"""Connections: how many there may be, and how long a request may take to arrive."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar, cast

import pytest
from aiohttp import web

from server.handlers.http import keys
from server.handlers.http.certificate import Certificate
from server.handlers.http.connections import connections
from server.handlers.http.files import file_answer
from server.handlers.http.gate import Gates
from server.handlers.http.problems import problems
from server.handlers.http.tls import over_tls
from server.services.tasks import cancel_and_wait
from tests.support.certificates import believing_all, make_certificate
from tests.support.waiting import patience, until

REQUEST = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODY = b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"

LARGE_BYTES = 24_000_000
"""More than the kernel keeps for a peer that takes nothing."""


class Peer:
    """A client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, path: str = "ping") -> bytes:
        """Ask for a path; return the status, or nothing when the connection is closed."""
        self.writer.write(REQUEST % path.encode())
        return await self.answer()

    async def answer(self) -> bytes:
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        await self.reader.readexactly(length)
        return head.split()[1]

    def pause(self) -> None:
        """Take nothing any more."""
        assert isinstance(self.writer.transport, asyncio.Transport)
        self.writer.transport.pause_reading()

    async def closed(self) -> bytes:
        """Return all that comes before the connection is closed."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""


@pytest.fixture(params=[False, True], ids=["http", "https"], autouse=True)
def secure(
    request: pytest.FixtureRequest, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have everything hold with TLS as without."""
    monkeypatch.setattr(Site, "certificate", certificate if request.param else None)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(*make_certificate(tmp_path_factory.mktemp("certificate")))


class Site:
    """A server behind gates, whose requests for /wait are under way until `go`."""

    certificate: ClassVar[Certificate | None] = None

    def __init__(self, gates: Gates) -> None:
        self.gates = gates
        self.waiting = 0
        self.go = asyncio.Event()
        self.port = 0
        self.path = Path()
        self._stack = AsyncExitStack()

    async def wait(self, _: web.Request) -> web.Response:
        self.waiting += 1
        await self.go.wait()
        return web.Response(text="gone")

    async def file(self, request: web.Request) -> web.FileResponse:
        return file_answer(request, self.path)

    async def connect(self) -> Peer:
        tls = None if self.certificate is None else believing_all()
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port, ssl=tls))
        self._stack.callback(peer.writer.close)
        return peer

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Site"]:
        app = web.Application(middlewares=[connections, problems])
        app[keys.GATES] = self.gates
        app.router.add_get("/ping", answer)
        app.router.add_get("/healthz", answer)
        app.router.add_get("/wait", self.wait)
        app.router.add_get("/large", large)
        app.router.add_get("/file", self.file)
        app.router.add_post("/read", read)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        factory: Callable[[], asyncio.Protocol]
        factory = self.gates.factory(cast("Callable[[], asyncio.Protocol]", runner.server))
        if (certificate := self.certificate) is not None:
            factory = over_tls(lambda: certificate.context, factory)
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        watching = asyncio.create_task(self.gates.watch())
        try:
            async with patience(), self._stack:
                yield self
        finally:
            self.go.set()
            server.close()
            await cancel_and_wait(watching)
            await runner.cleanup()


async def answer(_: web.Request) -> web.Response:
    return web.Response(text="pong")


async def large(_: web.Request) -> web.Response:
    return web.Response(body=bytes(LARGE_BYTES))


async def read(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def test_at_the_bound_a_newcomer_takes_the_place_of_the_longest_idle() -> None:
    """Not of one that has asked for something since, nor of one that is being answered."""
    async with Site(Gates(4)).serving() as site:
        first, silent, half, watching = [await site.connect() for _ in range(4)]
        half.writer.write(b"GET /ping HTTP/1.1\r\nHost: ")
        watching.writer.write(REQUEST % b"wait")
        await until(lambda: site.waiting == 1)
        assert await first.ask() == b"200"
        newcomer = await site.connect()
        assert await newcomer.ask() == b"200"
        assert await silent.closed() == b""
        another = await site.connect()
        assert await another.ask() == b"200"
        assert (await half.closed()).startswith(b"HTTP/1.1 408 ")
        assert await first.ask() == b"200"
        site.go.set()
        assert await watching.answer() == b"200"
        assert len(site.gates) == 4


async def test_whoever_is_being_answered_is_never_turned_out() -> None:
    """A newcomer is told that there are too many, and the service's health all the same."""
    async with Site(Gates(2)).serving() as site:
        watching = [await site.connect() for _ in range(2)]
        for peer in watching:
            peer.writer.write(REQUEST % b"wait")
        await until(lambda: site.waiting == 2)
        assert await (await site.connect()).ask() == b"503"
        assert await (await site.connect()).ask("healthz") == b"200"
        site.go.set()
        assert [await peer.answer() for peer in watching] == [b"200", b"200"]


async def test_51_half_open_connections_do_not_lock_a_newcomer_out() -> None:
    async with Site(Gates(50)).serving() as site:
        for number in range(51):
            peer = await site.connect()
            peer.writer.write(b"GET / HTTP/1.1\r\n"[: number % 17])
        assert await (await site.connect()).ask() == b"200"


@pytest.mark.parametrize("sent", [b"", b"G", b"GET /ping HTTP/1.1\r\nHost: localhost\r\n"])
async def test_headers_that_do_not_come_in_time_close_the_connection(sent: bytes) -> None:
    """Also those of a further request."""
    async with Site(Gates(9, headers_seconds=0.5)).serving() as site:
        peer = await site.connect()
        peer.writer.write(sent)
        assert (await peer.closed())[:12] == (b"HTTP/1.1 408" if sent else b"")
        again = await site.connect()
        assert await again.ask() == b"200"
        if sent:
            again.writer.write(sent)
            assert (await again.closed()).startswith(b"HTTP/1.1 408 ")


async def test_an_idle_connection_that_was_of_use_stays() -> None:
    async with Site(Gates(9, headers_seconds=0.5)).serving() as site:
        useful, useless = await site.connect(), await site.connect()
        assert await useful.ask() == b"200"
        for _ in range(3):
            assert await useless.closed() == b""
            useless = await site.connect()
        assert await useful.ask() == b"200"


async def test_a_body_that_does_not_come_in_time_is_a_problem(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Site(Gates(9, body_seconds=0.2)).serving() as site:
        peer = await site.connect()
        peer.writer.write(BODY + b"abc")
        assert await peer.answer() == b"408"
        assert await peer.closed() == b""
        whole = await site.connect()
        whole.writer.write(BODY + b"abcde")
        assert await whole.answer() == b"200"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_body_that_comes_at_a_fair_rate_has_its_time() -> None:
    """What came of it, with the headers, gives it a second each 1,000 bytes; then it is cut."""
    async with Site(Gates(9)).serving() as site:
        peer = await site.connect()
        head = BODY.replace(b"5\r\n", b"9999\r\n")
        peer.writer.write(head + bytes(3000 - len(head)))
        (gate,) = site.gates._gates.values()
        await until(lambda: gate.request is not None and gate.received == 3000)
        assert gate.request is not None
        body = gate.request.content
        seconds = partial(gate.check, headers_seconds=1.0, body_seconds=30.0)
        seconds(gate.requested_at + 32.9)
        assert body.exception() is None
        seconds(gate.requested_at + 33.1)
        assert await peer.answer() == b"408"
        seconds(gate.requested_at + 43.1)
        assert await peer.closed() == b""


@pytest.mark.parametrize("path", ["large", "file"])
async def test_an_answer_that_nobody_takes_is_given_up(path: str, tmp_path: Path) -> None:
    """Those that are taken, however slowly, are not."""
    async with Site(Gates(9, stall_seconds=1.5)).serving() as site:
        site.path = tmp_path / "file"
        site.path.touch()
        os.truncate(site.path, LARGE_BYTES)
        deaf, slow = await site.connect(), await site.connect()
        for peer in (deaf, slow):
            peer.writer.write(REQUEST % path.encode())
        deaf.pause()
        left = LARGE_BYTES
        await slow.reader.readuntil(b"\r\n\r\n")
        while len(site.gates) == 2:
            left -= len(await slow.reader.read(4096))
            await asyncio.sleep(0.01)  # so it takes half a minute for all
        assert left > 0
        while left:
            left -= len(await slow.reader.readexactly(min(left, 2**20)))
        assert await slow.ask() == b"200"


async def test_no_large_answer_is_begun_while_too_many_wait() -> None:
    async with Site(Gates(9, max_untaken_bytes=2 * LARGE_BYTES)).serving() as site:
        deaf = [await site.connect() for _ in range(5)]
        for peer in deaf:
            peer.pause()
            peer.writer.write(REQUEST % b"large")
        another = await site.connect()

        def waiting() -> int:
            return sum(gate.is_writing for gate in site.gates._gates.values())

        await until(lambda: waiting() == 3)
        assert await another.ask("large") == b"503"
        small = await site.connect()
        assert await small.ask() == b"200"
        for peer in deaf:
            peer.writer.transport.abort()
        await until(lambda: waiting() == 0)
        assert await (await site.connect()).ask("large") == b"200"
