"""Routes of commands."""

from aiohttp import web

from server.handlers import schemas
from server.handlers.keys import COMMANDS, RUNS
from server.handlers.openapi import operation
from server.handlers.parameters import body, command_id, query
from server.handlers.render import base_path, command_json, json_response, location, run_json

BODY_ERRORS = (400, 413, 415, 422)


@operation(
    tag="commands",
    summary="List commands",
    description="Newest first, each with its newest run; `q` looks in name and description.",
    query=schemas.CommandsQuery,
    answers={200: ("A page of commands.", schemas.CommandPageSchema)},
    errors=(403, 422, 503),
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
    answers={201: ("The command, with the run that was started.", schemas.NewCommandSchema)},
    errors=(*BODY_ERRORS, 403, 503),
)
async def create_command(request: web.Request) -> web.Response:
    """Store a command and start its first run."""
    view = await request.app[COMMANDS].create(**body(request))
    return json_response(
        command_json(view, base_path(request), run_field="run"),
        status=201,
        headers=location(request, f"commands/{view.command.id}"),
    )


@operation(
    tag="commands",
    of="command",
    summary="Get a command",
    answers={200: ("The command, with its newest run.", schemas.CommandSchema)},
    errors=(403, 404, 503),
)
async def get_command(request: web.Request) -> web.Response:
    """Answer a command."""
    view = await request.app[COMMANDS].get(command_id(request))
    return json_response(command_json(view, base_path(request)))


@operation(
    tag="commands",
    of="command",
    summary="Replace a command",
    description="Name, description and script; runs already started keep their script.",
    body=schemas.CommandBody,
    answers={200: ("The command as it is now.", schemas.CommandSchema)},
    errors=(*BODY_ERRORS, 403, 404, 503),
)
async def replace_command(request: web.Request) -> web.Response:
    """Replace a command's fields."""
    view = await request.app[COMMANDS].replace(command_id(request), **body(request))
    return json_response(command_json(view, base_path(request)))


@operation(
    tag="commands",
    of="command",
    summary="Delete a command with all its runs",
    answers={204: ("It is deleted.", None)},
    errors=(403, 404, 409, 503),
)
async def delete_command(request: web.Request) -> web.Response:
    """Delete a command."""
    await request.app[COMMANDS].delete(command_id(request))
    return web.Response(status=204)


@operation(
    tag="commands",
    of="command",
    summary="Stop the command's active runs",
    body=schemas.StopBody,
    answers={202: ("The runs that are ending.", schemas.RunsSchema)},
    errors=(*BODY_ERRORS, 403, 404, 409, 503),
)
async def stop_command(request: web.Request) -> web.Response:
    """Stop all active runs of a command."""
    views = await request.app[RUNS].stop_command(command_id(request), **body(request))
    return json_response(
        {"items": [run_json(view, base_path(request)) for view in views]}, status=202
    )
