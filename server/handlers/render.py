"""From the services' values to JSON answers."""

from typing import Any

from server.handlers.http.answers import API
from server.services.commands import CommandView, warnings
from server.services.running.live import RunView


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
