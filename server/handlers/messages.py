"""What viewers are sent of a run as JSON, and how events are sent. docs/api.md is the contract."""

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from uuid import UUID

import orjson
from aiohttp import web

from server.errors import TailrunError
from server.handlers.http.keys import WATCHING
from server.handlers.http.place import Place
from server.handlers.http.problems import Kind, described
from server.handlers.http.rendering import MayOf, nothing
from server.handlers.schemas.run_answers import RunSchema
from server.services.watching import Ended, Event, RunChanged, Wanted

ALIVE_SECONDS = 5.0
"""A viewer of json is sent something after so long, where there is no news."""

END_FIELDS = (
    *("state", "exitcode", "signal", "reason", "end_time"),
    *("output_bytes", "output_lines"),
)


def encode(event: RunChanged | Ended, base: str, may_of: MayOf = nothing) -> bytes:
    """Return the JSON of an event that is no output; its links begin with `base`."""
    match event:
        case RunChanged(view):
            return orjson.dumps({"type": "run", "run": RunSchema.render(view, base, may_of)})
        case Ended(run):
            end = {name: getattr(run, name) for name in END_FIELDS}
            return orjson.dumps({"type": "end", **end})


def alive() -> bytes:
    """Return the JSON of a sign of life, for a viewer that was sent nothing for a while."""
    return orjson.dumps({"type": "alive", "time": time.time()})


def refusal(request: web.Request, error: TailrunError) -> tuple[Kind, str, bytes]:
    """Describe why a viewer is not served, once no status of HTTP can: also as JSON."""
    kind, detail = described(request, error)
    return kind, detail, orjson.dumps({"type": "refused", "status": kind.status, "detail": detail})


async def send_events(
    request: web.Request,
    run_id: UUID,
    wanted: Wanted,
    place: Place,
    write: Callable[[Event], Awaitable[int]],
) -> None:
    """Send a viewer all events of a run.

    `write` returns how many bytes it wrote, without waiting for the viewer to take them.

    Raises:
        TailrunError: as `Watching.watch` does.
    """
    watching = request.app[WATCHING]
    events = watching.watch(run_id, wanted, pace=place.pace)
    async with aclosing(events):
        async for event in events:
            size = await write(event)
            del event  # the viewer may take its time, and nothing else is to hold the bytes
            await place.drain(size)
