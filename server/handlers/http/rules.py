"""What each route asks of whoever asks: a right, and of which thing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from aiohttp import web

from server.access import Right
from server.errors import StartupError, TailrunError
from server.handlers.http.answers import API
from server.handlers.http.problems import Handler

Refuse = Callable[[web.Request, TailrunError], Awaitable[web.StreamResponse]]
"""Answers a request that is refused where no status can say why; raises the error where one can."""


class Thing(Enum):
    """What a path names, and whose group counts."""

    COMMAND = "commands"
    RUN = "runs"
    SCHEDULE = "schedules"
    HOOK = "hooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a route asks for: a right, in the group of the thing that its path names, if any.

    Without a thing the right in some group will do, and the handler keeps to those groups. Whoever
    has the metrics' token may use a route that `takes_metrics_token`.
    """

    right: Right
    thing: Thing | None = None
    refuse: Refuse | None = None
    takes_metrics_token: bool = False


RULES: web.AppKey[dict[web.AbstractRoute, Rule]] = web.AppKey("rules")


def add_route(
    app: web.Application,
    method: str,
    path: str,
    handler: Handler,
    right: Right,
    *,
    refuse: Refuse | None = None,
    takes_metrics_token: bool = False,
) -> None:
    """Add a route with the right that it asks for."""
    app[RULES][app.router.add_route(method, path, handler)] = Rule(
        right=right,
        thing=next((one for one in Thing if path.startswith(f"{API}/{one.value}/{{id}}")), None),
        refuse=refuse,
        takes_metrics_token=takes_metrics_token,
    )


def check_rules(app: web.Application) -> None:
    """Refuse an application that has a route without a right.

    Raises:
        StartupError: it names the route.
    """
    for route in app.router.routes():
        if route not in app[RULES]:
            path = "?" if route.resource is None else route.resource.canonical
            raise StartupError(
                f"The route {route.method} {path} names no right: whom it lets in is not known."
                " Add it by `add_route`, with the right that it asks for."
            )
