"""Signing in at a provider of OpenID Connect: there, and back to the page."""

from aiohttp import web

from server.access import ANONYMOUS, Actor, KnownBy, Principal
from server.errors import DatabaseUnavailableError
from server.handlers.http import keys
from server.handlers.http.answers import API, base_path
from server.handlers.http.identity.cookies import SessionCookie
from server.handlers.http.operation import operation
from server.services.access.oidc.attempts import ATTEMPT_SECONDS
from server.services.access.oidc.failures import Reason, SignInFailedError
from server.services.access.oidc.sign_in import Answer

CALLBACK = f"{API}/session/oidc/callback"
SUFFIX = "-oidc"
"""Of the cookie's name, beside the session's."""


@operation(
    tag="session",
    summary="Sign in at the provider of OpenID Connect",
    description="For browsers alone. From the provider they come back to `session/oidc/callback`,"
    " and from there to the page; `#sign-in-failed=REASON` says there why nobody was signed in.",
    answers={302: ("To the provider, or to the page, which says what is wrong.", None)},
)
async def begin_sign_in(request: web.Request) -> web.Response:
    """Lead to the provider."""
    sign_in = request.app.get(keys.OIDC)
    cookie = request.app[keys.IDENTITY].session_cookie(request)
    if sign_in is None or cookie is None:
        return _to_page(
            request, failed=Reason.NO_PROVIDER if sign_in is None else Reason.PLAIN_HTTP
        )
    try:
        begun = await sign_in.begin(_redirect_uri(request))
    except SignInFailedError as error:
        return _failed(request, error)
    response = _redirection(begun.url)
    _write_browser(cookie, response, begun.browser, ATTEMPT_SECONDS)
    return response


@operation(
    tag="session",
    summary="Come back from the provider",
    description="Where the provider sends the browser: it is to be told this address. It takes"
    " `code` and `state`, or `error`.",
    answers={302: ("To the page: signed in, or it says what is wrong.", None)},
)
async def finish_sign_in(request: web.Request) -> web.Response:
    """Sign somebody in whom the provider has sent back."""
    sign_in = request.app.get(keys.OIDC)
    cookie = request.app[keys.IDENTITY].session_cookie(request)
    if sign_in is None or cookie is None:
        return _to_page(
            request, failed=Reason.NO_PROVIDER if sign_in is None else Reason.PLAIN_HTTP
        )
    browser = request.cookies.get(f"{cookie.name}{SUFFIX}")
    try:
        name = await sign_in.finish(_answer(request), browser, _redirect_uri(request))
        value = await request.app[keys.SESSIONS].create(
            _actor(request, Principal(name=name, known_by=KnownBy.OIDC)),
            replaced=request.cookies.get(cookie.name),
        )
    except SignInFailedError as error:
        response = _failed(request, error)
    except DatabaseUnavailableError as error:
        sign_in.tell(error)
        response = _to_page(request, failed=Reason.DATABASE)
    else:
        response = _to_page(request)
        cookie.set(response, value)
    _write_browser(cookie, response, "", 0)
    return response


def _answer(request: web.Request) -> Answer:
    """Read what the provider has the browser bring back; it may send more than we know."""
    said: dict[str, str] = {}
    for name in ("state", "code", "error", "iss"):
        values = request.query.getall(name, [])
        if len(values) > 1:
            raise SignInFailedError(Reason.REFUSED, f"the answer has {name} more than once")
        if values:
            said[name] = values[0]
    return Answer(
        state=said.get("state", ""),
        code=said.get("code"),
        error=said.get("error"),
        issuer=said.get("iss"),
    )


def _redirect_uri(request: web.Request) -> str:
    """Return the address of the callback as the browser has it; the provider knows the same."""
    address = request.app[keys.HTTP].public_url or (
        f"{request.app[keys.ADDRESSES].scheme(request)}://{request.host}"
    )
    return f"{address}{base_path(request)}{CALLBACK}"


def _actor(request: web.Request, principal: Principal) -> Actor:
    return Actor(principal, request.app[keys.IDENTITY].address(request))


def _failed(request: web.Request, error: SignInFailedError) -> web.Response:
    """Lead to the page, which says why; the log and the audit say more."""
    request.app[keys.OIDC].tell(error)
    request.app[keys.AUDIT].denied(
        _actor(request, ANONYMOUS), method=request.method, path=request.path, why=str(error)
    )
    return _to_page(request, failed=error.reason)


def _to_page(request: web.Request, *, failed: Reason | None = None) -> web.Response:
    fragment = "" if failed is None else f"#sign-in-failed={failed}"
    return _redirection(f"{base_path(request)}/{fragment}")


def _redirection(url: str) -> web.Response:
    return web.Response(status=302, headers={"Location": url})


def _write_browser(
    cookie: SessionCookie, response: web.Response, value: str, seconds: float
) -> None:
    """Keep at the browser what proves that it began the sign-in.

    Lax: it is to come along when the provider, another site, leads back.
    """
    response.set_cookie(
        f"{cookie.name}{SUFFIX}",
        value,
        path="/",
        max_age=int(seconds),
        secure=cookie.secure,
        httponly=True,
        samesite="Lax",
    )
