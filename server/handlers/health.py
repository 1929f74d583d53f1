"""Whether the service is well: up, ready, and its figures."""

from aiohttp import web
from marshmallow import Schema, fields
from prometheus_client import CONTENT_TYPE_LATEST

from server.access import EVERY_GROUP, Right
from server.handlers.access import asker
from server.handlers.http.answers import json_response
from server.handlers.http.keys import METRICS, READINESS
from server.handlers.http.operation import operation


class StatusSchema(Schema):
    """That the service is up."""

    status = fields.String(metadata={"example": "ok"})


@operation(
    tag="service",
    summary="Is the server up?",
    answers={200: ("It is.", StatusSchema)},
)
async def ping(_request: web.Request) -> web.Response:
    """Answer that the server is up."""
    return json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """Answer whether each part that the service needs can be reached; which, to admins alone."""
    readiness = request.app[READINESS]
    parts = await readiness.check()
    status = 200 if all(found == "ok" for found in parts.values()) else 503
    if not (await asker(request)).may(Right.GOVERN, EVERY_GROUP):
        return json_response({"status": "ok" if status == 200 else "not ready"}, status=status)
    return json_response(parts | await readiness.notes(), status=status)


async def metrics(request: web.Request) -> web.Response:
    """Answer the service's figures, for Prometheus."""
    return web.Response(
        body=request.app[METRICS].exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )
