"""Wrong credentials by address: whoever tries too many has to wait.

A credential is a random number that nobody can guess. The limit keeps those who try from the
database and the log, and shows them.
"""

import asyncio
import hashlib
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from server.access import Principal
from server.errors import CredentialRefusedError, TooManyGuessesError

MAX_GUESSES = 10
WINDOW_SECONDS = 60.0
"""So many different wrong credentials in so long; then the address waits."""

MAX_SOURCES = 4096
"""That have guessed wrong; beyond it the one that has not for longest is forgotten."""

MAX_RIGHT = 10_000
"""Credentials that were right and are remembered, as their SHA-256."""

IPV6_PREFIX = 64
"""One subscriber has so much of an IPv6 address at least, and all addresses of it."""

Check = Callable[[str], Awaitable[Principal]]
"""Returns whose a credential is; raises CredentialRefusedError."""


class _Guesser:
    """A source that has guessed wrong, or whose credentials are being checked."""

    def __init__(self) -> None:
        self.wrong: dict[bytes, float] = {}  # by hash, when; the first is the oldest
        self.asking = 0
        self.checking = 0
        self._waiting: list[asyncio.Future[None]] = []

    def forget(self, before: float) -> None:
        """Forget what was wrong before a moment."""
        while self.wrong and next(iter(self.wrong.values())) <= before:
            del self.wrong[next(iter(self.wrong))]

    async def checked(self) -> None:
        """Wait until one more credential has been checked."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def wake(self) -> None:
        """End those waits."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()


class Guesses:
    """Checks credentials, and refuses to for addresses that have guessed too often.

    The same wrong credential again is no further guess, so that a program with an expired token
    locks nobody out. Neither does anybody lock out those who were right before from the same
    address. `clock` is monotonic.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()
        self._right: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._guessers)

    async def check(self, source: str, credential: str, check: Check, *, kind: str) -> Principal:
        """Return whose a credential is; `source` is where it comes from, as `source_of` says it.

        What is wrong as one kind of credential (a token as a ticket) may be right as another.

        Raises:
            CredentialRefusedError: nobody's.
            TooManyGuessesError: it is not looked at, since the source has guessed too often.
        """
        named = f"{kind} {credential}".encode(errors="surrogatepass")
        digest = hashlib.sha256(named).digest()
        if digest in self._right:
            return await self._check_again(source, digest, credential, check)
        guesser = self._guesser(source)
        guesser.asking += 1
        try:
            await self._wait_for_turn(guesser, digest)
            principal = await self._check_in_turn(guesser, digest, credential, check)
        finally:
            guesser.asking -= 1
            if not guesser.wrong and not guesser.asking:
                self._guessers.pop(source, None)
        self._right[digest] = None
        if len(self._right) > MAX_RIGHT:
            self._right.popitem(last=False)
        return principal

    async def _check_in_turn(
        self, guesser: _Guesser, digest: bytes, credential: str, check: Check
    ) -> Principal:
        guesser.checking += 1
        try:
            return await check(credential)
        except CredentialRefusedError:
            guesser.wrong.setdefault(digest, self._clock())
            raise
        finally:
            guesser.checking -= 1
            guesser.wake()

    async def _check_again(
        self, source: str, digest: bytes, credential: str, check: Check
    ) -> Principal:
        """Check what was right before, whatever else came from there."""
        self._right.move_to_end(digest)
        try:
            return await check(credential)
        except CredentialRefusedError:
            self._right.pop(digest, None)
            self._guesser(source).wrong.setdefault(digest, self._clock())
            raise

    async def _wait_for_turn(self, guesser: _Guesser, digest: bytes) -> None:
        """Wait until a credential may be checked: those under way may all be wrong."""
        while True:
            now = self._clock()
            guesser.forget(now - WINDOW_SECONDS)
            if digest in guesser.wrong:
                raise CredentialRefusedError
            if len(guesser.wrong) >= MAX_GUESSES:
                until = next(iter(guesser.wrong.values())) + WINDOW_SECONDS
                raise TooManyGuessesError.of(max(math.ceil(until - now), 1))
            if len(guesser.wrong) + guesser.checking < MAX_GUESSES:
                return
            await guesser.checked()

    def _guesser(self, source: str) -> _Guesser:
        guesser = self._guessers.setdefault(source, _Guesser())
        self._guessers.move_to_end(source)
        if len(self._guessers) > MAX_SOURCES:
            self._guessers.popitem(last=False)
        return guesser


def source_of(address: str) -> str:
    """Return what stands for an address: an IPv6 one counts with its whole network."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((found.packed, IPV6_PREFIX), strict=False))
