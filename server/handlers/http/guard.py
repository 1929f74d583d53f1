"""Which requests are admitted: those sent to our names, by our own pages or by no page at all.

Form posts are refused by their content type.
"""

from aiohttp import hdrs, web

from server.handlers.http.answers import API
from server.handlers.http.keys import ADDRESSES, HTTP
from server.handlers.http.origins import Asked, host_refusal, origin_refusal
from server.handlers.http.problems import Handler, problem

HOST_REFUSED = "host-refused"
ORIGIN_REFUSED = "origin-refused"
"""Types of problems, as problems.py has them."""

PUBLIC = ("/static/", "/swagger", "/docs/")  # the same for everybody
SAFE = frozenset({"GET", "HEAD"})  # they change nothing

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self';"
        " connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Check Host, Origin and the body's type of every request and handshake."""
    settings = request.app[HTTP]
    asked = Asked.of(request, request.app[ADDRESSES].scheme(request))
    refused = host_refusal(asked, (*settings.allowed_hosts, settings.host))
    if refused is not None:
        return problem(403, refused, slug=HOST_REFUSED)
    # What is the same for everybody, the page and its files, any page may ask for: browsers do not
    # let another site's page read it, and behind a proxy that rewrites Host the page must come up
    # to say what is wrong.
    is_public = request.path == "/" or request.path.startswith(PUBLIC)
    refused = None if is_public and request.method in SAFE else origin_refusal(asked)
    if refused is not None:
        return problem(403, refused, slug=ORIGIN_REFUSED)
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        return problem(415, "A body must not be compressed: send it without Content-Encoding.")
    if request.body_exists and request.content_type != "application/json":
        return problem(415, "A body must be JSON, sent as Content-Type: application/json.")
    return await handler(request)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Have browsers treat what is served here as it is meant (a signal handler)."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    # What has no version in its path is asked for anew each time: an upgrade changes it.
    caching = "no-store" if request.path.startswith(API) else "no-cache"
    response.headers.setdefault("Cache-Control", caching)
