"""`tailrun apply` and `tailrun export`."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tailrun.cli.notes import Notes
from tailrun.cli.table import shown
from tailrun.client import Client
from tailrun.errors import RefusedError
from tailrun.files.commands import placed, read_commands
from tailrun.files.difference import difference, summary
from tailrun.files.writing import HEADER, as_yaml

Item = Mapping[str, Any]
"""What becomes of a command, as the server tells it."""


async def apply(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """Show what files change of a server's commands, and change it, all or nothing."""
    items = [item for path in given.files for item in read_commands(Path(path))]
    commands = [item.fields for item in items]
    try:
        told = await client.apply(commands, prune=given.prune, dry_run=True)
        if not given.json:
            lines = (f"{shown(line)}\n" for line in difference(told["items"]))
            sys.stdout.writelines(lines)
            sys.stdout.flush()
        if not given.dry_run:
            # What was shown is what is done, or nothing.
            planned = told
            told = await client.apply(commands, prune=given.prune, plan=told["plan"])
            _tell_if_lost(planned["items"], told["items"], notes)
            if not given.json:
                _tell_secrets(told.get("secrets", ()), notes)
    except RefusedError as error:
        raise placed(error, items) from error
    if given.json:
        sys.stdout.write(f"{json.dumps(told)}\n")
    would = "would be " if given.dry_run else ""
    notes.say(f"{would}{summary(told['items'])}")
    return 0


def _tell_if_lost(planned: Sequence[Item], told: Sequence[Item], notes: Notes) -> None:
    """Tell that nothing was left to do: an answer that is lost on the way is asked for again."""
    if any(map(_changes, told)) or not any(map(_changes, planned)):
        return
    notes.say(
        "It was done already: the answer was lost on the way and asked for again, or somebody else"
        " did the same."
    )
    hooked = [
        one["key"] for one in planned for change in one["changes"] if change["field"] == "hooks"
    ]
    for key in hooked:
        notes.say(
            f"The secrets of hooks of {key} that were made are not to be had again:"
            f" `tailrun hooks {key} --new-secret NAME` makes another one."
        )


def _changes(item: Item) -> bool:
    return bool(item["outcome"] != "unchanged")


def _tell_secrets(secrets: Sequence[Mapping[str, str]], notes: Notes) -> None:
    """Tell of hooks that were made where to send, and the secret: to people, and to no log."""
    for one in secrets:
        told = f"The hook {one['name']} of {one['key']} takes what is sent to {one['deliveries']}"
        if notes.on_terminal:
            notes.say(f"{told}, signed by the secret {one['secret']}, which is shown this once.")
        else:
            notes.say(
                f"{told}. Its secret is shown on a terminal alone, or by --json:"
                f" `tailrun hooks {one['key']} --new-secret '{one['name']}'` makes another one."
            )


async def export(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """Print commands as a file that `apply` reads."""
    written = ""
    async for command in client.exported(group=given.group):
        sys.stdout.write("" if written else HEADER)
        sys.stdout.write(written := as_yaml(command))
    if not written:
        sys.stdout.write("commands: []\n")
    keyless = sum([1 async for one in client.commands(**_group(given)) if one.key is None])
    if keyless:
        notes.say(f"{keyless} commands have no key, and are left out: give them one to have them.")
    return 0


def _group(given: argparse.Namespace) -> dict[str, str]:
    return {} if given.group is None else {"group": given.group}
