"""Routes of signing in: who asks, the session of a browser, sign-in links, tickets of runs."""

from aiohttp import web

from server.access import EVERYBODY, Act, Actor, Principal
from server.handlers.http import keys
from server.handlers.http.answers import base_path, json_response
from server.handlers.http.identity.cookies import none_may_be
from server.handlers.http.operation import operation
from server.handlers.http.parameters import actor, body, run_id
from server.handlers.schemas.session import (
    LinkSchema,
    SessionSchema,
    SignIn,
    SignInBody,
    TicketSchema,
    Who,
)
from server.services.access.links import LINK_SECONDS
from server.services.access.tickets import TICKET_SECONDS


@operation(
    tag="session",
    summary="Who am I?",
    description="For everybody: who nobody knows is told how to sign in. A cookie whose session has"
    " ended is taken back with the answer, 401.",
    answers={200: ("Who asks.", SessionSchema)},
    errors=(401, 429),
)
async def get_session(request: web.Request) -> web.Response:
    """Answer who asks."""
    principal = await request.app[keys.IDENTITY].of(request)
    who = Who.of(
        principal,
        auth=request.app[keys.IDENTITY].auth,
        oidc=keys.OIDC in request.app,
        workers=request.app[keys.MEETS],
    )
    return json_response(SessionSchema.render(who, base_path(request)))


@operation(
    tag="session",
    summary="Sign in by the ticket of a link",
    description="The answer sets a cookie, and the session that the browser had ends. Programs use"
    " a token.",
    body=SignInBody,
    answers={204: ("Signed in.", None)},
    errors=(401, 429),
)
async def sign_in(request: web.Request) -> web.Response:
    """Exchange a link's ticket for a session."""
    ticket = body(request, SignIn).ticket
    identity, links = request.app[keys.IDENTITY], request.app[keys.LINKS]
    cookie = identity.session_cookie(request)
    if cookie is None:  # before the ticket is used up
        raise none_may_be(request.host)

    async def exchange(ticket: str) -> Principal:
        return links.exchange(ticket)

    with request.app[keys.AUDIT].trying(Act.SESSION_CREATE, actor(request)):
        principal = await identity.checked(request, ticket, exchange, kind="link")
        value = await request.app[keys.SESSIONS].create(
            Actor(principal, identity.address(request)), replaced=request.cookies.get(cookie.name)
        )
    answer = web.Response(status=204)
    cookie.set(answer, value)
    return answer


@operation(
    tag="session",
    summary="Sign out",
    description="Ends the session of the cookie, and the streams that it opened. Harmless without"
    " one.",
    answers={204: ("Signed out.", None)},
)
async def sign_out(request: web.Request) -> web.Response:
    """End a session."""
    identity, answer = request.app[keys.IDENTITY], web.Response(status=204)
    cookie, value = identity.session_cookie(request), identity.session_value(request)
    if cookie is not None and value is not None:
        await request.app[keys.SESSIONS].end(value, address=identity.address(request))
        cookie.remove(answer)
    return answer


@operation(
    tag="session",
    summary="Make a sign-in link",
    description="For a user of this host, who is known by the uid. The link is the page's address"
    " with `#sign-in=TICKET`; it is good once, for a minute.",
    answers={200: ("The link's parts.", LinkSchema)},
)
async def make_link(request: web.Request) -> web.Response:
    """Answer the ticket of a new link."""
    is_off = request.app[keys.IDENTITY].auth == "off"  # the command line is somebody all the same
    principal = EVERYBODY if is_off else actor(request).principal
    public = request.app[keys.HTTP].public_url
    return json_response(
        {
            "ticket": request.app[keys.LINKS].make(principal),
            "expires_in": round(LINK_SECONDS),
            "principal": principal.name,
            "url": f"{public or request.app[keys.LISTENING].url}{base_path(request)}",
        }
    )


@operation(
    tag="runs",
    summary="Make a ticket to watch a run",
    description="For a client that can send no header, such as a link or another page's WebSocket:"
    " `?ticket=` at the run's stream and output. It is good once, within 30 seconds, to read this"
    " run.",
    answers={200: ("The ticket.", TicketSchema)},
)
async def make_ticket(request: web.Request) -> web.Response:
    """Answer a new ticket of a run."""
    run = (await request.app[keys.RUNS].get(run_id(request))).run.id
    ticket = request.app[keys.TICKETS].make(actor(request).principal, run)
    return json_response({"ticket": ticket, "expires_in": round(TICKET_SECONDS)})
