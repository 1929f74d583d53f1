"""Routes of scripts that are looked at and not stored."""

from aiohttp import web

from server.handlers.http.answers import base_path, json_response
from server.handlers.http.keys import CHECKER
from server.handlers.http.operation import operation
from server.handlers.http.parameters import body
from server.handlers.schemas.scripts import CheckSchema, ScriptAsked, ScriptBody


@operation(
    tag="commands",
    summary="Check a script's syntax",
    description="Its own interpreter reads it and executes nothing of it: shells (`-n`), and Python"
    " (it compiles). Scripts of others are not checked, and `unchecked` says so.",
    body=ScriptBody,
    answers={200: ("What the interpreter says.", CheckSchema)},
)
async def check_script(request: web.Request) -> web.Response:
    """Answer the problems of a script."""
    check = await request.app[CHECKER].check(body(request, ScriptAsked).script)
    return json_response(CheckSchema.render(check, base_path(request)))
