"""Routes of schedules, and of the pauses of commands."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from server.handlers import access
from server.handlers.http.answers import base_path, json_response, location
from server.handlers.http.keys import COMMANDS, SCHEDULES
from server.handlers.http.operation import operation
from server.handlers.http.parameters import actor, body, command_id, query, schedule_id
from server.handlers.http.rendering import MayOf
from server.handlers.http.versions import IF_MATCH, permitted_versions, version_tag
from server.handlers.schemas.base import PageAsked, PageQuery
from server.handlers.schemas.commands import CommandSchema
from server.handlers.schemas.schedule_answers import (
    FirePageSchema,
    PreviewSchema,
    SchedulePageSchema,
    ScheduleSchema,
)
from server.handlers.schemas.schedules import (
    FiresAsked,
    FiresQuery,
    NewScheduleBody,
    PauseAsked,
    PauseBody,
    PreviewAsked,
    PreviewQuery,
    SchedulePatchBody,
    SchedulesAsked,
    SchedulesQuery,
)
from server.repositories.page import Page
from server.schedules import ScheduleFields
from server.services.schedules.schedules import ScheduleView

READ_ONLY = "Fields that are only read may be sent as they are."


@operation(
    tag="schedules",
    summary="List schedules",
    description="Of all commands of the groups that may be seen, newest first.",
    query=SchedulesQuery,
    answers={200: ("A page of schedules.", SchedulePageSchema)},
)
async def list_schedules(request: web.Request) -> web.Response:
    """Answer a page of all schedules."""
    asked = query(request, SchedulesAsked)
    page = await request.app[SCHEDULES].list(
        groups=access.groups_seen(request, asked.group),
        until=asked.until,
        limit=asked.limit,
        cursor=asked.cursor,
    )
    return _page(request, page)


@operation(
    tag="schedules",
    summary="List a command's schedules",
    description="Newest first.",
    query=PageQuery,
    answers={200: ("A page of schedules.", SchedulePageSchema)},
)
async def list_command_schedules(request: web.Request) -> web.Response:
    """Answer a page of a command's schedules."""
    asked = query(request, PageAsked)
    page = await request.app[SCHEDULES].list(
        command_id(request),
        groups=access.groups_seen(request, None),
        limit=asked.limit,
        cursor=asked.cursor,
    )
    return _page(request, page)


@operation(
    tag="schedules",
    summary="Have a command started by a schedule",
    body=NewScheduleBody,
    answers={201: ("The schedule.", ScheduleSchema)},
    errors=(409,),
)
async def create_schedule(request: web.Request) -> web.Response:
    """Store a schedule."""
    view = await request.app[SCHEDULES].create(
        command_id(request), body(request, ScheduleFields), by=actor(request)
    )
    await request.app[COMMANDS].told(view.command.id)
    return _schedule(request, view, status=201)


@operation(
    tag="schedules",
    summary="Say what a cron line means",
    description="Its next five due times, words, and what is to be expected of it where the clock"
    " changes. A line that is none, or would never be due, is refused.",
    query=PreviewQuery,
    answers={200: ("What it means.", PreviewSchema)},
)
async def preview_schedule(request: web.Request) -> web.Response:
    """Answer what a line means."""
    asked = query(request, PreviewAsked)
    found = request.app[SCHEDULES].preview(asked.cron, asked.time_zone)
    return json_response(PreviewSchema.render(found, base_path(request)))


@operation(
    tag="schedules",
    summary="Get a schedule",
    answers={200: ("The schedule.", ScheduleSchema)},
)
async def get_schedule(request: web.Request) -> web.Response:
    """Answer a schedule."""
    return _schedule(request, await request.app[SCHEDULES].get(schedule_id(request)))


@operation(
    tag="schedules",
    summary="Replace a schedule",
    description=f"What is not given is as with a new one. Due times count from now. {READ_ONLY}",
    body=NewScheduleBody,
    headers=(IF_MATCH,),
    answers={200: ("The schedule as it is now.", ScheduleSchema)},
)
async def replace_schedule(request: web.Request) -> web.Response:
    """Replace a schedule's fields."""
    asked = body(request, ScheduleFields)
    names = ScheduleFields.__dataclass_fields__
    return await _change(request, {name: getattr(asked, name) for name in names})


@operation(
    tag="schedules",
    summary="Change a schedule",
    description=f"What the body names, and nothing else. {READ_ONLY}",
    body=SchedulePatchBody,
    headers=(IF_MATCH,),
    answers={200: ("The schedule as it is now.", ScheduleSchema)},
)
async def change_schedule(request: web.Request) -> web.Response:
    """Change some of a schedule's fields."""
    return await _change(request, body(request, dict))


@operation(
    tag="schedules",
    summary="Delete a schedule",
    description="Its runs stay.",
    answers={204: ("It is deleted.", None)},
)
async def delete_schedule(request: web.Request) -> web.Response:
    """Delete a schedule."""
    command = await request.app[SCHEDULES].delete(schedule_id(request), by=actor(request))
    await request.app[COMMANDS].told(command)
    return web.Response(status=204)


@operation(
    tag="schedules",
    summary="Say why a schedule did, or did not, start a run",
    description="What came of its due times, the last first. Where the same came of several in a"
    " row, and none started a run, they are one.",
    query=FiresQuery,
    answers={200: ("A page of due times.", FirePageSchema)},
)
async def list_fires(request: web.Request) -> web.Response:
    """Answer what came of a schedule's due times."""
    asked = query(request, FiresAsked)
    found = schedule_id(request)
    service = request.app[SCHEDULES]
    if asked.at is not None:
        page = await service.fire_at(found, asked.at)
    else:
        page = await service.fires(found, limit=asked.limit, cursor=asked.cursor)
    return json_response(FirePageSchema.render(page, base_path(request)))


@operation(
    tag="schedules",
    summary="Pause a command",
    description="Its schedules start nothing until then; whoever may start it by hand still may.",
    body=PauseBody,
    answers={200: ("The command.", CommandSchema)},
)
async def pause_command(request: web.Request) -> web.Response:
    """Pause a command."""
    asked = body(request, PauseAsked)
    found = command_id(request)
    await request.app[SCHEDULES].pause(found, asked.note, asked.until, by=actor(request))
    return await _command(request)


@operation(
    tag="schedules",
    summary="Resume a command",
    description="Harmless where it is not paused. What was due meanwhile does not come again.",
    answers={200: ("The command.", CommandSchema)},
)
async def resume_command(request: web.Request) -> web.Response:
    """End a command's pause."""
    await request.app[SCHEDULES].resume(command_id(request), by=actor(request))
    return await _command(request)


async def _change(request: web.Request, change: Mapping[str, Any]) -> web.Response:
    view = await request.app[SCHEDULES].change(
        schedule_id(request), change, by=actor(request), versions=permitted_versions(request)
    )
    await request.app[COMMANDS].told(view.command.id)
    return _schedule(request, view)


async def _command(request: web.Request) -> web.Response:
    """Answer the command that was paused or resumed, and tell of it."""
    view = await request.app[COMMANDS].told(command_id(request))
    access.demand_sight(request, view.command)
    may_of = access.may_of(request, {view.command.id: view.command.group})
    rendered = CommandSchema.render(view, base_path(request), may_of)
    return json_response(rendered, headers=version_tag(view.command.updated_at))


def _may_of(request: web.Request, *views: ScheduleView) -> MayOf:
    return access.may_of(request, {view.command.id: view.command.group for view in views})


def _page(request: web.Request, page: Page[ScheduleView]) -> web.Response:
    may_of = _may_of(request, *page.items)
    return json_response(SchedulePageSchema.render(page, base_path(request), may_of))


def _schedule(request: web.Request, view: ScheduleView, *, status: int = 200) -> web.Response:
    headers = version_tag(view.schedule.updated_at)
    if status == 201:
        headers |= location(request, f"schedules/{view.schedule.id}")
    rendered = ScheduleSchema.render(view, base_path(request), _may_of(request, view))
    return json_response(rendered, status=status, headers=headers)
