"""The bound on connections, as requests meet it."""

from aiohttp import web

from server.handlers import keys
from server.handlers.problems import RETRY_AFTER_SECONDS, Handler, problem


@web.middleware
async def connections(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn requests away, and close their connections, while all others have requests under way.

    The service's health is told all the same.
    """
    gates = request.app[keys.GATES]
    with gates.serving(request):
        if not gates.full or request.path == "/healthz":
            return await handler(request)
        answer = problem(
            503,
            f"There are more connections than the bound TAILRUN_MAX_CONNECTIONS, {gates.bound}.",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )
        answer.force_close()
        return answer
