"""The form of secrets: tokens, and the random values of cookies and tickets. Pure.

A token is `tlr_`, 43 characters of base 62, which hold 256 random bits, and 6 more of their CRC-32,
so that a slip of the pen is told from a token without asking anybody, and programs that look for
leaked secrets find few others (GitHub's tokens are made so). The checksum is no secret: whoever
makes one up can compute it. So it may be checked first, and tells nothing of the tokens there are.
"""

import hashlib
import secrets
import string
import zlib

PREFIX = "tlr_"
WORKER_PREFIX = "tlw_"
"""Of a token that enrols a worker, once, and is good for nothing else."""

RANDOM_BYTES = 32
RANDOM_CHARACTERS = 43
"""The least of base 62 that hold 256 bits."""

CHECKSUM_CHARACTERS = 6
"""The least of base 62 that hold 32 bits."""

TOKEN_CHARACTERS = len(PREFIX) + RANDOM_CHARACTERS + CHECKSUM_CHARACTERS

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BASE = len(_ALPHABET)
_CHARACTERS = frozenset(_ALPHABET)


def new_token(prefix: str = PREFIX) -> str:
    """Return a new token."""
    return token_of(secrets.token_bytes(RANDOM_BYTES), prefix)


def new_value() -> str:
    """Return a new random value for a cookie or a ticket: 43 letters and digits, of 256 bits."""
    return _written(int.from_bytes(secrets.token_bytes(RANDOM_BYTES), "big"), RANDOM_CHARACTERS)


def token_of(random: bytes, prefix: str = PREFIX) -> str:
    """Return the token of RANDOM_BYTES bytes."""
    assert len(random) == RANDOM_BYTES
    body = _written(int.from_bytes(random, "big"), RANDOM_CHARACTERS)
    return f"{prefix}{body}{_checksum(body)}"


def is_token(text: str, prefix: str = PREFIX) -> bool:
    """Return whether a text has the form of a token, and its checksum is right."""
    if len(text) != TOKEN_CHARACTERS or not text.startswith(prefix):
        return False
    body, checksum = text[len(prefix) : -CHECKSUM_CHARACTERS], text[-CHECKSUM_CHARACTERS:]
    return _CHARACTERS.issuperset(body) and checksum == _checksum(body)


def digest(secret: str) -> bytes:
    """Return the SHA-256 of a secret: what is stored of it, and what it is looked up by.

    How long a look-up takes tells nothing about the secrets there are, since nobody can choose the
    hash. A slow hash, as for passwords, is not needed: nobody guesses 256 bits.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _checksum(body: str) -> str:
    return _written(zlib.crc32(body.encode("ascii")), CHECKSUM_CHARACTERS)


def _written(number: int, length: int) -> str:
    """Write a number in base 62, with leading zeros."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, _BASE)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
