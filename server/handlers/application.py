"""The application: what every request passes, and the routes that it comes to."""

from functools import partial

from aiohttp import web

from server.definition import Bounds
from server.handlers import access, routes
from server.handlers.http import connections, guard, keys, openapi, problems
from server.handlers.http.answers import API
from server.handlers.http.documents import Document, add_documents
from server.handlers.http.gate import Gates
from server.handlers.http.identity.addresses import Addresses
from server.handlers.http.identity.cookies import take_back_ended
from server.handlers.http.json_schema import json_schema
from server.handlers.http.openapi31 import translated
from server.handlers.http.rules import RULES, check_rules
from server.handlers.page.files import FILES, PageFiles
from server.handlers.schemas.command_sets import CommandsFileSchema
from server.resources import VERSION, static_directory
from server.settings.groups import Settings


def build_app(settings: Settings) -> web.Application:
    """Build the application: its routes, its middlewares, its documentation.

    Raises:
        StartupError: a route names no right.
    """
    http = settings.http
    # The outermost first: what is refused there costs nothing more, and `problems` answers for the
    # errors of all behind it.
    app = web.Application(
        middlewares=[
            connections.connections,
            guard.guard,
            problems.problems,
            access.access,
            openapi.validation,
        ],
        client_max_size=http.max_body_bytes,
    )
    app[keys.HTTP] = http
    app[keys.LISTENING] = keys.Listening()
    app[keys.HOOK_SETTINGS] = settings.hooks
    app[keys.ACCESS] = settings.access
    app[keys.PRIVILEGES] = settings.privileges
    app[keys.BOUNDS] = Bounds(
        timeout_seconds=settings.runs.run_timeout_seconds,
        max_output_bytes=settings.output.max_output_bytes,
    )
    app[keys.ADDRESSES] = Addresses.of(settings.access)
    app[RULES] = {}
    app[FILES] = PageFiles(static_directory())
    app[keys.GATES] = Gates(
        http.max_connections, stall_seconds=settings.viewers.viewer_stall_seconds
    )
    openapi.set_up_checking(app)
    routes.add_routes(app)
    add_documents(app, _documents(http.base_path))
    routes.add_other_routes(app)
    check_rules(app)
    app.on_response_prepare.append(guard.add_headers)
    app.on_response_prepare.append(take_back_ended)
    app.on_response_prepare.append(problems.mark_begun)
    return app


def _documents(base_path: str) -> dict[str, Document]:
    """Return what tells of the API, by its names."""
    describe = partial(
        openapi.described, routes.ROUTES, version=VERSION, prefix=API, base_path=base_path
    )
    swagger = Document(describe)
    return {
        "swagger.json": swagger,
        "doc.json": swagger,  # as others call it
        "openapi.json": Document(lambda: translated(describe())),
        "command.schema.json": Document(
            partial(json_schema, CommandsFileSchema, title="Tailrun's commands in a file")
        ),
    }
