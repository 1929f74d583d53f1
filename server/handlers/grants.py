"""Routes of grants, for admins."""

from aiohttp import web

from server.access import Act
from server.handlers.http.answers import base_path, json_response, location
from server.handlers.http.keys import AUDIT, GRANTS
from server.handlers.http.operation import operation
from server.handlers.http.parameters import actor, body, grant_id, query
from server.handlers.schemas.access import (
    GrantPageSchema,
    GrantsAsked,
    GrantSchema,
    GrantsQuery,
    NewGrantAsked,
    NewGrantBody,
)


@operation(
    tag="access",
    summary="List grants",
    description="Newest first. What the settings and the last sign-in give is not among them.",
    query=GrantsQuery,
    answers={200: ("A page of grants.", GrantPageSchema)},
)
async def list_grants(request: web.Request) -> web.Response:
    """Answer a page of grants."""
    asked = query(request, GrantsAsked)
    page = await request.app[GRANTS].list(
        principal=asked.principal, limit=asked.limit, cursor=asked.cursor
    )
    return json_response(GrantPageSchema.render(page, base_path(request)))


@operation(
    tag="access",
    summary="Give a principal a role in a group",
    body=NewGrantBody,
    answers={201: ("The grant.", GrantSchema)},
    errors=(409,),
)
async def create_grant(request: web.Request) -> web.Response:
    """Make a grant."""
    asked = body(request, NewGrantAsked)
    by = actor(request)
    with request.app[AUDIT].trying(Act.GRANT_CREATE, by):
        grant = await request.app[GRANTS].create(
            principal=asked.principal, role=asked.role, group=asked.group, by=by
        )
    return json_response(
        GrantSchema.render(grant, base_path(request)),
        status=201,
        headers=location(request, f"grants/{grant.id}"),
    )


@operation(
    tag="access",
    summary="Take a grant back",
    answers={204: ("It is deleted.", None)},
)
async def delete_grant(request: web.Request) -> web.Response:
    """Delete a grant."""
    by = actor(request)
    with request.app[AUDIT].trying(Act.GRANT_DELETE, by):
        await request.app[GRANTS].delete(grant_id(request), by=by)
    return web.Response(status=204)
