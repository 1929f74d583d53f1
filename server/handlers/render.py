"""From the services' values to JSON answers."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from server.handlers import schemas
from server.handlers.keys import SETTINGS
from server.models import Command
from server.services.commands import CommandView
from server.services.live import RunView

API = "/api/v1"

_RUN = schemas.RunSchema()
_COMMAND = schemas.StoredCommandSchema()


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
    """Return what stands before the paths that clients are told."""
    return request.app[SETTINGS].base_path


def location(request: web.Request, path: str) -> dict[str, str]:
    """Return the header that leads to what a request has made, at a path under API."""
    return {"Location": f"{base_path(request)}{API}/{path}"}


def run_json(view: RunView, base: str) -> dict[str, Any]:
    """Write a run; its links begin with `base` (TAILRUN_BASE_PATH)."""
    run = view.run
    path = f"{base}{API}/runs/{run.id}"
    links = {
        "self": path,
        "command": f"{base}{API}/commands/{run.command_id}",
        "output": f"{path}/output",
        "ws": f"{path}/ws",
    }
    answer: dict[str, Any] = _RUN.dump(run)
    return answer | {
        "stopping": view.stopping,
        "paused": view.paused,
        "output_bytes": view.output_bytes,
        "links": links,
    }


def command_json(view: CommandView, base: str, *, run_field: str = "last_run") -> dict[str, Any]:
    """Write a command and, in `run_field`, its newest run."""
    return _command(view.command) | {
        run_field: None if view.last_run is None else run_json(view.last_run, base)
    }


def _command(command: Command) -> dict[str, Any]:
    answer: dict[str, Any] = _COMMAND.dump(command)
    return answer
