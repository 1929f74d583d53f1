"""Routes of commands."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from aiohttp import web

from server.access import EVERY_GROUP, Right
from server.definition import StartAsked
from server.errors import CommandChangedError, KeyTakenError
from server.handlers import access
from server.handlers.http.answers import base_path, json_response, location, replay
from server.handlers.http.keys import (
    BOUNDS,
    COMMANDS,
    GROUP,
    GROUPS,
    PRINCIPAL,
    PRIVILEGES,
    RUNS,
    TARGETS,
)
from server.handlers.http.operation import operation
from server.handlers.http.parameters import REPEATABLE, actor, body, command_id, query, request_key
from server.handlers.http.problems import InvalidInputError, problem
from server.handlers.http.rendering import MayOf, plain
from server.handlers.http.versions import IF_MATCH, permitted_versions, version_tag
from server.handlers.schemas.commands import (
    ChangedCommand,
    CommandBody,
    CommandPageSchema,
    CommandPatchBody,
    CommandsAsked,
    CommandSchema,
    CommandsQuery,
    NewCommand,
    NewCommandBody,
    NewCommandSchema,
    refuse_other_values,
)
from server.handlers.schemas.definition import options_of
from server.handlers.schemas.run_answers import RunsSchema
from server.handlers.schemas.runs import Stop, StopBody
from server.models import CommandChange
from server.repositories.page import Page
from server.services.notifications.targets import missing
from server.services.views import CommandView

READ_ONLY = "Fields that are only read may be sent as they are."


@operation(
    tag="commands",
    summary="List commands",
    description="Of the groups that may be seen, newest first, each with its newest run; `q` looks"
    " in name and description. Of long texts lists hold the first 4 KiB.",
    query=CommandsQuery,
    answers={200: ("A page of commands.", CommandPageSchema)},
)
async def list_commands(request: web.Request) -> web.Response:
    """Answer a page of commands."""
    asked = query(request, CommandsAsked)
    page = await request.app[COMMANDS].list(
        query=asked.q,
        groups=access.groups_seen(request, asked.group),
        states=asked.state,
        ids=asked.ids,
        key=asked.key,
        name=asked.name,
        limit=asked.limit,
        cursor=asked.cursor,
    )
    may_of = _may_of(request, *page.items)
    return json_response(CommandPageSchema.render(page, base_path(request), may_of))


@operation(
    tag="commands",
    summary="Store a command and start it",
    description='With `"start": false` the command is only stored. `parameters` are those that it'
    " has, `values` what its first run is started with.",
    body=NewCommandBody,
    errors=(409,),
    headers=(REPEATABLE,),
    answers={201: ("The command, with the run that was started.", NewCommandSchema)},
)
async def create_command(request: web.Request) -> web.Response:
    """Store a command and start its first run."""
    new = body(request, NewCommand)
    access.demand(request, Right.EDIT, new.group)
    if new.run_as is not None:
        access.demand(request, Right.ADMINISTER, new.group)
        _check_user(request, new.run_as)
    await _check_options(request, new.options)
    fields, options = asdict(new), options_of(new.options)
    values = fields.pop("values")
    request_id = request_key(request, fields, values=values, secrets=options.secrets)
    fields["options"] = options
    fields["asked"] = StartAsked(values=values)
    try:
        view, replayed = await request.app[COMMANDS].create(
            **fields, by=actor(request), request=request_id
        )
    except KeyTakenError as error:
        return await _key_taken(request, error)
    access.demand_sight(request, view.command)  # what was made before may have been moved since
    return json_response(
        NewCommandSchema.render(view, base_path(request), _may_of(request, view)),
        status=201,
        headers=location(request, f"commands/{view.command.id}")
        | version_tag(view.command.updated_at)
        | replay(replayed=replayed),
    )


@operation(
    tag="commands",
    summary="Get a command",
    answers={200: ("The command, with its newest run.", CommandSchema)},
)
async def get_command(request: web.Request) -> web.Response:
    """Answer a command."""
    return _command(request, await request.app[COMMANDS].get(command_id(request)))


@operation(
    tag="commands",
    summary="Replace a command",
    description="Name and script, and of the other fields those that are given; null takes one"
    " away. Runs already started keep what they were started with. To move it takes an admin of"
    " both groups, and so does its `run_as`, and what the runs of one execute that has a `run_as`."
    f" {READ_ONLY}",
    body=CommandBody,
    errors=(409,),
    headers=(IF_MATCH,),
    answers={200: ("The command as it is now.", CommandSchema)},
)
async def replace_command(request: web.Request) -> web.Response:
    """Replace a command's fields."""
    return await _change(request)


@operation(
    tag="commands",
    summary="Change a command",
    description=f"What the body names, and nothing else; null takes it away. {READ_ONLY}",
    body=CommandPatchBody,
    errors=(409,),
    headers=(IF_MATCH,),
    answers={200: ("The command as it is now.", CommandSchema)},
)
async def change_command(request: web.Request) -> web.Response:
    """Change some of a command's fields."""
    return await _change(request)


@operation(
    tag="commands",
    summary="Delete a command with all its runs",
    answers={204: ("It is deleted.", None)},
    errors=(409,),
)
async def delete_command(request: web.Request) -> web.Response:
    """Delete a command."""
    await request.app[COMMANDS].delete(command_id(request), by=actor(request))
    return web.Response(status=204)


@operation(
    tag="commands",
    summary="Stop the command's active runs",
    body=StopBody,
    answers={202: ("The runs that are ending.", RunsSchema)},
    errors=(409,),
)
async def stop_command(request: web.Request) -> web.Response:
    """Stop all active runs of a command."""
    how = body(request, Stop)
    views = await request.app[RUNS].stop_command(
        command_id(request),
        by=actor(request),
        signal=how.signal,
        grace_seconds=how.grace_seconds,
    )
    may_of = await access.may_of_runs(request, views)
    page = RunsSchema.render(Page(views, None), base_path(request), may_of)
    return json_response(page, status=202)


async def _change(request: web.Request) -> web.Response:
    """Change what the body names; where it was changed meanwhile, show the command as it is now."""
    service, command = request.app[COMMANDS], command_id(request)
    asked = body(request, ChangedCommand)
    if asked.compared:
        refuse_other_values(asked.compared, _shown(request, await service.get(command)))
    await _check_options(request, asked.change.options)
    change, moved_from = await _moved(request, asked.change)
    change, moved_from = await _run_as_another(request, change, moved_from)
    may_be_any = await _administers(request)
    try:
        changed = await service.change(
            command,
            change,
            by=actor(request),
            versions=permitted_versions(request),
            moved_from=moved_from,
            any_user=may_be_any,
        )
    except KeyTakenError as error:
        return await _key_taken(request, error)
    except CommandChangedError as error:
        current = await service.get(command)
        if not may_be_any and current.command.run_as is not None:
            # Whoever changes what its runs execute acts as that user.
            access.demand(request, Right.ADMINISTER, current.command.group)
        return problem(
            412,
            str(error),
            slug="command-changed",
            headers=version_tag(current.command.updated_at),
            members={"command": _shown(request, current)},
        )
    if moved_from is not None:
        request.app[GROUPS].forget(moved_from)
    return _command(request, changed)


async def _key_taken(request: web.Request, error: KeyTakenError) -> web.Response:
    """Name the command that has the key, to whoever may see it."""
    other = await request.app[COMMANDS].of_key(error.key)
    if other is None or not request[PRINCIPAL].may(Right.SEE, other.group):
        return problem(409, str(error), slug="key-taken")
    detail = f"The key {error.key!r} is that of the command {other.name!r}."
    return problem(409, detail, slug="key-taken", members={"command_id": str(other.id)})


async def _check_options(request: web.Request, options: Mapping[str, Any]) -> None:
    """Refuse what this server does not do: bounds beyond its own, targets that there are not."""
    wrong = request.app[BOUNDS].beyond(options)
    if notify := options.get("notify"):
        unknown = await request.app[TARGETS].unknown({one["target"] for one in notify})
        if unknown:
            wrong = {**wrong, "notify": [missing(unknown)]}
    if wrong:
        raise InvalidInputError(wrong)


async def _moved(request: web.Request, change: CommandChange) -> tuple[CommandChange, str | None]:
    """Return a change without a group that the command has already, and the one that it leaves.

    Raises:
        ForbiddenError: it gets another group, which takes an admin of both.
    """
    if change.group is None:
        return change, None
    before = (await request.app[COMMANDS].get(command_id(request))).command.group
    if before == change.group:
        return replace(change, group=None), None
    access.demand(request, Right.ADMINISTER, before)
    access.demand(request, Right.ADMINISTER, change.group)
    return change, before


async def _run_as_another(
    request: web.Request, change: CommandChange, moved_from: str | None
) -> tuple[CommandChange, str | None]:
    """Return a change without a user that the command has already, and its group, if it counts.

    Raises:
        ForbiddenError: its runs are to be another user's, which takes an admin.
        InvalidInputError: they may not be that one's.
    """
    if change.keep_run_as:
        return change, moved_from
    before = (await request.app[COMMANDS].get(command_id(request))).command
    if before.run_as == change.run_as:
        return replace(change, keep_run_as=True), moved_from
    access.demand(request, Right.ADMINISTER, change.group or before.group)
    if change.run_as is not None:
        _check_user(request, change.run_as)
    return change, before.group


def _check_user(request: web.Request, name: str) -> None:
    if name not in request.app[PRIVILEGES].run_as_users:
        raise InvalidInputError({"run_as": ["It is to be one of TAILRUN_RUN_AS_USERS."]})


async def _administers(request: web.Request) -> bool:
    """Return whether the command that the path names may be changed as an admin does."""
    principal = request[PRINCIPAL]
    everywhere = principal.may(Right.ADMINISTER, EVERY_GROUP)
    if everywhere or principal.is_alike_everywhere:
        return everywhere
    known = request.get(GROUP)
    group = known or await request.app[GROUPS].group_of_command(command_id(request))
    return principal.may(Right.ADMINISTER, group)


def _shown(request: web.Request, view: CommandView) -> dict[str, object]:
    access.demand_sight(request, view.command)
    return plain(CommandSchema.render(view, base_path(request), _may_of(request, view)))


def _may_of(request: web.Request, *views: CommandView) -> MayOf:
    return access.may_of(request, {view.command.id: view.command.group for view in views})


def _command(request: web.Request, view: CommandView) -> web.Response:
    # It may have been moved to where it may not be seen, since that was asked.
    access.demand_sight(request, view.command)
    return json_response(
        CommandSchema.render(view, base_path(request), _may_of(request, view)),
        headers=version_tag(view.command.updated_at),
    )
