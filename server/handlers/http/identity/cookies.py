"""The cookie of a session: what it is called, and where there may be one."""

from dataclasses import dataclass

from aiohttp import hdrs, web

from server.errors import ForbiddenError
from server.handlers.http.authority import Authority
from server.handlers.http.origins import DEFAULT_PORTS

SECURE_NAME = "__Host-tailrun"
"""Over TLS; browsers hold what begins so to one host, to TLS and to every path
(https://datatracker.ietf.org/doc/draft-ietf-httpbis-rfc6265bis/, section 4.1.3.2)."""

MAX_AGE_SECONDS = 7 * 86_400
"""As long as a session lasts at most (services/access/sessions.py)."""


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """A session's cookie, as it is called where a request was sent to."""

    name: str
    secure: bool

    @classmethod
    def at(cls, host: str, *, secure: bool, base_path: str) -> "SessionCookie | None":
        """Return the cookie for a Host header; None where none may be.

        `secure` is whether the browser has sent the request over TLS. Without that, whoever is in
        between could read it, but for a name of loopback's.
        """
        # Cookies are the same for all ports of a host, and with the path / for all of its paths:
        # servers that share a host name each have a cookie of their own.
        apart = base_path.replace("/", "+")
        if secure:
            return cls(f"{SECURE_NAME}{apart}", secure=True)
        try:
            authority = Authority.parse(host)
        except ValueError:
            return None
        if not authority.is_loopback:
            return None
        port = DEFAULT_PORTS["http"] if authority.port is None else authority.port
        return cls(f"tailrun-{port}{apart}", secure=False)

    def set(self, response: web.StreamResponse, value: str) -> None:
        """Have the browser keep a value."""
        self._write(response, value, MAX_AGE_SECONDS)

    def remove(self, response: web.StreamResponse) -> None:
        """Have the browser forget the value."""
        self._write(response, "", 0)

    def _write(self, response: web.StreamResponse, value: str, max_age_seconds: int) -> None:
        response.set_cookie(
            self.name,
            value,
            path="/",  # __Host- takes no other
            max_age=max_age_seconds,
            secure=self.secure,
            httponly=True,
            samesite="Strict",
        )


ENDED = web.RequestKey("ended", SessionCookie)
"""Of a request whose session has ended: the cookie that it came with."""


async def take_back_ended(request: web.Request, response: web.StreamResponse) -> None:
    """Have the browser forget a cookie that was refused (a signal handler).

    With it nobody is let in, who may be known without it, as a user of this host.
    """
    cookie = request.get(ENDED)
    if cookie is not None:
        removing = web.Response()
        cookie.remove(removing)
        # Those that are set by now have become headers already.
        for one in removing.cookies.values():
            response.headers.add(hdrs.SET_COOKIE, one.OutputString())


def none_may_be(host: str) -> ForbiddenError:
    """Say why nobody can sign in at this address, and what to do."""
    return ForbiddenError(
        f"Nobody can sign in at http://{host}: over plain HTTP a cookie can be read on its way."
        " Use https, or a loopback name such as localhost. Where a proxy ends TLS, name it in"
        " TAILRUN_TRUSTED_PROXIES and have it send `X-Forwarded-Proto: https`."
    )
