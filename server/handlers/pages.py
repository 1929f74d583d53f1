"""What is served beside the API: the page, the documentation's page, the service's health."""

from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from server.handlers import schemas
from server.handlers.http.keys import METRICS, READINESS
from server.handlers.http.openapi import operation
from server.handlers.render import json_response
from server.resources import docs_directory, static_directory


@operation(
    tag="service",
    summary="Is the server up?",
    answers={200: ("It is.", schemas.StatusSchema)},
    errors=(403, 503),
)
async def ping(_request: web.Request) -> web.Response:
    """Answer that the server is up."""
    return json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """Answer whether each part that the service needs can be reached."""
    readiness = request.app[READINESS]
    parts = await readiness.check()
    status = 200 if all(found == "ok" for found in parts.values()) else 503
    return json_response(parts | await readiness.notes(), status=status)


async def metrics(request: web.Request) -> web.Response:
    """Answer the service's figures, for Prometheus."""
    return web.Response(
        body=request.app[METRICS].exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )


async def page(_request: web.Request) -> web.FileResponse:
    """Answer the page."""
    return web.FileResponse(static_directory() / "index.html")


async def asset(request: web.Request) -> web.FileResponse:
    """Answer a file of the page's or the documentation's; nothing beside them."""
    return web.FileResponse(_file(static_directory(), request.match_info["path"]))


async def guide(request: web.Request) -> web.FileResponse:
    """Answer a page of the documentation as it is written; problems' types lead there."""
    path = _file(docs_directory(), f"{request.match_info['name']}.md")
    return web.FileResponse(path, headers={"Content-Type": "text/markdown; charset=utf-8"})


def _file(root: Path, name: str) -> Path:
    try:
        path = (root / name).resolve()
        found = path.is_relative_to(root) and path.is_file()
    except (OSError, ValueError):  # no name that a file can have
        found = False
    if not found:
        raise web.HTTPNotFound
    return path


async def documentation(_request: web.Request) -> web.FileResponse:
    """Answer the documentation's page."""
    return web.FileResponse(static_directory() / "swagger" / "index.html")


async def documentation_redirect(request: web.Request) -> web.Response:
    """Lead to the documentation's page, by a relative path: a proxy may stand before ours."""
    raise web.HTTPFound("index.html" if request.path.endswith("/") else "swagger/index.html")
