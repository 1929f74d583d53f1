"""The attempt that follows a run which ended badly, as its command's `retries` have it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tailrun.cli.table import shown
from tailrun.client import Client
from tailrun.errors import ClientError
from tailrun.values import Command, Run

FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.05, 1.0
ASK_SECONDS = 2.0
"""So long an exit waits for what the command says of retries."""

SOON_SECONDS = 5.0
"""So long an exit waits for the attempt, to name it: it is made once the end is stored."""

FOLLOWED_SECONDS = 60.0
"""So long it is waited for by whoever follows it: a server looks for ends twice a minute."""


class Attempt(NamedTuple):
    """A further attempt; `run` is None where it has not been made yet."""

    number: int
    most: int
    run: Run | None
    command_id: str

    @property
    def told(self) -> str:
        """A sentence that says it."""
        due = "" if self.run is None else _due(self.run.data.get("not_before"))
        which = self.command_id if self.run is None else self.run.id
        return f"Attempt {self.number} of {self.most} follows{due}: `tailrun tail {shown(which)}`."


async def attempt_after(
    client: Client, run: Run, command: Command | None, *, seconds: float
) -> Attempt | None:
    """Return the attempt after a run that has ended; None: there is none, or nobody can say.

    It is waited for so long. The command is asked for where None is given.
    """
    try:
        async with asyncio.timeout(ASK_SECONDS):
            said = command or await client.command(run.command_id)
    except (ClientError, TimeoutError):
        return None
    retries = said.data.get("retries")
    if not retries or said.data.get("paused") or not is_tried_again(run, retries):
        return None
    found = None
    with suppress(ClientError, TimeoutError):
        async with asyncio.timeout(seconds):
            found = await _made(client, run)
    return Attempt(_number(run) + 1, retries["limit"] + 1, found, run.command_id)


def is_tried_again(run: Run, retries: Mapping[str, Any]) -> bool:
    """Return whether a run that ended in this way is tried again. Pure."""
    if _number(run) > retries["limit"] or run.state not in retries["on"]:
        return False
    codes = retries.get("exit_codes")
    return run.state != "failed" or not codes or run.exitcode in codes


async def _made(client: Client, run: Run) -> Run:
    pause = FIRST_PAUSE_SECONDS
    while True:
        async for found in client.runs(retry_of=run.id, limit="1"):
            return found
        await asyncio.sleep(pause)
        pause = min(2 * pause, LAST_PAUSE_SECONDS)


def _number(run: Run) -> int:
    return int(run.data.get("attempt") or 1)


def _due(moment: str | None) -> str:
    """Return when it is due, if that is later than now."""
    at = None if moment is None else datetime.fromisoformat(moment).astimezone(UTC)
    return f" at {at:%Y-%m-%d %H:%M:%S} UTC" if at is not None and at > datetime.now(UTC) else ""
