"""The cookie of a session: its name, and when one is looked at."""

from aiohttp import hdrs, web

from server.handlers.http.authority import Authority

SECURE_NAME = "__Host-tailrun"
"""Over TLS; browsers hold what begins so to one host, to TLS and to every path."""

DEFAULT_PORT = 80
FETCH_SITE = "Sec-Fetch-Site"


def cookie_name(request: web.Request, scheme: str) -> str | None:
    """Return the name of a session's cookie where a request was sent to; None: there is none.

    Without TLS there is one on loopback names alone, with the port in it: cookies do not keep
    ports apart, and another Tailrun may be at the next one.
    """
    if scheme == "https":
        return SECURE_NAME
    try:
        authority = Authority.parse(request.host)
    except ValueError:
        return None
    if not authority.is_loopback:
        return None
    return f"tailrun-{DEFAULT_PORT if authority.port is None else authority.port}"


def is_same_origin(request: web.Request) -> bool:
    """Return whether a browser says that a page of ours sends a request.

    An `Origin` is ours: handlers/http/guard.py has refused every other.
    """
    return hdrs.ORIGIN in request.headers or request.headers.get(FETCH_SITE) == "same-origin"
