"""`tailrun schedules`, `pause` and `resume`: when commands start by themselves, and why not."""

import argparse
import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from tailrun.cli.notes import Notes
from tailrun.cli.table import shown, table
from tailrun.client import Client
from tailrun.values import Command

Told = Mapping[str, Any]


async def schedules(client: Client, given: argparse.Namespace, _notes: Notes) -> int:
    """List all schedules; or tell of a command's what they started, and why or why not."""
    if given.command is None:
        found = [one async for one in client.schedules()]
        heads = ["COMMAND", "CRON", "TIME ZONE", "NEXT", "ID"]
        rows = [[_name(one), one["cron"], one["time_zone"], _next(one), one["id"]] for one in found]
        sys.stdout.write(_as_json(found) if given.json else table(heads, rows))
        return 0
    command = await client.command(given.command)
    told = [one async for one in _with_fires(client, command, given)]
    lines = "\n".join(f"{shown(line)}" for one in told for line in _told(one))
    sys.stdout.write(_as_json(told) if given.json else f"{lines}\n" if lines else "")
    return 0


async def _with_fires(
    client: Client, command: Command, given: argparse.Namespace
) -> AsyncIterator[Told]:
    """Iterate over a command's schedules, each with what came of its due times as `fires`."""
    asked = {"limit": str(given.limit)} if given.at is None else {"at": given.at.isoformat()}
    async for one in client.schedules(command.id):
        page = await client.ask("GET", f"schedules/{one['id']}/fires", query=asked)
        yield {**one, "fires": page["items"]}


async def pause(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """Have nothing start a command by itself."""
    until = given.until
    if given.duration is not None:
        until = datetime.now().astimezone() + timedelta(seconds=given.duration)
    command = await client.command(given.command)
    command = await client.pause(command.id, note=given.note, until=until)
    notes.say(f"{command.name} {_paused(command.data['paused'])}. Whoever starts it may.")
    return 0


async def resume(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """End a command's pause."""
    command = await client.command(given.command)
    await client.resume(command.id)
    notes.say(f"{command.name} is started by its schedules and hooks again.")
    return 0


def _told(schedule: Told) -> Iterator[str]:
    """Iterate over the lines that tell of a schedule."""
    yield f"{schedule['cron']} ({schedule['time_zone']}): {schedule['words']}"
    yield f"  id: {schedule['id']}"
    if schedule["paused"] is not None:
        yield f"  the command {_paused(schedule['paused'])}"
    if not schedule["enabled"]:
        yield "  turned off: it starts nothing"
    for time in schedule["next_times"]:
        yield f"  next: {_moment(time)}"
    for fire in schedule["fires"]:
        yield f"  {_fire(fire)}"


def _fire(fire: Told) -> str:
    """Return what came of a due time, or of several."""
    several = f" to {_moment(fire['last_due_at'])} ({fire['count']} times)"
    due = _moment(fire["due_at"]) + (several if fire["count"] > 1 else "")
    run = f", run {fire['run_id']}" if fire["run_id"] else ""
    why = f": {fire['reason']}" if fire["reason"] else ""
    return f"due: {due}, {fire['outcome'].replace('_', ' ')}{run}{why}"


def _next(schedule: Told) -> str:
    if not schedule["enabled"]:
        return "turned off"
    if schedule["paused"] is not None:
        return _paused(schedule["paused"])
    return _moment(schedule["next_times"][0]) if schedule["next_times"] else ""


def _paused(pause: Told) -> str:
    until = f" until {_moment(pause['until'])}" if pause["until"] else ""
    by = f" by {pause['by']}" if pause["by"] else ""
    return f"is paused{until}{by}" + (f": {pause['note']}" if pause["note"] else "")


def _name(schedule: Told) -> str:
    return str(schedule["command"]["name"])


def _moment(text: str) -> str:
    """Return a moment as it is written in its time zone, to the second."""
    return datetime.fromisoformat(text).isoformat(sep=" ", timespec="seconds")


def _as_json(values: list[Any]) -> str:
    return "".join(f"{json.dumps(one)}\n" for one in values)
