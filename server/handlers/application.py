"""The application: what every request passes, and the routes that it comes to."""

from aiohttp import web

from server.handlers import routes
from server.handlers.http import connections, guard, keys, openapi, problems
from server.handlers.http.answers import API
from server.handlers.http.gate import Gates
from server.resources import VERSION
from server.settings.groups import Settings


def build_app(settings: Settings) -> web.Application:
    """Build the application: its routes, its middlewares, its documentation."""
    http = settings.http
    # The outermost first: what is refused there costs nothing more, and `problems` answers for the
    # errors of all behind it.
    app = web.Application(
        middlewares=[connections.connections, guard.guard, problems.problems, openapi.validation],
        client_max_size=http.max_body_bytes,
    )
    app[keys.HTTP] = http
    app[keys.GATES] = Gates(
        http.max_connections, stall_seconds=settings.viewers.viewer_stall_seconds
    )
    routes.add_routes(app)
    openapi.set_up_documentation(app, version=VERSION, prefix=API, base_path=http.base_path)
    routes.add_undocumented_routes(app)
    app.on_response_prepare.append(guard.add_headers)
    app.on_response_prepare.append(problems.mark_begun)
    return app
