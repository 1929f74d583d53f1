"""Routes of workers."""

from aiohttp import web

from server.handlers.http.answers import base_path, json_response
from server.handlers.http.keys import WORKERS
from server.handlers.http.operation import operation
from server.handlers.schemas.workers import WorkersSchema
from server.repositories.page import Page


@operation(
    tag="workers",
    summary="List workers",
    description="All that ever said hello, by name.",
    answers={200: ("The workers.", WorkersSchema)},
)
async def list_workers(request: web.Request) -> web.Response:
    """Answer all workers."""
    page = Page(await request.app[WORKERS].list(), None)
    return json_response(WorkersSchema.render(page, base_path(request)))
