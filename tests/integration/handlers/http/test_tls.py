"""The layer of TLS: what goes through it is exact, and what is no TLS ends alone."""

import asyncio
import hashlib
import io
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any, cast
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import web

from server.handlers.http.certificate import Certificate
from server.handlers.http.gate import Gates
from server.handlers.http.tls import TlsProtocol, TlsTransport, over_tls
from tests.integration.handlers.http.test_gate import Site
from tests.support.certificates import believing_all, make_certificate
from tests.support.waiting import patience, until

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""How a ClientHello begins."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(*make_certificate(tmp_path_factory.mktemp("certificate")))


@pytest.fixture
def _secure(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Site, "certificate", certificate)


async def raw(site: Site) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", site.port)


@pytest.mark.usefixtures("_secure")
@pytest.mark.parametrize("sent", [b"", HELLO])
async def test_a_handshake_that_does_not_end_is_a_connection_and_ends_in_time(sent: bytes) -> None:
    async with Site(Gates(9, headers_seconds=0.5)).serving() as site:
        reader, writer = await raw(site)
        writer.write(sent)
        await until(lambda: len(site.gates) == 1)
        assert await reader.read() == b""
        writer.close()
        assert len(site.gates) == 0


@pytest.mark.usefixtures("_secure")
async def test_handshakes_that_do_not_end_lock_no_newcomer_out() -> None:
    async with Site(Gates(50)).serving() as site:
        writers = [(await raw(site))[1] for _ in range(60)]
        for number, writer in enumerate(writers):
            writer.write(HELLO[: number % len(HELLO)])
        assert await (await site.connect()).ask() == b"200"
        assert len(site.gates) <= 50
        for writer in writers:
            writer.close()


@pytest.mark.usefixtures("_secure")
@pytest.mark.parametrize("sent", [b"\0" * 100, b"SSH-2.0-x\r\n", HELLO + b"\xff" * 600])
async def test_what_is_no_tls_ends_alone(sent: bytes) -> None:
    async with Site(Gates(9)).serving() as site:
        other = await site.connect()
        reader, writer = await raw(site)
        writer.write(sent)
        async with patience():
            alert = await reader.read()
        assert alert[:1] in {b"", b"\x15"}
        writer.close()
        assert await other.ask() == b"200"


@pytest.mark.usefixtures("_secure")
async def test_a_record_that_was_changed_on_its_way_ends_its_connection() -> None:
    async with Site(Gates(9)).serving() as site:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = believing_all().wrap_bio(incoming, outgoing)
        reader, writer = await raw(site)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await reader.read(65536))
        tls.write(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        record = bytearray(outgoing.read())
        record[-1] ^= 1
        writer.write(record)
        async with patience():
            incoming.write(await reader.read())
        with pytest.raises(ssl.SSLError, match="ALERT_BAD_RECORD_MAC"):
            tls.read(1000)
        writer.close()


@pytest.fixture
async def digests(certificate: Certificate) -> AsyncIterator[str]:
    """Serve the SHA-256 of what is sent, read in small pieces, and answer what is asked for."""

    async def digest(request: web.Request) -> web.Response:
        found = hashlib.sha256()
        while piece := await request.content.read(50_000):
            found.update(piece)
            await asyncio.sleep(0)  # others come in between, so that reading is paused
        return web.Response(text=found.hexdigest())

    app = web.Application(client_max_size=2**30)
    app.router.add_post("/", digest)
    runner = web.AppRunner(app)
    await runner.setup()
    serve = cast("Callable[[], asyncio.Protocol]", runner.server)
    server = await asyncio.get_running_loop().create_server(
        over_tls(lambda: certificate.context, serve), "127.0.0.1", 0
    )
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    server.close()
    await runner.cleanup()


async def test_what_is_read_in_its_own_time_is_whole(digests: str) -> None:
    body = b"".join(b"%d\n" % number for number in range(3_000_000))
    async with (
        patience(),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session,
        session.post(digests, data=io.BytesIO(body)) as response,
    ):
        assert await response.text() == hashlib.sha256(body).hexdigest()


class Ends:
    """Both ends of a connection without a network: a client of ssl's, and the transport."""

    def __init__(self, certificate: Certificate) -> None:
        self.sent = bytearray()
        self.raw: Any = Mock(spec=asyncio.Transport)
        self.raw.write = self.sent.extend
        self.raw.is_reading.return_value = True
        self.raw.is_closing.return_value = False
        self.protocol = Mock(spec=asyncio.Protocol)
        self.transport = TlsTransport(self.raw, certificate.context, self.protocol)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = believing_all().wrap_bio(self._incoming, self._outgoing)

    def pump(self) -> None:
        """Carry over what both have to say."""
        self.transport.take(self._outgoing.read())
        self._incoming.write(bytes(self.sent))
        self.sent.clear()

    def shake_hands(self) -> None:
        for _ in range(3):
            try:
                self.client.do_handshake()
            except ssl.SSLWantReadError:
                self.pump()
        self.pump()


def test_before_the_handshake_nothing_is_sent(certificate: Certificate) -> None:
    ends = Ends(certificate)
    ends.transport.write(b"too early")
    assert not ends.sent
    ends.shake_hands()
    ends.transport.writelines([b"one ", memoryview(b"two")])
    ends.pump()
    assert ends.client.read(100) == b"one two"


def test_what_is_paused_hands_nothing_on(certificate: Certificate) -> None:
    ends = Ends(certificate)
    ends.shake_hands()
    ends.raw.is_reading.return_value = False
    ends.client.write(b"said")
    ends.pump()
    ends.protocol.data_received.assert_not_called()
    ends.raw.is_reading.return_value = True
    ends.transport._hand_on()
    ends.protocol.data_received.assert_called_once_with(b"said")


def test_the_end_is_told_to_both(certificate: Certificate) -> None:
    ends = Ends(certificate)
    ends.shake_hands()
    with pytest.raises(ssl.SSLWantReadError):
        ends.client.unwrap()
    ends.pump()
    ends.protocol.eof_received.assert_called_once_with()
    ends.raw.close.assert_called_once_with()
    assert ends.transport.is_closing()
    ends.client.unwrap()
    ends.transport.close()
    ends.transport.write(b"too late")
    assert not ends.sent
    ends.raw.close.assert_called_once_with()


def test_it_is_a_transport_like_any_other(certificate: Certificate) -> None:
    ends = Ends(certificate)
    other = Mock(spec=asyncio.Protocol)
    ends.transport.set_protocol(other)
    assert ends.transport.get_protocol() is other
    assert not ends.transport.can_write_eof()
    with pytest.raises(NotImplementedError):
        ends.transport.write_eof()
    ends.transport.set_write_buffer_limits(high=0)
    ends.raw.set_write_buffer_limits.assert_called_once_with(0, None)
    assert ends.transport.get_write_buffer_limits() is ends.raw.get_write_buffer_limits()
    assert ends.transport.get_write_buffer_size() is ends.raw.get_write_buffer_size()
    assert ends.transport.is_reading()
    assert ends.transport.get_extra_info("sslcontext") is certificate.context
    ends.transport.get_extra_info("socket", 1)
    ends.raw.get_extra_info.assert_called_once_with("socket", 1)
    ends.transport.abort()
    ends.raw.abort.assert_called_once_with()


def test_its_protocol_hands_everything_on(certificate: Certificate) -> None:
    protocol = Mock(spec=asyncio.Protocol)
    layer = TlsProtocol(certificate.context, protocol)
    layer.connection_made(Mock(spec=asyncio.Transport))
    layer.pause_writing()
    layer.resume_writing()
    layer.connection_lost(None)
    assert layer.eof_received() is protocol.eof_received()
    protocol.pause_writing.assert_called_once_with()
    protocol.resume_writing.assert_called_once_with()
    protocol.connection_lost.assert_called_once_with(None)
