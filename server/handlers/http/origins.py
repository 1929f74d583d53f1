"""Where a request goes and where it comes from: names of ours, pages of ours or of others.

A page of another site can make a browser send requests here. Its name in `Origin` gives it
away; where it had its own name point here (DNS rebinding) `Host` does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiohttp import hdrs, web

from server.handlers.http.authority import LOOPBACK_NAMES, Authority
from server.handlers.http.problems import shown

OTHER_SITES = frozenset({"cross-site", "same-site"})
"""Fetch Metadata: `same-site` is another port, or another name of the same domain."""

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request says of where it goes and where it comes from; `scheme` is the client's."""

    hosts: Sequence[str]
    origins: Sequence[str] = ()
    scheme: str = "http"
    fetch_site: str | None = None
    is_navigation: bool = False

    @classmethod
    def of(cls, request: web.Request, scheme: str) -> "Asked":
        """Read a request's headers; its scheme is what the client asked by."""
        return cls(
            hosts=request.headers.getall(hdrs.HOST, []),
            origins=request.headers.getall(hdrs.ORIGIN, []),
            scheme=scheme,
            fetch_site=request.headers.get("Sec-Fetch-Site"),
            is_navigation=(
                request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
            ),
        )

    @property
    def is_same_origin(self) -> bool:
        """Whether a browser says that the request is of a page of ours."""
        # A browser's word outweighs a Host that a proxy has rewritten: browsers alone write
        # Sec-Fetch-Site, only to addresses that nobody can take the name of (https, localhost).
        if self.fetch_site == "same-origin":
            return True
        if len(self.origins) != 1 or len(self.hosts) != 1:
            return False
        own = _origin(f"{self.scheme}://{self.hosts[0]}")
        return own is not None and _origin(self.origins[0]) == own


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
    # A person who follows a link here from another site does no harm with GET.
    if asked.fetch_site in OTHER_SITES and not asked.is_navigation:
        return "Cross-origin request refused: it comes from a page of another site."
    if not asked.origins or asked.is_same_origin:
        return None
    [origin], [host] = asked.origins, asked.hosts
    return (
        f"Cross-origin request from {shown(origin)} refused: it was sent to"
        f" {shown(f'{asked.scheme}://{host}')}. Where a proxy stands in between, have it pass on"
        " the Host header (nginx: `proxy_set_header Host $http_host;`), and `X-Forwarded-Proto:"
        " https` where it ends TLS."
    )


def cookie_refusal(asked: Asked) -> str | None:
    """Say why a session's cookie is not taken from a request; None when it is.

    A browser adds the cookie by itself, so the request must also be known to be our page's: it is
    not enough that nothing speaks against it.
    """
    if asked.is_same_origin and asked.fetch_site not in OTHER_SITES:
        return None
    return (
        "The session's cookie is taken from Tailrun's own page alone: with the header Origin of"
        " this address, or `Sec-Fetch-Site: same-origin`. Programs use a token, in the header"
        " `Authorization: Bearer …`."
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
