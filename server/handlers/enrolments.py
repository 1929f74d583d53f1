"""Routes of letting workers in, and of managing them."""

from aiohttp import web

from server.access import Act, Actor, Principal
from server.handlers.http.answers import base_path, json_response, location
from server.handlers.http.keys import AUDIT, ENROLMENTS, IDENTITY
from server.handlers.http.operation import operation
from server.handlers.http.parameters import actor, body
from server.handlers.schemas.enrolments import (
    EnrolAsked,
    EnrolBody,
    EnrolledSchema,
    WorkerChangesBody,
    WorkerTokenAsked,
    WorkerTokenBody,
    WorkerTokenSchema,
)
from server.repositories.enrolments import EnrolmentToken, Newcomer, Place
from server.services.fleet.enrolments import Changes, principal_of


@operation(
    tag="workers",
    summary="Make a token for a worker",
    description="One worker is enrolled with it, within an hour, for these pools. The answer has"
    " the secret, which cannot be had again.",
    body=WorkerTokenBody,
    answers={201: ("The token.", WorkerTokenSchema)},
    errors=(409,),
)
async def make_worker_token(request: web.Request) -> web.Response:
    """Make a token of a worker."""
    asked, by = body(request, WorkerTokenAsked), actor(request)
    place = Place(pools=tuple(asked.pools), labels=tuple(asked.labels), places=asked.places)
    with request.app[AUDIT].trying(Act.WORKER_TOKEN, by):
        made = await request.app[ENROLMENTS].make_token(place, by=by)
    answer, found = (
        WorkerTokenSchema.render(made, base_path(request)),
        location(request, "workers/"),
    )
    return json_response(answer, status=201, headers=found)


@operation(
    tag="workers",
    summary="Enrol a worker",
    description="By its token alone: `tailrun worker enroll` says it. Asked again by the same"
    " worker, it is answered the same.",
    body=EnrolBody,
    answers={200: ("What it is to know.", EnrolledSchema)},
    errors=(401, 409, 429),
)
async def enrol_worker(request: web.Request) -> web.Response:
    """Let a worker in."""
    asked, enrolments = body(request, EnrolAsked), request.app[ENROLMENTS]
    identity, found = request.app[IDENTITY], list[EnrolmentToken]()

    async def look_up(secret: str) -> Principal:
        found.append(await enrolments.token(secret))
        return principal_of(found[0])

    host = Newcomer(
        id=asked.host, name=asked.name, version=asked.version, public_key=asked.public_key
    )
    with request.app[AUDIT].trying(Act.WORKER_ENROL, actor(request)):
        principal = await identity.checked(request, asked.token, look_up, kind="worker")
    by = Actor(principal, identity.address(request))
    with request.app[AUDIT].trying(Act.WORKER_ENROL, by):
        enrolled = await enrolments.enrol(host, found[0], by=by)
    return json_response(EnrolledSchema.render(enrolled, base_path(request)))


@operation(
    tag="workers",
    summary="Change a worker",
    description="Drain it, have it go on, or give it other pools, labels and places. Of the host"
    " inside a server the state alone is changed.",
    body=WorkerChangesBody,
    answers={204: ("It is changed.", None)},
    errors=(409,),
)
async def change_worker(request: web.Request) -> web.Response:
    """Change a worker."""
    by = actor(request)
    with request.app[AUDIT].trying(Act.WORKER_CHANGE, by):
        changes = body(request, Changes)
        await request.app[ENROLMENTS].change(request.match_info["id"], changes, by=by)
    return web.Response(status=204)


@operation(
    tag="workers",
    summary="Remove a worker",
    description="For good: it is refused at once, and NATS refuses its key as soon as `tailrun"
    " nats-config` was said. Of its runs those that wait for it are given up by abandoning them.",
    answers={204: ("It is removed.", None)},
    errors=(409,),
)
async def remove_worker(request: web.Request) -> web.Response:
    """Remove a worker."""
    by = actor(request)
    with request.app[AUDIT].trying(Act.WORKER_REMOVE, by):
        await request.app[ENROLMENTS].remove(request.match_info["id"], by=by)
    return web.Response(status=204)
