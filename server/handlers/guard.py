"""Whom Tailrun lets in: requests addressed to it by name, from its own pages or no page at all.

A page of another site can make a browser send requests here. Its name in `Origin` gives it
away; where it had its own name point here (DNS rebinding) `Host` does. Form posts are refused
by their content type.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import web

from server.handlers.keys import SETTINGS
from server.handlers.problems import Handler, problem
from server.handlers.render import API

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
OTHER_SITES = frozenset({"cross-site", "same-site"})
"""Fetch Metadata: `same-site` is another port, or another name of the same domain."""

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline';"
        " connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def refusal(
    *,
    host: str,
    origin: str | None,
    fetch_site: str | None,
    allowed_hosts: Iterable[str],
) -> str | None:
    """Say why a request is not let in; None when it is."""
    name = _hostname(f"//{host}")
    if name not in {*LOOPBACK_NAMES, *(allowed.lower() for allowed in allowed_hosts)}:
        return (
            f"This Tailrun does not answer to the host name {host!r};"
            " the setting ALLOWED_HOSTS can permit it."
        )
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        return f"Requests from pages of {origin!r} are not let in."
    if origin is None and fetch_site in OTHER_SITES:
        return "Requests from pages of other sites are not let in."
    return None


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Check Host, Origin and the body's type of every request and handshake."""
    settings = request.app[SETTINGS]
    refused = refusal(
        host=request.headers.get("Host", ""),
        origin=request.headers.get("Origin"),
        fetch_site=None if _is_navigation(request) else request.headers.get("Sec-Fetch-Site"),
        allowed_hosts=(*settings.allowed_hosts, settings.host),
    )
    if refused is not None:
        return problem(403, refused)
    if request.body_exists and request.content_type != "application/json":
        return problem(415, "A body must be JSON, sent as Content-Type: application/json.")
    return await handler(request)


def _is_navigation(request: web.Request) -> bool:
    """Tell whether a person followed a link here from another site: harmless with GET."""
    return request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Have browsers treat what is served here as it is meant (a signal handler).

    The page's modules are asked for anew each time, so that an upgrade never mixes them.
    """
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    caching = "no-store" if request.path.startswith(API) else "no-cache"
    response.headers.setdefault("Cache-Control", caching)
