"""The certificate that https is served by: read at the start, and anew when its files change."""

import asyncio
import logging
import ssl
from pathlib import Path

from server.errors import StartupError
from server.settings.access import AccessSettings

CHECK_SECONDS = 1.0
"""Between two looks at the files. They are read once they stay as they are for so long."""

PROTOCOLS = ("http/1.1",)

logger = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int] | None, ...]


class Certificate:
    """A certificate with its key. `context` is what new connections are served by.

    Raises:
        StartupError: it cannot be read, or used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._read = self._stamp()
        self.context = self._context()

    async def watch(self) -> None:
        """Read the files anew when they change, forever; what cannot be used changes nothing."""
        found = self._read
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            before, found = found, self._stamp()
            # Of a pair that is just being replaced the second file may still be on its way.
            if found == before != self._read:
                self._renew(found)

    def _renew(self, found: Stamp) -> None:
        self._read = found
        try:
            self.context = self._context()
        except StartupError as error:
            logger.error("the certificate before is kept: %s", error)  # noqa: TRY400  it says all
        else:
            logger.info("certificate read anew from %s", self._certificate)

    def _stamp(self) -> Stamp:
        """Return what changes when a file is written, or another takes its name."""
        return tuple(_stamp(path) for path in (self._certificate, self._key))

    def _context(self) -> ssl.SSLContext:
        _pem("TAILRUN_TLS_CERTIFICATE", self._certificate, "CERTIFICATE")
        key = _pem("TAILRUN_TLS_KEY", self._key, "PRIVATE KEY")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(PROTOCOLS)
        try:
            # Without a password OpenSSL would ask for one at the terminal.
            context.load_cert_chain(self._certificate, self._key, password="")
        except (OSError, ValueError) as error:
            raise StartupError(self._reason(error, key)) from error
        return context

    def _reason(self, error: Exception, key: str) -> str:
        reason = getattr(error, "reason", None) or str(error)
        if reason == "KEY_VALUES_MISMATCH":
            return (
                f"TAILRUN_TLS_KEY names {self._key}, which is not the key of the certificate in"
                f" {self._certificate}. Name the one that belongs to it."
            )
        if "ENCRYPTED" in key:
            return (
                f"TAILRUN_TLS_KEY names {self._key}, which is encrypted. Name one that is not:"
                " `openssl pkey -in KEY -out NEW` makes it."
            )
        return (
            f"TAILRUN_TLS_CERTIFICATE ({self._certificate}) and TAILRUN_TLS_KEY ({self._key})"
            f" cannot be used: {reason}. Name a certificate and its key, both in PEM."
        )


def certificate_of(access: AccessSettings) -> Certificate | None:
    """Return the certificate that the settings name; None: https is not served.

    Raises:
        StartupError: it cannot be read or used, or its key is not named.
    """
    certificate, key = access.tls_certificate, access.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        given, missing = "TAILRUN_TLS_CERTIFICATE", "TAILRUN_TLS_KEY"
        if certificate is None:
            given, missing = missing, given
        raise StartupError(f"{given} is set, and {missing} is not. Set both, or none.")
    return Certificate(certificate, key)


def _pem(setting: str, path: Path, kind: str) -> str:
    """Return a file's text, which holds something of a kind in PEM."""
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise StartupError(
            f"{setting} names {path}, which cannot be read: {error.strerror}."
            " Make it readable, or name another."
        ) from error
    if f"{kind}-----" not in text:
        raise StartupError(f"{setting} names {path}, which has no {kind} in PEM. Name another.")
    return text


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
