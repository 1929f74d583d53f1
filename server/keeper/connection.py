"""One connection to the keeper: requests go out, answers find their callers."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import Any

from server.keeper.protocol import (
    MAX_MESSAGE_BYTES,
    OLDEST_PROTOCOL,
    PROTOCOL,
    Hello,
    KeeperEndedError,
    KeeperError,
    KeeperFullError,
    KeeperLeaseError,
    KeeperRefusedError,
    decode,
    encode,
)

logger = logging.getLogger(__name__)


class Connection:
    """Calls the keeper over a pair of streams; an answer is waited for `timeout_seconds`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout_seconds: float
    ) -> None:
        self.hello = Hello(0, "", 0)
        self._on_lost: Callable[[], None] | None = None
        self._reader = reader
        self._writer = writer
        self._timeout_seconds = timeout_seconds
        self._numbers = itertools.count(1)
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read(), name="keeper connection")

    @property
    def alive(self) -> bool:
        """Whether the keeper has not gone."""
        # A reset closes the writer first; the reader hears of it in the loop's next turn.
        return not (self._reading.done() or self._writer.is_closing())

    async def greet(self, on_lost: Callable[[], None]) -> None:
        """Learn who the keeper is; `on_lost` is called when the connection ends by itself.

        Raises:
            KeeperError: it speaks no protocol that is known here.
        """
        answer = await self.call("hello", protocol=PROTOCOL)
        self.hello = Hello(
            answer["protocol"],
            answer["version"],
            answer["pid"],
            starts_as=bool(answer.get("starts_as")),  # an older keeper does not say it
            takes_bodies=bool(answer.get("takes_bodies")),
        )
        if not OLDEST_PROTOCOL <= self.hello.protocol <= PROTOCOL:
            raise KeeperError(
                f"the keeper (pid {self.hello.pid}) speaks protocol {self.hello.protocol}, "
                f"not {OLDEST_PROTOCOL} to {PROTOCOL}: let its runs end, then end it"
            )
        self._on_lost = on_lost

    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Ask, and return the answer.

        Raises:
            KeeperError: it refuses, is lost, or is silent.
        """
        if not self.alive:
            raise KeeperError("the keeper is lost")
        number = next(self._numbers)
        request = encode({"id": number, "op": operation, **arguments})
        if len(request) > MAX_MESSAGE_BYTES:
            raise KeeperRefusedError(
                f"its script takes {len(request)} bytes in a message to the keeper,"
                f" and {MAX_MESSAGE_BYTES} are the most"
            )
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._calls[number] = future
        try:
            async with asyncio.timeout(self._timeout_seconds):
                self._writer.write(request)
                await self._writer.drain()
                answer = await future
        except (TimeoutError, ConnectionError) as error:
            reason = str(error) or f"no answer within {self._timeout_seconds} s"
            raise KeeperError(f"the keeper is lost ({operation}: {reason})") from error
        finally:
            self._calls.pop(number, None)
        if not answer["ok"]:
            kinds = {
                "ended": KeeperEndedError,
                "refused": KeeperRefusedError,
                "full": KeeperFullError,
                "unleased": KeeperLeaseError,
            }
            kind = next((kinds[flag] for flag in kinds if answer.get(flag)), KeeperError)
            raise kind(answer["error"])
        return answer

    async def renew(self) -> None:
        """Have the keeper renew itself; return once it has left this connection."""
        self._on_lost = None
        await self.call("renew")
        done, _ = await asyncio.wait([self._reading], timeout=self._timeout_seconds)
        if not done:
            raise KeeperError(f"the keeper did not renew itself within {self._timeout_seconds} s")

    async def close(self) -> None:
        """Leave the keeper."""
        self._on_lost = None
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def _read(self) -> None:
        try:
            while line := await self._reader.readline():
                answer = decode(line)
                future = self._calls.get(answer.get("id", 0))
                if future is not None and not future.done():
                    future.set_result(answer)
        except (OSError, ValueError) as error:
            logger.warning("keeper connection failed: %s", error)
        finally:
            self._writer.close()
            for future in self._calls.values():
                if not future.done():
                    future.set_exception(KeeperError("the keeper is lost"))
            if self._on_lost is not None:
                self._on_lost()
