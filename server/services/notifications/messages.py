"""What a target is told: the command, the run, where to look, and the last lines of the output."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson

from server.errors import ArchiveDamagedError
from server.models import CommandLabel, Run
from server.notifications import Notification
from server.repositories.commands import CommandRepository
from server.services.runs import RunService

LAST_LINES = 20
LAST_BYTES = 16 * 1024
"""Of an output, at most."""

TITLE_CHARACTERS = 200

TOLD = {
    "failed": "failed",
    "recovered": "recovered",
    "succeeded": "succeeded",
    "late": "is late",
    "long": "takes long",
}
"""What an occasion is called in a title, behind the command's name."""

# CSI and OSC sequences, and every other control character but a tab (ECMA-48).
_CONTROLS = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0a-\x1f\x7f]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent: the id of the notification, a text for people, and JSON for programs."""

    id: UUID
    title: str
    text: str
    body: bytes


class Messages:
    """Makes messages of notifications; `address` is where people reach Tailrun, mostly set."""

    def __init__(
        self, commands: CommandRepository, runs: RunService, address: Callable[[], str]
    ) -> None:
        self._commands = commands
        self._runs = runs
        self._address = address

    async def of(self, notification: Notification) -> Message:
        """Return what is sent.

        Raises:
            NotFoundError: the command or the run was deleted.
            DatabaseUnavailableError: they cannot be read now.
        """
        command = await self._commands.get(notification.command_id)
        run = None
        lines: list[str] = []
        if notification.run_id is not None:
            run = (await self._runs.get(notification.run_id)).run
            lines = await self._last_lines(run.id)
        label = CommandLabel(command.id, command.name, command.group)
        path = f"runs/{run.id}" if run is not None else f"commands/{command.id}"
        link = f"{self._address().rstrip('/')}/#/{path}"
        return Message(
            id=notification.id,
            title=_title(notification, label, run),
            text="\n".join([link, *([""] if lines else []), *map(_plain, lines)]),
            body=orjson.dumps(
                {
                    "type": _type(notification),
                    "timestamp": _moment(notification.created_at),
                    "data": {
                        "command": {"id": label.id, "name": label.name, "group": label.group},
                        "run": None if run is None else _shown(run),
                        "link": link,
                        "last_lines": lines,
                        "details": notification.details,
                    },
                }
            ),
        )

    async def _last_lines(self, run_id: UUID) -> list[str]:
        data = bytearray()
        try:
            async with self._runs.output(run_id) as output:
                size = output.size
                offset = max(await output.tail_offset(LAST_LINES), size - LAST_BYTES)
                while offset < size:
                    piece = await output.read(offset, size - offset)
                    data += piece
                    offset += len(piece)
        except ArchiveDamagedError:  # the run's reason says so
            return []
        return data.decode("utf-8", "replace").removesuffix("\n").split("\n") if data else []


def trial_message(identifier: UUID, target: str, moment: datetime, address: str) -> Message:
    """Return a message that only shows that a target is reached."""
    title = f"A test of the notification target {target}"
    return Message(
        id=identifier,
        title=title,
        text=address or title,
        body=orjson.dumps(
            {
                "type": "test",
                "timestamp": _moment(moment),
                "data": {"target": target, "link": address},
            }
        ),
    )


def _type(notification: Notification) -> str:
    return f"{'command' if notification.run_id is None else 'run'}.{notification.occasion}"


def _title(notification: Notification, command: CommandLabel, run: Run | None) -> str:
    told = TOLD.get(notification.occasion, notification.occasion)
    return f"{command.name} {told}{'' if run is None else _how(run)}"[:TITLE_CHARACTERS]


def _how(run: Run) -> str:
    """Return how a run ended that did not succeed, in brackets."""
    if run.signal is not None:
        return f" ({run.state.value}, {run.signal})"
    if run.exitcode:
        return f" (exit code {run.exitcode})"
    return f" ({run.state.value})" if run.state.final and run.exitcode is None else ""


def _shown(run: Run) -> dict[str, object]:
    return {
        "id": run.id,
        "state": run.state.value,
        "exitcode": run.exitcode,
        "signal": run.signal,
        "reason": run.reason,
        "start_time": _moment(run.start_time),
        "end_time": None if run.end_time is None else _moment(run.end_time),
        "attempt": run.attempt,
        "output_bytes": run.output_bytes,
    }


def _moment(moment: datetime) -> str:
    return moment.isoformat()


def _plain(line: str) -> str:
    """Return a line as a chat can show it: without what moves a terminal's cursor or colours."""
    return _CONTROLS.sub("", line)
