"""Who a host is for the engine: an nkey, which is a key of Ed25519 in letters and digits.

A seed is base32 of two bytes, which say that it is one and of whom, 32 bytes, and a CRC-16; the
public key the same with one byte before it (github.com/nats-io/nkeys).
"""

import base64
import binascii
import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.errors import StartupError

SEED, USER = 18 << 3, 20 << 3
SEED_BYTES = 32
MAX_FILE_BYTES = 4096
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class UserKey:
    """A key of a user of the engine, by its seed.

    Raises:
        ValueError: it is no seed of a user.
    """

    def __init__(self, seed: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(_raw(seed))

    @classmethod
    def read(cls, path: Path, setting: str) -> "UserKey":
        """Read the key whose seed is the first line of a file; the setting that names it is told.

        Raises:
            StartupError: it cannot be read, can be by others, or is no seed.
        """
        try:
            text = _read_own(path, setting)
        except OSError as error:
            raise StartupError(f"{setting}: {path} cannot be read: {error.strerror}.") from error
        try:
            return cls(text.partition("\n")[0].strip())
        except ValueError as error:
            raise StartupError(
                f"{setting}: {path} does not hold the seed of a user's nkey, which begins with SU."
            ) from error

    @property
    def public(self) -> str:
        """The public key, as the engine's configuration names it."""
        raw = bytes([USER]) + self._key.public_key().public_bytes_raw()
        return base64.b32encode(raw + checksum(raw)).decode().rstrip("=")

    def sign(self, nonce: str) -> bytes:
        """Return the signature of what the engine asks to be signed, in base64."""
        return base64.b64encode(self._key.sign(nonce.encode()))


def checksum(raw: bytes) -> bytes:
    """Return the CRC-16 of an nkey's bytes, the least significant byte first."""
    return binascii.crc_hqx(raw, 0).to_bytes(2, "little")


def _raw(seed: str) -> bytes:
    raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    content, end = raw[:-2], raw[-2:]
    if len(content) != 2 + SEED_BYTES or end != checksum(content):
        raise ValueError("it is no seed, or was cut or mistyped")
    whose = (content[0] & 7) << 5 | content[1] >> 3
    if content[0] & 0xF8 != SEED or whose != USER:
        raise ValueError("it is no seed of a user")
    return content[2:]


def _read_own(path: Path, setting: str) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & OTHERS:
            raise StartupError(
                f"{setting}: others may use {path}, whose mode is {mode:04o}. Let it be its"
                f" user's alone: chmod 600 {path}"
            )
        return os.read(descriptor, MAX_FILE_BYTES).decode("ascii", "replace")
    finally:
        os.close(descriptor)
