"""The bound on connections."""

from aiohttp import web

from server.handlers import keys
from server.handlers.problems import RETRY_AFTER_SECONDS, Handler, problem


@web.middleware
async def connections(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn requests away, and close their connections, while there are too many of these.

    The service's health is told all the same.
    """
    bound = request.app[keys.SETTINGS].max_connections
    server = request.app[keys.SERVER].server
    if server is None or len(server.connections) <= bound or request.path == "/healthz":
        return await handler(request)
    answer = problem(
        503,
        f"There are more connections than the bound TAILRUN_MAX_CONNECTIONS, {bound}.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )
    answer.force_close()
    return answer
