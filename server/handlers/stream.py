"""The stream: a WebSocket that follows one run. docs/api.md is its contract."""

import asyncio
from contextlib import suppress
from uuid import UUID

import orjson
from aiohttp import WSMsgType, web
from marshmallow import Schema

from server.handlers import schemas
from server.handlers.keys import RUNS, SETTINGS, VIEWERS
from server.handlers.openapi import operation
from server.handlers.parameters import command_id, query, run_id
from server.handlers.render import base_path, run_json
from server.models import Run
from server.output.cursor import StreamFormat, frames
from server.output.source import Output
from server.services.live import LiveRun, RunView
from server.services.outcome import close_reason
from server.services.runs import RunService
from server.services.tasks import end

MAX_MESSAGE_BYTES = 4096
"""A viewer has nothing to say; what it says is read and forgotten, up to this size."""

DESCRIPTION = """A WebSocket. `offset` starts at a byte, `tail` at the last lines, neither at the
start. `text`: whole lines without the last newline, an unfinished line after 250 ms of silence.
`json`: objects of type `run`, `output` and `end`. `raw`: binary messages, the exact bytes. The
close frame has code 1000 and the run's end (`exit 0`, `signal SIGKILL`, `stopped`, `timed out`,
`lost`), or 1001 when the server goes down: come back with the last offset."""

ANSWERS: dict[int, tuple[str, type[Schema] | None]] = {
    101: ("The stream begins.", None),
    400: ("It is no WebSocket handshake.", schemas.ProblemSchema),
}


@operation(
    tag="stream",
    of="run",
    summary="Watch a run",
    description=DESCRIPTION,
    query=schemas.StreamQuery,
    answers=ANSWERS,
    errors=(403, 404, 422, 503),
)
async def stream_run(request: web.Request) -> web.StreamResponse:
    """Stream a run."""
    return await _stream(request, run_id(request))


@operation(
    tag="stream",
    of="command",
    summary="Watch the command's newest run",
    description=DESCRIPTION,
    query=schemas.StreamQuery,
    answers=ANSWERS,
    errors=(403, 404, 422, 503),
)
async def stream_command(request: web.Request) -> web.StreamResponse:
    """Stream a command's newest run."""
    view = await request.app[RUNS].latest(command_id(request))
    return await _stream(request, view.run.id)


async def start_offset(output: Output, asked: dict[str, int | None]) -> int:
    """Return the offset that `offset` or `tail` ask for."""
    offset, tail = asked["offset"], asked["tail"]
    if tail is not None:
        return await output.tail_offset(tail)
    return 0 if offset is None else offset


async def _stream(request: web.Request, run: UUID) -> web.StreamResponse:
    service, viewers = request.app[RUNS], request.app[VIEWERS]
    asked = query(request)
    await service.get(run)
    websocket = web.WebSocketResponse(
        heartbeat=request.app[SETTINGS].ping_seconds,
        compress=asked["deflate"],
        max_msg_size=MAX_MESSAGE_BYTES,
    )
    with viewers.admit(run, request) as place:
        await websocket.prepare(request)
        place.websocket = websocket
        viewer = _Viewer(
            service,
            run,
            websocket,
            StreamFormat(asked["format"]),
            request.transport,
            base_path(request),
        )
        await viewer.serve(asked)
    return websocket


class _Viewer:
    """One WebSocket viewer: what it is told, in order."""

    def __init__(
        self,
        service: RunService,
        run_id: UUID,
        websocket: web.WebSocketResponse,
        stream_format: StreamFormat,
        transport: asyncio.Transport | None,
        base: str,
    ) -> None:
        self._service = service
        self._run_id = run_id
        self._websocket = websocket
        self._format = stream_format
        self._transport = transport
        self._base = base

    async def serve(self, asked: dict[str, int | None]) -> None:
        """Tell everything, until the run ends or the viewer leaves."""
        telling = asyncio.create_task(self._tell(asked), name=f"view {self._run_id}")
        telling.add_done_callback(self._told)
        try:
            async for _ in self._websocket:
                pass
        finally:
            await end(telling)
            with suppress(asyncio.CancelledError, ConnectionError):
                telling.result()

    def _told(self, telling: "asyncio.Task[None]") -> None:
        """Break off when telling failed: the viewer must not wait for what will not come."""
        transport = self._transport
        if not telling.cancelled() and telling.exception() is not None and transport is not None:
            transport.abort()

    async def _tell(self, asked: dict[str, int | None]) -> None:
        live = self._service.live(self._run_id)
        if live is not None:
            await self._until_started(live)
        async with self._service.output(self._run_id) as output:
            change = asyncio.Event() if live is None else live.change
            await self._tell_run(await self._service.get(self._run_id))
            changes = asyncio.create_task(self._tell_changes(live, change))
            try:
                await self._tell_output(output, await start_offset(output, asked))
            finally:
                await end(changes)
            await self._tell_end(await self._finished(live))

    async def _until_started(self, live: LiveRun) -> None:
        while live.log is None and not live.run.state.final:
            change = live.change
            await self._tell_run(live.view)
            await change.wait()

    async def _tell_run(self, view: RunView) -> None:
        await self._send_object({"type": "run", "run": run_json(view, self._base)})

    async def _tell_changes(self, live: LiveRun | None, change: asyncio.Event) -> None:
        """Tell each change of the run's state but the last, which the end tells."""
        await change.wait()
        while live is not None and not live.run.state.final:
            change = live.change
            await self._tell_run(live.view)
            await change.wait()

    async def _tell_output(self, output: Output, offset: int) -> None:
        async for frame in frames(output, self._format, offset):
            opcode = WSMsgType.TEXT if frame.text else WSMsgType.BINARY
            await self._websocket.send_frame(frame.payload, opcode)

    async def _finished(self, live: LiveRun | None) -> Run:
        if live is not None:
            return await self._service.finished(live)
        return (await self._service.get(self._run_id)).run

    async def _tell_end(self, run: Run) -> None:
        await self._send_object({"type": "end"} | _end_json(run))
        reason = close_reason(run.state, run.exitcode, run.signal)
        await self._websocket.close(code=1000, message=reason.encode())

    async def _send_object(self, value: object) -> None:
        """Send an object to a viewer of the json format; the other formats carry output alone."""
        if self._format is StreamFormat.JSON:
            await self._websocket.send_frame(orjson.dumps(value), WSMsgType.TEXT)


def _end_json(run: Run) -> dict[str, object]:
    told = run_json(RunView.stored(run), "")
    names = ("state", "exitcode", "signal", "reason", "output_bytes", "output_lines")
    return {name: told[name] for name in names}
