"""From the services' values to JSON answers."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from aiohttp import web

from server.handlers.http.keys import SETTINGS
from server.services.commands import CommandView, warnings
from server.services.running.live import RunView

API = "/api/v1"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


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
    return request.app[SETTINGS].http.base_path


def location(request: web.Request, path: str) -> dict[str, str]:
    """Return the header that leads to what a request has made, at a path under API."""
    return {"Location": f"{base_path(request)}{API}/{path}"}


def replay(*, replayed: bool) -> dict[str, str]:
    """Return the header of an answer that is given again."""
    return {"Idempotent-Replayed": "true"} if replayed else {}


def run_json(view: RunView, base: str) -> dict[str, Any]:
    """Write a run as schemas.RunSchema tells; its links begin with `base` (TAILRUN_BASE_PATH).

    It is written by hand: lists have hundreds, and marshmallow takes 20 times as long.
    """
    run = view.run
    path = f"{base}{API}/runs/{run.id}"
    return {
        "id": str(run.id),
        "command_id": str(run.command_id),
        "state": run.state.value,
        "stopping": view.stopping,
        "paused": view.paused,
        "created_at": run.created_at.isoformat(),
        "start_time": run.start_time.isoformat(),
        "end_time": None if run.end_time is None else run.end_time.isoformat(),
        "exitcode": run.exitcode,
        "signal": run.signal,
        "reason": run.reason,
        "output_bytes": view.output_bytes,
        "output_lines": run.output_lines,
        "links": {
            "self": path,
            "command": f"{base}{API}/commands/{run.command_id}",
            "output": f"{path}/output",
            "ws": f"{path}/ws",
        },
    }


def command_json(view: CommandView, base: str, *, run_field: str = "last_run") -> dict[str, Any]:
    """Write a command and, in `run_field`, its newest run."""
    command = view.command
    return {
        "id": str(command.id),
        "name": command.name,
        "description": command.description,
        "description_truncated": command.description_truncated,
        "script": command.script,
        "script_truncated": command.script_truncated,
        "warnings": warnings(command.script),
        "created_at": command.created_at.isoformat(),
        "updated_at": command.updated_at.isoformat(),
        run_field: None if view.last_run is None else run_json(view.last_run, base),
    }


def version_tag(view: CommandView) -> dict[str, str]:
    """Return the header that tells a command's version: it changes with what the user wrote."""
    return {"ETag": f'"{(view.command.updated_at - EPOCH) // MICROSECOND:x}"'}


def version_of(tag: str) -> datetime | None:
    """Return the `updated_at` that an ETag's text tells; None when it is none of ours."""
    try:
        return EPOCH + int(tag, 16) * MICROSECOND
    except (ValueError, OverflowError):
        return None
