"""All routes: this table reads as the API."""

from aiohttp import web

from server.handlers import commands, health, output, pages, runs, stream
from server.handlers.http.answers import API
from server.handlers.http.openapi import documented

ROUTES = [
    ("GET", "ping", health.ping),
    ("GET", "commands/", commands.list_commands),
    ("POST", "commands/", commands.create_command),
    ("GET", "commands/{id}", commands.get_command),
    ("PUT", "commands/{id}", commands.replace_command),
    ("PATCH", "commands/{id}", commands.change_command),
    ("DELETE", "commands/{id}", commands.delete_command),
    ("GET", "commands/{id}/info", runs.get_info),
    ("POST", "commands/{id}/stop", commands.stop_command),
    ("POST", "commands/{id}/runs", runs.start_run),
    ("GET", "commands/{id}/runs", runs.list_command_runs),
    ("GET", "commands/{id}/ws", stream.stream_command),
    ("GET", "runs/", runs.list_runs),
    ("GET", "runs/{id}", runs.get_run),
    ("DELETE", "runs/{id}", runs.delete_run),
    ("POST", "runs/{id}/stop", runs.stop_run),
    ("POST", "runs/{id}/signal", runs.signal_run),
    ("GET", "runs/{id}/output", output.get_output),
    ("GET", "runs/{id}/ws", stream.stream_run),
]
"""Method, path under API as it is documented, handler. All answer with and without the final
slash."""


def add_routes(app: web.Application) -> None:
    """Add every route to the application; the documentation is made of those added first."""
    for method, path, operation in ROUTES:
        app.router.add_route(method, f"{API}/{path}", documented(operation, path))


def add_undocumented_routes(app: web.Application) -> None:
    """Add HEAD, the other slash forms, the page and what belongs to it."""
    router = app.router
    for method, path, operation in ROUTES:
        handler = documented(operation, path)  # another one: the library has used up the first
        other = path.removesuffix("/") if path.endswith("/") else f"{path}/"
        router.add_route(method, f"{API}/{other}", handler)
        if method == "GET" and not path.endswith("/ws"):
            router.add_route("HEAD", f"{API}/{path}", handler)
            router.add_route("HEAD", f"{API}/{other}", handler)
    router.add_get("/healthz", health.ping.handler)
    router.add_get("/readyz", health.ready)
    router.add_get("/metrics", health.metrics)
    router.add_get("/", pages.page)
    router.add_get("/swagger", pages.documentation_redirect)
    router.add_get("/swagger/", pages.documentation_redirect)
    router.add_get("/swagger/index.html", pages.documentation)
    router.add_get("/docs/{name}.md", pages.guide)
    router.add_get("/static/{path:.*}", pages.asset)
