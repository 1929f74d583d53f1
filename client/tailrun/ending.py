"""How a run ends, taken from its stream: it is told there before it is stored.

So a run whose output is archived for a while yet, or whose server's database is away, has ended for
whoever follows it as soon as it has.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from tailrun.connection import Connection
from tailrun.errors import AwayError, ClientError
from tailrun.values import Run

FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.05, 1.0
"""Before another look at a run whose stream did not tell its end."""

SILENCE_SECONDS = 10.0
"""The server says something every 6 s at most; a proxy may keep it to itself."""

QUERY = {"follow": "true", "format": "sse", "text": "false"}


class Frames:
    """Makes frames of the bytes of server-sent events, wherever these are cut. Pure.

    https://html.spec.whatwg.org/multipage/server-sent-events.html, as far as the server uses it.
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    def of(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        """Iterate over the frames that are complete with this chunk.

        Raises:
            ValueError: one is no JSON.
        """
        self._rest += chunk
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                yield json.loads(line[len(b"data: ") :])


async def ended(connection: Connection, path: str) -> Run:
    """Wait until a run has ended; return it. The path is the run's.

    Raises:
        AwayError: the server is away for longer than the client's patience.
        NotFoundError: there is no such run, or it was deleted meanwhile.
    """
    pause = FIRST_PAUSE_SECONDS
    while not (run := Run.of(await connection.ask("GET", path))).ended:
        try:
            return await _told(connection, path)
        except (ClientError, ValueError):  # whatever keeps it from being told, it may be asked for
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE_SECONDS)
    return run


async def _told(connection: Connection, path: str) -> Run:
    """Return a run as its stream tells its end; try once.

    Raises:
        ClientError: the stream cannot be had, or ends before the run.
        ValueError: it is none.
    """
    frames = Frames()
    run: dict[str, Any] | None = None
    opened = connection.opened(f"{path}/output", QUERY, silence_seconds=SILENCE_SECONDS)
    async with opened as answer:
        async for chunk in answer.content.iter_any():
            for frame in frames.of(chunk):
                if frame["type"] == "run":
                    run = frame["run"]
                elif frame["type"] == "end" and run is not None:
                    del frame["type"]
                    return Run.of(run | frame | {"stopping": False, "paused": False})
    raise AwayError("The stream broke off before the run's end.")
