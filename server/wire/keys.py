"""Keys: who a host is for the engine, and who the servers of a fleet are for their workers.

Both are nkeys, which are keys of Ed25519 in letters and digits. A seed is base32 of two bytes,
which say that it is one and of whom, 32 bytes, and a CRC-16; the public key the same with one byte
before it (github.com/nats-io/nkeys). A host's key is one of a user, the fleet's one of a cluster.
"""

import base64
import binascii
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from server.errors import StartupError

SEED, USER, CLUSTER = 18 << 3, 20 << 3, 2 << 3
KEY_BYTES = 32
MAX_FILE_BYTES = 4096
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Key:
    """A key by its seed, which its file holds in the first line.

    Raises:
        ValueError: it is no seed of this kind.
    """

    KIND: ClassVar[int]
    CALLED: ClassVar[str]
    """As it is called where it is refused."""

    def __init__(self, seed: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(_secret_of(seed, self.KIND))

    @classmethod
    def new_seed(cls) -> str:
        """Return the seed of a new key."""
        return _text_of(bytes([SEED | cls.KIND >> 5, (cls.KIND & 31) << 3]) + os.urandom(KEY_BYTES))

    @classmethod
    def read(cls, path: Path, setting: str) -> Self:
        """Read the key whose seed a file holds; the setting that names it is told.

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
            raise StartupError(f"{setting}: {path} does not hold {cls.CALLED}.") from error

    @classmethod
    def make(cls, path: Path) -> Self:
        """Return the key of a file of ours, which is made if it is not there.

        Raises:
            StartupError: it cannot be made or read, can be read by others, or is no seed.
        """
        if not os.path.lexists(path):
            try:
                write_own(path, f"{cls.new_seed()}\n")
            except OSError as error:
                raise StartupError(f"{path} cannot be made: {error.strerror}.") from error
        return cls.read(path, path.name)

    @property
    def public(self) -> str:
        """The public key, as the engine's configuration and a worker's enrolment name it."""
        return _text_of(bytes([self.KIND]) + self._key.public_key().public_bytes_raw())

    def signature(self, data: bytes) -> bytes:
        """Return the signature of some bytes: SIGNATURE_BYTES of them."""
        return self._key.sign(data)


class UserKey(Key):
    """Who a host is for the engine."""

    KIND = USER
    CALLED = "the seed of a user's nkey, which begins with SU"

    def sign(self, nonce: str) -> bytes:
        """Return the signature of what the engine asks to be signed, in base64."""
        return base64.b64encode(self.signature(nonce.encode()))


class FleetKey(Key):
    """What the servers of a fleet sign with: who has it may have scripts run on every worker."""

    KIND = CLUSTER
    CALLED = "the seed of a fleet's key, which begins with SC"


class PublicKey:
    """The public part of a fleet's key.

    Raises:
        ValueError: it is none.
    """

    def __init__(self, text: str) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(_public_of(text, CLUSTER))

    def has_signed(self, signature: bytes, data: bytes) -> bool:
        """Return whether a signature of these bytes is the key's."""
        with suppress(InvalidSignature):
            self._key.verify(signature, data)
            return True
        return False


def is_user(text: str) -> bool:
    """Return whether a text is the public key of a user of the engine."""
    with suppress(ValueError):
        return bool(_public_of(text, USER))
    return False


def write_own(path: Path, text: str) -> None:
    """Write a file that its user alone can read; it is there whole, or as it was before.

    Once this returns it is on disk, and stays through a loss of power.

    Raises:
        OSError: it cannot be written.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  of a descriptor
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # else a crash may leave an empty file
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)  # the move is on disk, too
    finally:
        os.close(directory)


def _checksum(raw: bytes) -> bytes:
    """Return the CRC-16 of an nkey's bytes, the least significant byte first."""
    return binascii.crc_hqx(raw, 0).to_bytes(2, "little")


def _text_of(content: bytes) -> str:
    return base64.b32encode(content + _checksum(content)).decode().rstrip("=")


def _content_of(text: str, size: int) -> bytes:
    raw = base64.b32decode(text + "=" * (-len(text) % 8))
    content, end = raw[:-2], raw[-2:]
    if len(content) != size or end != _checksum(content):
        raise ValueError("it is none, or was cut or mistyped")
    return content


def _secret_of(seed: str, kind: int) -> bytes:
    content = _content_of(seed, 2 + KEY_BYTES)
    whose = (content[0] & 7) << 5 | content[1] >> 3
    if content[0] & 0xF8 != SEED or whose != kind:
        raise ValueError("it is no seed of this kind")
    return content[2:]


def _public_of(text: str, kind: int) -> bytes:
    content = _content_of(text, 1 + KEY_BYTES)
    if content[0] != kind:
        raise ValueError("it is no public key of this kind")
    return content[1:]


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
