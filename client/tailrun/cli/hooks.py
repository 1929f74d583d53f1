"""`tailrun hooks`: what other services start a command by."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tailrun.cli.notes import Notes
from tailrun.cli.table import table
from tailrun.client import Client
from tailrun.errors import AmbiguousError, NotFoundError

Told = Mapping[str, Any]


async def hooks(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """List a command's hooks, turn one on or off, or give it a new secret."""
    command = await client.command(given.command)
    found = await client.hooks(command.id)
    if given.new_secret is not None:
        hook = await client.new_secret(_one(found, given.new_secret)["id"])
        # The secret alone, so that it can be handed on and stands in no log.
        sys.stdout.write(f"{json.dumps(hook) if given.json else hook['secret']}\n")
        notes.say(f"The hook {hook['name']} has this secret, and refuses the one before.")
        return 0
    name = given.enable if given.disable is None else given.disable
    if name is not None:
        path, is_on = f"hooks/{_one(found, name)['id']}", given.disable is None
        hook = await client.ask("PATCH", path, body={"enabled": is_on})
        found = [hook if one["id"] == hook["id"] else one for one in found]
    sys.stdout.write(
        "".join(f"{json.dumps(one)}\n" for one in found) if given.json else _table(found)
    )
    return 0


def _table(found: Sequence[Told]) -> str:
    heads = ["NAME", "SCHEME", "EVENTS", "STATE", "SENT TO", "ID"]
    return table(heads, [_row(one) for one in found])


def _row(hook: Told) -> list[str]:
    events = ", ".join(hook["events"]) or "all"
    # A server of before it could be turned off says nothing of that.
    state = "on" if hook.get("enabled", True) else "turned off"
    return [hook["name"], hook["scheme"], events, state, hook["deliveries"], hook["id"]]


def _one(found: Sequence[Told], name: str) -> Told:
    """Return the hook of a name, or of an id.

    Raises:
        NotFoundError: there is none.
        AmbiguousError: several have this name.
    """
    named = [one for one in found if name in (one["name"], one["id"])]
    if len(named) > 1:
        raise AmbiguousError(f"Several hooks are called {name!r}. Name one by its id.")
    if not named:
        known = ", ".join(one["name"] for one in found) or "none"
        text = f"There is no hook {name!r}; the command has: {known}."
        raise NotFoundError(text, status=404, kind="hook-not-found")
    return named[0]
