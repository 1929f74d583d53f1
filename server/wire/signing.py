"""Signatures: what servers say to workers is theirs, whoever holds the engine between. Pure.

A signed message is the codec's with one more blob, the last: the Ed25519 signature of what the
message is for, and of all bytes before the signature. An answer is for one request: for its
subject, for the subject that it was asked to be sent to, which no other request has, and for what
was asked; a request for its subject and where to answer it. So neither does what was recorded do
again, nor the answer to what somebody else asked in a worker's name. Readers of before there were
signatures leave that blob alone.
"""

from collections.abc import Iterable
from hashlib import blake2b

from server.errors import NotSignedError
from server.wire.codec import MAX_MESSAGE_BYTES, Parts, decode, encode
from server.wire.keys import FleetKey, PublicKey

SIGNATURE_BYTES = 64
_ROOM = bytes(SIGNATURE_BYTES)

NOT_SIGNED = (
    "It is not signed with a key of this worker's fleet. If the servers have another key now,"
    " enrol this worker again (`tailrun worker enroll`); else somebody between forges messages."
)


class Signing:
    """What a host signs with as a server, and by which keys it knows servers as a worker.

    Without a key it signs nothing, without public ones it checks nothing.
    """

    def __init__(self, key: FleetKey | None = None, trusted: Iterable[str] = ()) -> None:
        self._key = key
        self._trusted = [PublicKey(one) for one in trusted]

    def written(self, parts: Parts, max_bytes: int = MAX_MESSAGE_BYTES, *, about: str) -> bytes:
        """Write a message, and sign it; `about` is what it is for: `answer` or `request` say it.

        Raises:
            MessageTooLargeError: it is larger than `max_bytes`.
            WireError: the head has what JSON has not.
        """
        if self._key is None:
            return encode(parts, max_bytes)
        data = encode(Parts(parts.head, (*parts.blobs, _ROOM)), max_bytes)
        data = data[:-SIGNATURE_BYTES]
        return data + self._key.signature(_signed(about, data))

    def read(self, data: bytes, *, about: str) -> Parts:
        """Read a message, and check who has signed it.

        Raises:
            NotSignedError: it is signed by nobody who is trusted, or for something else.
            WireError: it is none.
        """
        if self._trusted:
            data, signature = data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]
            signed = _signed(about, data)
            if not any(one.has_signed(signature, signed) for one in self._trusted):
                raise NotSignedError(NOT_SIGNED)
            data += signature
        return decode(data)


def answer(subject: str, reply: str, asked: bytes) -> str:
    """Return what an answer is for: to what was asked on a subject, to be answered on another."""
    return f"answer {subject} {reply} {blake2b(asked, digest_size=32).hexdigest()}"


def request(subject: str, reply: str) -> str:
    """Return what a request on a subject is for, which is to be answered on another one."""
    return f"request {subject} {reply}"


def _signed(about: str, data: bytes) -> bytes:
    return b"".join((about.encode(), b"\0", data))
