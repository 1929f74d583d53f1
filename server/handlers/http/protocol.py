"""aiohttp's protocol of a connection, but for its answer to what is no HTTP."""

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from server.handlers.http.problems import problem

NO_HTTP = "This is no valid HTTP request: its first line or a header has what may not stand there."
TOO_LONG = "The request's first line or a header is too long."


class Protocol(web.RequestHandler):
    """Answers what is no HTTP without repeating it.

    aiohttp shows the line that it cannot read. That may be the one with the token, to which a shell
    has added a carriage return, and the answer may end in the log of a pipeline.
    """

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to a request that cannot be read, or whose handling failed."""
        answer = super().handle_error(request, status, exc, message)
        if isinstance(exc, HttpProcessingError):
            answer = problem(status, TOO_LONG if isinstance(exc, LineTooLong) else NO_HTTP)
            answer.force_close()
        return answer
