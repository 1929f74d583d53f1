"""Which requests are admitted: those sent to our names, by our own pages or by no page at all.

A page of another site can make a browser send requests here. Its name in `Origin` gives it
away; where it had its own name point here (DNS rebinding) `Host` does. Form posts are refused
by their content type.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiohttp import hdrs, web

from server.handlers.http.answers import API
from server.handlers.http.authority import LOOPBACK_NAMES, Authority
from server.handlers.http.keys import ADDRESSES, HTTP
from server.handlers.http.problems import Handler, problem, shown

OTHER_SITES = frozenset({"cross-site", "same-site"})
"""Fetch Metadata: `same-site` is another port, or another name of the same domain."""

DEFAULT_PORTS = {"http": 80, "https": 443}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request says of where it goes and where it comes from; `scheme` is the client's."""

    hosts: Sequence[str]
    origins: Sequence[str] = ()
    scheme: str = "http"
    fetch_site: str | None = None

    @classmethod
    def of(cls, request: web.Request, scheme: str) -> "Asked":
        """Read a request's headers; its scheme is what the client asked by."""
        # A person who follows a link here from another site does no harm with GET.
        is_navigation = (
            request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
        )
        return cls(
            hosts=request.headers.getall(hdrs.HOST, []),
            origins=request.headers.getall(hdrs.ORIGIN, []),
            scheme=scheme,
            fetch_site=None if is_navigation else request.headers.get("Sec-Fetch-Site"),
        )


def host_refusal(asked: Asked, allowed_hosts: Iterable[str]) -> str | None:
    """Say why a request is not taken as addressed to this service; None when it is."""
    if len(asked.hosts) != 1:
        return f"A request has one Host header; this has {len(asked.hosts)}."
    [host] = asked.hosts
    try:
        name = Authority.parse(host).name
    except ValueError:
        return f"The Host header {shown(host)} is no host name with or without a port."
    if name not in {*LOOPBACK_NAMES, *(allowed.lower().strip("[]") for allowed in allowed_hosts)}:
        return (
            f"This Tailrun does not answer to the host name {shown(host)};"
            " the setting TAILRUN_ALLOWED_HOSTS can permit it."
        )
    return None


def origin_refusal(asked: Asked) -> str | None:
    """Say why a request is taken as another site's page's; None when it is not."""
    if len(asked.origins) > 1:
        return f"A request has at most one Origin header; this has {len(asked.origins)}."
    if asked.fetch_site in OTHER_SITES:
        return "Cross-origin request refused: it comes from a page of another site."
    # A browser's word outweighs a Host that a proxy has rewritten: browsers alone write
    # Sec-Fetch-Site, only to addresses that nobody can take the name of (https, localhost).
    if not asked.origins or asked.fetch_site == "same-origin":
        return None
    [origin], [host] = asked.origins, asked.hosts
    if _origin(origin) == _origin(f"{asked.scheme}://{host}"):
        return None
    return (
        f"Cross-origin request from {shown(origin)} refused: it was sent to"
        f" {shown(f'{asked.scheme}://{host}')}. Where a proxy stands in between, have it pass on"
        " the Host header (nginx: `proxy_set_header Host $http_host;`), and `X-Forwarded-Proto:"
        " https` where it ends TLS."
    )


def _origin(text: str) -> tuple[str, str, int] | None:
    """Return an origin as browsers compare them (RFC 6454 §5), None for what is none."""
    scheme, _, authority = text.lower().partition("://")
    if scheme not in DEFAULT_PORTS:
        return None
    try:
        name, port = Authority.parse(authority)
    except ValueError:
        return None
    return scheme, name, DEFAULT_PORTS[scheme] if port is None else port


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
    # The page's modules are asked for anew each time, so that an upgrade never mixes them.
    caching = "no-store" if request.path.startswith(API) else "no-cache"
    response.headers.setdefault("Cache-Control", caching)
