"""TLS between a connection and its protocol, so that all that waits, waits in one buffer.

OpenSSL does the work (ssl.SSLObject). asyncio's own layer has a buffer of 256 KiB for each
connection, hides what waits beneath it from what counts it, and tells its protocol nothing before
the handshake is over: who never ends it would not be counted as a connection.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

READ_BYTES = 256 * 1024
WRITE_BYTES = 256 * 1024
"""As much is encrypted, and handed on, at a time."""

PLAIN_HTTP = "HTTP_REQUEST"
SAY_HTTPS = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"This is served over https alone.\n"
)

Buffer = bytes | bytearray | memoryview


class TlsTransport(asyncio.Transport):
    """What a connection's protocol writes to: all is encrypted and handed to `raw` at once."""

    def __init__(
        self, raw: asyncio.Transport, context: ssl.SSLContext, protocol: asyncio.Protocol
    ) -> None:
        super().__init__()
        self._raw = raw
        self._protocol = protocol
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._extra_info = {"sslcontext": context, "ssl_object": self._tls}
        self._is_open = False
        self._is_closing = False

    def take(self, data: bytes) -> None:
        """Take what the peer sent, and hand what it says to the protocol."""
        self._incoming.write(data)
        self._hand_on()

    def _hand_on(self) -> None:
        if self.is_closing():
            return
        try:
            if not self._is_open:
                self._tls.do_handshake()
                self._is_open = True
            self._read()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            if error.reason == PLAIN_HTTP:
                self._raw.write(SAY_HTTPS)
            self._is_closing = True
            self._flush()  # the alert that says why
            self._raw.close()
            return
        self._flush()

    def _read(self) -> None:
        """Hand on all that can be read, as long as the protocol takes it."""
        while self._raw.is_reading() and not self._is_closing:
            said = self._tls.read(READ_BYTES)
            if not said:  # the peer's close_notify
                self._protocol.eof_received()
                self.close()
                return
            self._protocol.data_received(said)

    def _flush(self) -> None:
        if encrypted := self._outgoing.read():
            self._raw.write(encrypted)

    def write(self, data: Buffer) -> None:
        """Send bytes; before the handshake there is nobody to send any to."""
        if not self._is_open or self._is_closing:
            return
        left = memoryview(data)
        try:
            while left:
                left = left[self._tls.write(left[:WRITE_BYTES]) :]
                self._flush()
        except ssl.SSLError:
            self.abort()

    def writelines(self, list_of_data: Iterable[Buffer]) -> None:
        """Send pieces, as few records as they need."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """TLS has no such half."""
        raise NotImplementedError

    def can_write_eof(self) -> bool:
        """Return that it cannot."""
        return False

    def close(self) -> None:
        """Close, after all that was written is sent, with the word that it is all."""
        if self._is_closing:
            return
        self._is_closing = True
        if self._is_open:
            with suppress(ssl.SSLError):  # the peer's own such word is not waited for
                self._tls.unwrap()
            self._flush()
        self._raw.close()

    def abort(self) -> None:
        """Close at once."""
        self._is_closing = True
        self._raw.abort()

    def is_closing(self) -> bool:
        """Return whether it is closed, or about to be."""
        return self._is_closing or self._raw.is_closing()

    def is_reading(self) -> bool:
        """Return whether the protocol takes data."""
        return self._raw.is_reading()

    def pause_reading(self) -> None:
        """Hand nothing on."""
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Hand on what came, and what was decrypted before."""
        self._raw.resume_reading()
        asyncio.get_running_loop().call_soon(self._hand_on)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have another protocol take what comes."""
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when the protocol is told to pause: the only buffer is the connection's."""
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return those limits."""
        return self._raw.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes, encrypted, the kernel has not taken yet."""
        return self._raw.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of TLS, else of the connection."""
        if name in self._extra_info:
            return self._extra_info[name]
        return self._raw.get_extra_info(name, default)


class TlsProtocol(asyncio.Protocol):
    """Stands between a connection and the protocol that it is for, from its first byte on."""

    def __init__(self, context: ssl.SSLContext, protocol: asyncio.Protocol) -> None:
        self._context = context
        self._protocol = protocol
        self._transport: TlsTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tell the protocol of a connection, whose handshake is still to come."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = TlsTransport(transport, self._context, self._protocol)
        self._protocol.connection_made(self._transport)

    def data_received(self, data: bytes) -> None:
        """Decrypt it."""
        assert self._transport is not None
        self._transport.take(data)

    def eof_received(self) -> bool | None:
        """Hand it on."""
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        """Hand it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand it on."""
        self._protocol.connection_lost(exc)


def over_tls(
    context: Callable[[], ssl.SSLContext], factory: Callable[[], asyncio.Protocol]
) -> Callable[[], asyncio.Protocol]:
    """Return what makes protocols that speak TLS, each by the context of the moment."""
    return lambda: TlsProtocol(context(), factory())
