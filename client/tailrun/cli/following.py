"""`tailrun run` and `tailrun tail`."""

import argparse
import json
import os
import sys
from contextlib import aclosing

from tailrun.cli.attempts import FOLLOWED_SECONDS, SOON_SECONDS, attempt_after
from tailrun.cli.follower import Follower, How
from tailrun.cli.given import described, values
from tailrun.cli.notes import Notes
from tailrun.cli.stdout import Stdout
from tailrun.cli.table import shown
from tailrun.cli.words import parser_of
from tailrun.client import Client
from tailrun.values import Command, Run


async def explain(client: Client, given: argparse.Namespace, _notes: Notes) -> int:
    """Print what `tailrun run` takes, and the parameters of the command that is meant."""
    command = await client.command(given.command)
    lines = (command.description or "").splitlines()
    about = "".join(f"{shown(line)}\n" for line in lines)
    sys.stdout.write(
        f"{parser_of('run').format_help()}\n{shown(command.name)}\n{about}\n"
        f"parameters:\n{described(command.parameters)}"
    )
    return 0


async def start(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """Start a command; follow its run."""
    command = await client.command(given.command)
    parameters = values(given.parameters, command.parameters, os.environ)
    run = await client.start(command.id, parameters, idempotency_key=given.idempotency_key)
    if given.detach:
        sys.stdout.write(f"{json.dumps(run.data)}\n" if given.json else f"{shown(run.id)}\n")
        return 0
    return await _followed(client, run, given, notes, command=command)


async def tail(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """Follow a run that there is."""
    run = await client.run_or_newest(given.run)
    offset = given.offset
    if given.lines is not None:
        offset = await client.offset_of_last(run.id, given.lines)
    if given.no_follow and not given.json:
        return await _copied(client, run, offset)
    return await _followed(client, run, given, notes, offset=offset)


async def _followed(
    client: Client,
    run: Run,
    given: argparse.Namespace,
    notes: Notes,
    *,
    offset: int = 0,
    command: Command | None = None,
) -> int:
    """Follow a run, and where that is asked for the attempts after it; the code is the last's."""
    seconds = FOLLOWED_SECONDS if given.retries else SOON_SECONDS
    while True:
        how = How(offset, given.stop_on_interrupt, shows_output=not given.json)
        follower = Follower(client, run, notes, how)
        code = await follower.follow()
        after = None
        if code and follower.run.ended:
            after = await attempt_after(client, follower.run, command, seconds=seconds)
        if after is not None:
            notes.say(after.told)
        if after is None or after.run is None or not given.retries:
            break
        run, offset = after.run, 0
    if given.json and follower.run.ended:
        sys.stdout.write(f"{json.dumps(follower.run.data)}\n")
    return code


async def _copied(client: Client, run: Run, offset: int) -> int:
    stdout = Stdout(sys.stdout.fileno())
    try:
        output = client.output(run.id, offset=offset, follow=False)
        async with aclosing(aiter(output)) as chunks:
            async for chunk in chunks:
                await stdout.write(chunk)
    finally:
        stdout.close()
    return 0
