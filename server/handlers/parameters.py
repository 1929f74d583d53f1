"""What handlers read from a request, beyond what the schemas check."""

from typing import Any
from uuid import UUID

from aiohttp import web

from server.errors import CommandNotFoundError, NotFoundError, RunNotFoundError


def body(request: web.Request) -> dict[str, Any]:
    """Return the checked fields of the body."""
    fields: dict[str, Any] = request["json"]
    return fields


def query(request: web.Request) -> dict[str, Any]:
    """Return the checked parameters of the query."""
    fields: dict[str, Any] = request["querystring"]
    return fields


def command_id(request: web.Request) -> UUID:
    """Return the command's id in the path."""
    return _id(request, "command", CommandNotFoundError)


def run_id(request: web.Request) -> UUID:
    """Return the run's id in the path."""
    return _id(request, "run", RunNotFoundError)


def _id(request: web.Request, thing: str, error: type[NotFoundError]) -> UUID:
    text = request.match_info["id"]
    try:
        value = UUID(text)
    except ValueError:
        value = None
    if value is None or str(value) != text.lower():
        raise error(f"There is no {thing} {text!r}; ids are UUIDs such as those of the list.")
    return value
