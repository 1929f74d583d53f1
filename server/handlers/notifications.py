"""Routes of notifications, and of their targets."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from server.handlers import access
from server.handlers.http.answers import base_path, json_response, location
from server.handlers.http.keys import NOTIFICATIONS, TARGETS
from server.handlers.http.operation import operation
from server.handlers.http.parameters import actor, body, query, target_id
from server.handlers.http.problems import InvalidInputError
from server.handlers.schemas.notifications import (
    NewTargetAsked,
    NewTargetBody,
    NewTargetSchema,
    NotificationPageSchema,
    NotificationsAsked,
    NotificationsQuery,
    TargetPatchBody,
    TargetSchema,
    TargetsSchema,
    TrialSchema,
)
from server.notifications import TargetChange
from server.repositories.page import Page
from server.services.notifications.targets import TargetRefusedError


@operation(
    tag="notifications",
    summary="List notification targets",
    description="All of them, by name. What is secret of them is not shown.",
    answers={200: ("The targets.", TargetsSchema)},
)
async def list_targets(request: web.Request) -> web.Response:
    """Answer all targets."""
    page = Page(await request.app[TARGETS].list(), None)
    return json_response(TargetsSchema.render(page, base_path(request)))


@operation(
    tag="notifications",
    summary="Make a notification target",
    body=NewTargetBody,
    answers={201: ("The target, with its secret.", NewTargetSchema)},
    errors=(409,),
)
async def create_target(request: web.Request) -> web.Response:
    """Make a target."""
    asked = body(request, NewTargetAsked)
    with _fields_refused():
        target = await request.app[TARGETS].create(
            name=asked.name,
            kind=asked.type,
            url=asked.url,
            secret=asked.secret,
            by=actor(request),
        )
    return json_response(
        NewTargetSchema.render(target, base_path(request)),
        status=201,
        headers=location(request, f"notification-targets/{target.id}"),
    )


@operation(
    tag="notifications",
    summary="Change a notification target",
    description="What is not given stays.",
    body=TargetPatchBody,
    answers={200: ("The target.", TargetSchema)},
    errors=(409,),
)
async def change_target(request: web.Request) -> web.Response:
    """Change a target."""
    change = body(request, TargetChange)
    with _fields_refused():
        target = await request.app[TARGETS].change(target_id(request), change, by=actor(request))
    return json_response(TargetSchema.render(target, base_path(request)))


@operation(
    tag="notifications",
    summary="Delete a notification target",
    answers={204: ("It is deleted.", None)},
)
async def delete_target(request: web.Request) -> web.Response:
    """Delete a target."""
    await request.app[TARGETS].delete(target_id(request), by=actor(request))
    return web.Response(status=204)


@operation(
    tag="notifications",
    summary="Send a test to a notification target",
    description="Once, and now.",
    answers={200: ("What came of it.", TrialSchema)},
)
async def test_target(request: web.Request) -> web.Response:
    """Send a message that only shows that the target is reached."""
    trial = await request.app[TARGETS].test(target_id(request), by=actor(request))
    return json_response(TrialSchema.render(trial, base_path(request)))


@operation(
    tag="notifications",
    summary="List notifications",
    description="Newest first, of the commands that may be seen.",
    query=NotificationsQuery,
    answers={200: ("A page of notifications.", NotificationPageSchema)},
)
async def list_notifications(request: web.Request) -> web.Response:
    """Answer a page of notifications."""
    asked = query(request, NotificationsAsked)
    page = await request.app[NOTIFICATIONS].list(
        asked.notifications,
        groups=access.groups_seen(request, None),
        limit=asked.limit,
        cursor=asked.cursor,
    )
    return json_response(NotificationPageSchema.render(page, base_path(request)))


@contextmanager
def _fields_refused() -> Iterator[None]:
    """Answer what the service refuses of a field as the schema's own refusals."""
    try:
        yield
    except TargetRefusedError as error:
        raise InvalidInputError({error.field: [str(error)]}) from error
