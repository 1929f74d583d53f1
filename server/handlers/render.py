"""From the services' values to JSON answers."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from server.handlers import schemas
from server.models import Command, Run
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
        body=orjson.dumps(value),
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )


def run_json(view: RunView) -> dict[str, Any]:
    """Write a run."""
    run = view.run
    path = f"{API}/runs/{run.id}"
    links = {
        "self": path,
        "command": f"{API}/commands/{run.command_id}",
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


def stored_run_json(run: Run) -> dict[str, Any]:
    """Write a run that has ended."""
    return run_json(RunView.stored(run))


def command_json(view: CommandView, *, run_field: str = "last_run") -> dict[str, Any]:
    """Write a command and, in `run_field`, its newest run."""
    return _command(view.command) | {
        run_field: None if view.last_run is None else run_json(view.last_run)
    }


def _command(command: Command) -> dict[str, Any]:
    answer: dict[str, Any] = _COMMAND.dump(command)
    return answer
