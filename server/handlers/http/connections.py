"""The limits on connections, and on what waits for them, as requests meet them."""

from aiohttp import web

from server.handlers.http import keys
from server.handlers.http.problems import RETRY_AFTER_SECONDS, Handler, problem


@web.middleware
async def connections(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests, and close their connections, while all others have requests under way.

    The service's health is answered all the same.
    """
    gates = request.app[keys.GATES]
    with gates.serving(request):
        if gates.full and request.path != "/healthz":
            return _refusal(
                f"There are more connections than the limit TAILRUN_MAX_CONNECTIONS, {gates.limit}."
            )
        answer = await handler(request)
        if not gates.has_room_for(answer):
            return _refusal("Too many answers wait for clients that do not take them.")
        return answer


def _refusal(detail: str) -> web.Response:
    answer = problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    answer.force_close()
    return answer
