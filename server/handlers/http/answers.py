"""What all answers of the API have in common: JSON, and paths that lead on."""

from collections.abc import Mapping

import orjson
from aiohttp import web

from server.handlers.http.keys import HTTP

API = "/api/v1"


def json_response(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with JSON."""
    return web.Response(
        body=orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE),
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )


def base_path(request: web.Request) -> str:
    """Return what the paths that clients are given begin with."""
    return request.app[HTTP].base_path


def location(request: web.Request, path: str) -> dict[str, str]:
    """Return the header that leads to what a request has made, at a path under API."""
    return {"Location": f"{base_path(request)}{API}/{path}"}


def replay(*, replayed: bool) -> dict[str, str]:
    """Return the header of an answer that is given again."""
    return {"Idempotent-Replayed": "true"} if replayed else {}
