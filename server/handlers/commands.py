"""Routes of commands."""

from aiohttp import web

from server.errors import CommandChangedError
from server.handlers import schemas
from server.handlers.changes import command_change, compares, refuse_other_values
from server.handlers.http.answers import base_path, json_response, location, replay
from server.handlers.http.keys import COMMANDS, RUNS
from server.handlers.http.operation import operation
from server.handlers.http.parameters import REPEATABLE, body, command_id, query, request_key
from server.handlers.http.problems import problem
from server.handlers.http.versions import IF_MATCH, permitted_versions, version_tag
from server.handlers.render import command_json, run_json
from server.services.commands import CommandView

READ_ONLY = "Fields that are only read may be sent as they are."


@operation(
    tag="commands",
    summary="List commands",
    description="Newest first, each with its newest run; `q` looks in name and description. Of"
    " long texts lists hold the first 4 KiB.",
    query=schemas.CommandsQuery,
    answers={200: ("A page of commands.", schemas.CommandPageSchema)},
)
async def list_commands(request: web.Request) -> web.Response:
    """Answer a page of commands."""
    asked = query(request)
    page = await request.app[COMMANDS].list(
        query=asked["q"], limit=asked["limit"], cursor=asked["cursor"]
    )
    return json_response(
        {
            "items": [command_json(one, base_path(request)) for one in page.items],
            "next": page.next,
        }
    )


@operation(
    tag="commands",
    summary="Store a command and start it",
    description='With `"start": false` the command is only stored.',
    body=schemas.NewCommandBody,
    headers=(REPEATABLE,),
    answers={201: ("The command, with the run that was started.", schemas.NewCommandSchema)},
)
async def create_command(request: web.Request) -> web.Response:
    """Store a command and start its first run."""
    fields = body(request)
    view, replayed = await request.app[COMMANDS].create(
        **fields, request=request_key(request, fields)
    )
    return json_response(
        command_json(view, base_path(request), run_field="run"),
        status=201,
        headers=location(request, f"commands/{view.command.id}")
        | version_tag(view.command.updated_at)
        | replay(replayed=replayed),
    )


@operation(
    tag="commands",
    summary="Get a command",
    answers={200: ("The command, with its newest run.", schemas.CommandSchema)},
)
async def get_command(request: web.Request) -> web.Response:
    """Answer a command."""
    return _command(request, await request.app[COMMANDS].get(command_id(request)))


@operation(
    tag="commands",
    summary="Replace a command",
    description="Name and script, and the description if one is given; runs already started keep"
    f" their script. {READ_ONLY}",
    body=schemas.CommandBody,
    headers=(IF_MATCH,),
    answers={200: ("The command as it is now.", schemas.CommandSchema)},
)
async def replace_command(request: web.Request) -> web.Response:
    """Replace a command's fields."""
    return await _change(request)


@operation(
    tag="commands",
    summary="Change a command",
    description=f"What the body names, and nothing else. {READ_ONLY}",
    body=schemas.CommandPatchBody,
    headers=(IF_MATCH,),
    answers={200: ("The command as it is now.", schemas.CommandSchema)},
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
    await request.app[COMMANDS].delete(command_id(request))
    return web.Response(status=204)


@operation(
    tag="commands",
    summary="Stop the command's active runs",
    body=schemas.StopBody,
    answers={202: ("The runs that are ending.", schemas.RunsSchema)},
    errors=(409,),
)
async def stop_command(request: web.Request) -> web.Response:
    """Stop all active runs of a command."""
    views = await request.app[RUNS].stop_command(command_id(request), **body(request))
    return json_response(
        {"items": [run_json(view, base_path(request)) for view in views]}, status=202
    )


async def _change(request: web.Request) -> web.Response:
    """Change what the body names; a command that was changed meanwhile is shown as it is now."""
    service, command, fields = request.app[COMMANDS], command_id(request), body(request)
    if compares(fields):
        refuse_other_values(fields, command_json(await service.get(command), base_path(request)))
    try:
        changed = await service.change(
            command, command_change(request), versions=permitted_versions(request)
        )
    except CommandChangedError as error:
        current = await service.get(command)
        return problem(
            412,
            str(error),
            slug="command-changed",
            headers=version_tag(current.command.updated_at),
            members={"command": command_json(current, base_path(request))},
        )
    return _command(request, changed)


def _command(request: web.Request, view: CommandView) -> web.Response:
    return json_response(
        command_json(view, base_path(request)), headers=version_tag(view.command.updated_at)
    )
