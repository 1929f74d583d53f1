"""The events: a WebSocket that tells of changes of runs and commands (docs/api.md)."""

import time
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from typing import Any

import orjson
from aiohttp import web

from server.access import Right, Whole
from server.errors import TailrunError
from server.handlers import access
from server.handlers.http.answers import base_path
from server.handlers.http.keys import EVENTS, PRINCIPAL, VIEWERS
from server.handlers.http.operation import operation
from server.handlers.http.parameters import query
from server.handlers.http.place import Place
from server.handlers.http.rendering import nothing
from server.handlers.messages import ALIVE_SECONDS
from server.handlers.schemas.commands import CommandSchema
from server.handlers.schemas.events import EventsAsked, EventsQuery
from server.handlers.schemas.run_answers import NamedRunSchema
from server.handlers.stream import ANSWERS, check_handshake, new_websocket, refuse_all, refusing
from server.handlers.websocket import Socket, serve
from server.output.cursor import StreamFormat
from server.services.events.changes import (
    CommandChanged,
    CommandDeleted,
    FleetChanged,
    FleetPart,
    Grown,
    Reset,
    RunChanged,
    RunDeleted,
)
from server.services.events.events import Told
from server.services.running.live import NamedRunView
from server.services.views import CommandView


@operation(
    tag="stream",
    summary="Watch what changes",
    description="A WebSocket of JSON objects, each with `type` and `sequence`: `run` and `command`"
    " as lists have them, `run-deleted`, `command-deleted`, `output-bytes` of running runs,"
    " `workers` and `pools` (what is told of them is another now), `reset` (fetch all lists anew),"
    " `alive` after 5 s without another, and `refused`. With `since` it goes on from that sequence."
    " Close codes are those of a run's stream.",
    query=EventsQuery,
    answers=ANSWERS,
)
async def stream_events(request: web.Request) -> web.StreamResponse:
    """Tell of changes."""
    asked = query(request, EventsAsked)
    check_handshake(request)
    websocket, viewers = new_websocket(deflate=False), request.app[VIEWERS]
    socket = Socket(websocket, StreamFormat.JSON, base_path(request))
    async with refusing(request, socket):
        with viewers.admit(Whole.EVENTS, request, request[PRINCIPAL]) as place:
            place.writer = await websocket.prepare(request)
            socket.take(place, viewers.ping_seconds, nothing)
            await serve(request, socket, _send(request, socket, asked, place), "events")
    return websocket


async def refused(request: web.Request, error: TailrunError) -> web.StreamResponse:
    """Refuse whoever may not come as far as the events.

    Raises:
        TailrunError: the request is no handshake, and a status can say why.
    """
    return await refuse_all(request, error, StreamFormat.JSON)


async def _send(request: web.Request, socket: Socket, asked: EventsAsked, place: Place) -> None:
    """Tell of changes, until whoever listens leaves or is refused."""
    telling = _Telling(request)
    place.keep_alive(ALIVE_SECONDS, lambda: socket.send(telling.alive()))
    try:
        with place.refusable():
            batches = request.app[EVENTS].follow(asked.since)
            async with aclosing(batches):
                async for batch in batches:
                    if not batch:
                        await socket.send(telling.alive())
                    for message in telling.messages(batch):
                        await socket.send(message)
    except TailrunError as error:
        await socket.refuse(request, error)


class _Telling:
    """Writes what is told as whoever asks may see it."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._base = base_path(request)
        self._groups = request[PRINCIPAL].groups(Right.SEE)
        self._edits = request[PRINCIPAL].groups(Right.EDIT) != frozenset()
        self._sequence = 0

    def alive(self) -> bytes:
        """Return a sign of life, with the sequence that was come to."""
        return orjson.dumps({"type": "alive", "time": time.time(), "sequence": self._sequence})

    def messages(self, batch: Sequence[Told]) -> Iterator[bytes]:
        """Yield the messages of a batch; none of what may not be seen."""
        grown = []
        for told in batch:
            self._sequence = told.sequence
            if isinstance(told.what, Grown):
                if self._sees_label(told):
                    size = told.what.output_bytes
                    grown.append({"id": told.what.id, "output_bytes": size})
            elif (message := self._message(told)) is not None:
                yield orjson.dumps({"sequence": told.sequence, **message})
        if grown:
            message = {"type": "output-bytes", "sequence": self._sequence, "runs": grown}
            yield orjson.dumps(message)

    def _message(self, told: Told) -> Mapping[str, Any] | None:
        match told.what:
            case Reset() | FleetChanged():
                return self._hint(told.what)
            case RunChanged(view) if self._sees_label(told):
                groups = {} if told.label is None else {told.label.id: told.label.group}
                may_of = access.may_of(self._request, groups)
                named = NamedRunView.of(view, told.label)
                return {"type": "run", "run": NamedRunSchema.render(named, self._base, may_of)}
            case RunDeleted(run_id, command_id) if self._sees_label(told):
                return {"type": "run-deleted", "id": run_id, "command_id": command_id}
            case CommandChanged(view, left):
                return self._command(view, left)
            case CommandDeleted(command_id, groups) if any(map(self._sees, groups)):
                return {"type": "command-deleted", "id": command_id}
            case _:
                return None

    def _hint(self, what: Reset | FleetChanged) -> Mapping[str, Any] | None:
        """Tell what is to be fetched anew; what waits and runs, to those who may ask for that."""
        if isinstance(what, Reset):
            return {"type": "reset"}
        if what.part is FleetPart.POOLS and not self._edits:
            return None
        return {"type": what.part}

    def _command(self, view: CommandView, left: AbstractSet[str]) -> Mapping[str, Any] | None:
        """Tell of a command; for whoever does not see it any more it is none."""
        command = view.command
        if self._sees(command.group):
            may_of = access.may_of(self._request, {command.id: command.group})
            return {"type": "command", "command": CommandSchema.render(view, self._base, may_of)}
        if any(map(self._sees, left)):
            return {"type": "command-deleted", "id": command.id}
        return None

    def _sees(self, group: str) -> bool:
        return self._groups is None or group in self._groups

    def _sees_label(self, told: Told) -> bool:
        """Whether the command is seen; of one that is no more its own event tells."""
        return told.label is not None and self._sees(told.label.group)
