"""Routes of workers."""

from aiohttp import web

from server.handlers import access
from server.handlers.http.answers import base_path, json_response
from server.handlers.http.keys import WORKERS
from server.handlers.http.operation import operation
from server.handlers.schemas.workers import WorkersSchema


@operation(
    tag="workers",
    summary="List workers",
    description="All that ever said hello, by name; and what waits in each pool.",
    answers={200: ("The workers.", WorkersSchema)},
)
async def list_workers(request: web.Request) -> web.Response:
    """Answer all workers."""
    fleet = await request.app[WORKERS].fleet(access.groups_seen(request, None))
    return json_response(WorkersSchema.render(fleet, base_path(request)))
