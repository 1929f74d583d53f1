"""`tailrun ls`, `ps`, `stop` and `show`."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tailrun.cli.bar import amount, clock
from tailrun.cli.notes import Notes
from tailrun.cli.table import shown, table
from tailrun.client import Client
from tailrun.errors import NotFoundError
from tailrun.values import Command, Run

PAGE = 500


async def commands(client: Client, given: argparse.Namespace, _notes: Notes) -> int:
    """List commands."""
    asked = {"q": " ".join(given.words), "group": given.group}
    query = {name: value for name, value in asked.items() if value}
    found = [one async for one in client.commands(**query)]
    if given.json:
        _write_json([one.data for one in found])
    elif given.names:
        sys.stdout.write("".join(f"{shown(one.key or one.name)}\n" for one in found))
    else:
        heads = ["KEY", "NAME", "GROUP", "LAST RUN", "ENDED (UTC)", "ID"]
        sys.stdout.write(table(heads, [_command_row(one) for one in found]))
    return 0


def _command_row(one: Command) -> list[str]:
    last = one.last_run
    state = last.state if last else "never"
    ended = _minute(last.end_time) if last else ""
    return [one.key or "", one.name, one.group, state, ended, one.id]


async def runs(client: Client, given: argparse.Namespace, _notes: Notes) -> int:
    """List runs."""
    query = {"embed": "command", "limit": str(min(given.limit, PAGE) or 1)}
    if not given.all:
        query["state"] = "queued,running"
    found: list[Run] = []
    async for one in client.runs(**query):
        found.append(one)
        if len(found) >= given.limit:
            break
    found = found[: given.limit]
    if given.json:
        _write_json([one.data for one in found])
    else:
        heads = ["RUN", "COMMAND", "STATE", "CREATED (UTC)", "TOOK", "OUTPUT"]
        rows, hosts = [_run_row(one) for one in found], [_host(one) for one in found]
        if any(hosts):
            heads.append("HOST")
            rows = [[*row, host] for row, host in zip(rows, hosts, strict=True)]
        sys.stdout.write(table(heads, rows))
    return 0


def _run_row(one: Run) -> list[str]:
    command = one.data.get("command") or {}
    name = str(command.get("name", "")) or one.command_id
    state = "paused" if one.paused else "stopping" if one.stopping else one.state
    state = "host away" if one.data.get("away_since") else state
    took = clock(_seconds(one)) if one.start_time else ""
    return [one.id, name, state, _minute(one.created_at), took, amount(one.output_bytes)]


def _host(one: Run) -> str:
    """Return where a run is, where hosts meet; or the pool that it waits in."""
    name, pool = one.data.get("host_name"), one.data.get("pool")
    return str(name) if name else f"(pool {pool})" if pool else ""


def _seconds(one: Run) -> float:
    assert one.start_time is not None
    return max(((one.end_time or datetime.now(UTC)) - one.start_time).total_seconds(), 0.0)


async def stop(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """Stop a run."""
    run = await client.run_or_newest(given.run)
    kill = {"signal": "SIGKILL", "grace_seconds": 0}
    how = kill if given.kill else {"signal": given.signal, "grace_seconds": given.grace_seconds}
    run = await client.stop(run.id, **how)
    if given.wait:
        run = await client.wait(run.id)
    if given.json:
        _write_json([run.data])
    else:
        state = run.state if run.ended else "being stopped"
        notes.say(f"Run {run.id} is {state}.")
    return 0


async def show(client: Client, given: argparse.Namespace, _notes: Notes) -> int:
    """Show a command or a run."""
    try:
        data = (await client.command(given.what)).data
    except NotFoundError:
        data = (await client.run_or_newest(given.what)).data
    if given.json:
        _write_json([data])
    else:
        sys.stdout.write("".join(_told(data)))
    return 0


def _told(data: Mapping[str, Any]) -> Sequence[str]:
    """Return the fields that have something to say, a line each; the script comes last."""
    hidden = {"may", "links", "last_run", "script", "script_truncated", "description_truncated"}
    told = [
        f"{shown(name)}: {_value(value)}\n"
        for name, value in data.items()
        if name not in hidden and value not in (None, [], {}, False)
    ]
    last = data.get("last_run")
    if last:
        told.append(f"last run: {shown(last['id'])} {shown(last['state'])}\n")
    if data.get("script"):
        told.append(
            "script:\n" + "".join(f"  {shown(one)}\n" for one in data["script"].split("\n"))
        )
    return told


def _value(value: Any) -> str:
    if isinstance(value, str):
        return "\n  ".join(shown(line) for line in value.split("\n"))
    return shown(json.dumps(value, ensure_ascii=False))


def _minute(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if moment else ""


def _write_json(values: Sequence[Mapping[str, Any]]) -> None:
    sys.stdout.write("".join(f"{json.dumps(one)}\n" for one in values))
