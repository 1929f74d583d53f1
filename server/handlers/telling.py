"""What a viewer is told of a run, in order: the run, its output, its end. docs/api.md says how."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from server.handlers.render import run_json
from server.models import Run
from server.output.cursor import Frame, Pace, StreamFormat, frames
from server.output.source import Output
from server.services.running.live import LiveRun, RunView
from server.services.runs import RunService
from server.services.tasks import end

ALIVE_SECONDS = 5.0
"""A viewer of json hears something after so long, where there is nothing to tell."""

END_FIELDS = ("state", "exitcode", "signal", "reason", "output_bytes", "output_lines")


class Sink(Protocol):
    """Where a viewer is told: a WebSocket, or an answer of server-sent events."""

    @property
    def pace(self) -> Pace:
        """How much it is sent at a time."""
        ...

    async def put(self, frame: Frame) -> int:
        """Send output; returns how many bytes, without waiting for them to be taken."""
        ...

    async def taken(self, size: int) -> None:
        """Wait until more may be sent."""
        ...

    async def tell(self, value: Mapping[str, Any]) -> None:
        """Tell what is no output, where the format has a place for it."""
        ...


async def start_offset(output: Output, asked: Mapping[str, Any]) -> int:
    """Return the offset that `offset` or `tail` ask for."""
    offset, tail = asked["offset"], asked["tail"]
    if tail is not None:
        return await output.tail_offset(tail)
    return 0 if offset is None else offset


def alive() -> dict[str, Any]:
    """Write that all is well, for who has heard nothing for a while."""
    return {"type": "alive", "time": time.time()}


def refused(status: int, detail: str) -> dict[str, Any]:
    """Write why a viewer is not served, once no status of HTTP can tell it."""
    return {"type": "refused", "status": status, "detail": detail}


class Telling:
    """Tells one viewer all of one run; links begin with `base`."""

    def __init__(
        self,
        service: RunService,
        run_id: UUID,
        sink: Sink,
        stream_format: StreamFormat,
        base: str,
    ) -> None:
        self._service = service
        self._run_id = run_id
        self._sink = sink
        self._format = stream_format
        self._base = base

    async def tell(self, asked: Mapping[str, Any]) -> Run:
        """Tell everything up to the run's end; return the run as it ended.

        Raises:
            RunNotFoundError: there is no such run, or it was deleted meanwhile.
            RunNotFollowedError: it has not ended, and no server that is known here follows it.
        """
        live = self._service.live(self._run_id)
        if live is not None:
            async for view in live.until_started():
                await self._tell_run(view)
        async with self._service.output(self._run_id) as output:
            change = asyncio.Event() if live is None else live.change
            await self._tell_run(await self._service.get(self._run_id))
            changes = asyncio.create_task(self._tell_changes(live, change))
            try:
                await self._tell_output(output, await start_offset(output, asked))
            finally:
                await end(changes)
            run = await self._service.ended(self._run_id, live)
        await self._sink.tell({"type": "end"} | _end_json(run))
        return run

    async def _tell_output(self, output: Output, offset: int) -> None:
        async for frame in frames(output, self._format, offset, pace=self._sink.pace):
            size = await self._sink.put(frame)
            del frame
            await self._sink.taken(size)

    async def _tell_run(self, view: RunView) -> None:
        await self._sink.tell({"type": "run", "run": run_json(view, self._base)})

    async def _tell_changes(self, live: LiveRun | None, change: asyncio.Event) -> None:
        """Tell each change of the run's state but the last, which the end tells."""
        await change.wait()
        while live is not None and not live.run.state.final:
            change = live.change
            await self._tell_run(live.view)
            await change.wait()


def _end_json(run: Run) -> dict[str, Any]:
    told = run_json(RunView.stored(run), "")
    return {name: told[name] for name in END_FIELDS}
