"""Routes of tokens: whoever is signed in has his own, admins see and revoke all."""

from aiohttp import web

from server.access import Act
from server.handlers.http.answers import base_path, json_response, location
from server.handlers.http.keys import AUDIT, TOKENS
from server.handlers.http.operation import operation
from server.handlers.http.parameters import actor, body, query, token_id
from server.handlers.schemas.access import (
    NewTokenAsked,
    NewTokenBody,
    NewTokenSchema,
    TokenPageSchema,
    TokensAsked,
    TokenSchema,
    TokensQuery,
)


@operation(
    tag="access",
    summary="List tokens",
    description="Newest first, without their secrets: one's own; of everybody for an admin.",
    query=TokensQuery,
    answers={200: ("A page of tokens.", TokenPageSchema)},
)
async def list_tokens(request: web.Request) -> web.Response:
    """Answer a page of tokens."""
    asked = query(request, TokensAsked)
    page = await request.app[TOKENS].list(
        owner=asked.owner, limit=asked.limit, cursor=asked.cursor, by=actor(request).principal
    )
    return json_response(TokenPageSchema.render(page, base_path(request)))


@operation(
    tag="access",
    summary="Make a token",
    description="It acts as the one who makes it, with at most this role in this group; the answer"
    " has the secret, which cannot be had again. One that is made by a token ends with that one at"
    " the latest, is revoked with it, and makes none itself.",
    body=NewTokenBody,
    answers={201: ("The token, with its secret.", NewTokenSchema)},
    errors=(409,),
)
async def create_token(request: web.Request) -> web.Response:
    """Make a token."""
    asked = body(request, NewTokenAsked)
    by = actor(request)
    with request.app[AUDIT].trying(Act.TOKEN_CREATE, by):
        made = await request.app[TOKENS].create(
            name=asked.name,
            role=asked.role,
            group=asked.group,
            expires_at=asked.expires_at,
            by=by,
        )
    return json_response(
        TokenSchema.render(made.token, base_path(request)) | {"token": made.secret},
        status=201,
        headers=location(request, f"tokens/{made.token.id}"),
    )


@operation(
    tag="access",
    summary="Revoke a token",
    description="With it those that it made. Streams that they opened end within 5 s.",
    answers={204: ("It is revoked.", None)},
)
async def revoke_token(request: web.Request) -> web.Response:
    """Revoke a token."""
    by = actor(request)
    with request.app[AUDIT].trying(Act.TOKEN_REVOKE, by):
        await request.app[TOKENS].revoke(token_id(request), by=by)
    return web.Response(status=204)
