"""The command line of `tailrun nats-config`: tells NATS whom it is to let in."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from server.beside import beside_server
from server.errors import EnrolmentError
from server.process.environment import take_environment
from server.process.outlet import Outlet
from server.process.words import begin, told_in_a_line
from server.repositories.database.database import Database
from server.repositories.enrolments import EnrolmentRepository
from server.repositories.fleet_keys import FleetKeyRepository
from server.services.fleet.engine_users import User, users_file
from server.services.tasks import forever
from server.settings.groups import Settings

WATCH_SECONDS = 2.0
FILE = "tailrun-users.conf"

logger = logging.getLogger(__name__)


def write(arguments: Sequence[str]) -> int:
    """Write NATS's users, once or whenever they change; return the exit code."""
    asked, rest = _parser().parse_known_args(arguments)

    def work(errors: Outlet) -> int:
        settings = begin(rest, errors)
        take_environment(settings)
        with suppress(asyncio.CancelledError, KeyboardInterrupt):
            asyncio.run(_write(settings, asked))
        return 0

    return told_in_a_line(work, "The users were not written", asked.file)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tailrun nats-config",
        description="Write whom nats-server is to let in: the servers, and each worker with what it"
        " may say and hear. Its configuration includes the file. Settings may follow.",
        allow_abbrev=False,
    )
    parser.add_argument("--file", type=Path, help="where to write it; by default stdout")
    parser.add_argument(
        "--reload",
        type=Path,
        metavar="PID_FILE",
        help="of the nats-server that is to read it anew, also where it is as it was",
    )
    parser.add_argument(
        "--watch", action="store_true", help="go on, and write it whenever it changes"
    )
    return parser


async def _write(settings: Settings, asked: argparse.Namespace) -> None:
    if asked.file is None and (asked.watch or asked.reload):
        raise EnrolmentError("--watch and --reload need a --file, which nats.conf includes.")
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    async with beside_server(settings) as database:
        if asked.file is None:
            sys.stdout.write(await _users(database, FILE))
            return
        users = _Users(database, asked.file, asked.reload)
        if not asked.watch:
            await users.renew()
            return
        await forever(users.renew, seconds=WATCH_SECONDS, name="nats-config")


async def _users(database: Database, file: str) -> str:
    """Return whom NATS is to let in, as its configuration has it."""
    await database.open()
    enrolled = await EnrolmentRepository(database).with_keys()
    workers = [
        User(one.public_key, one.id, one.name, one.pools)
        for one in enrolled
        if one.public_key is not None
    ]
    return users_file(await FleetKeyRepository(database).servers(), workers, file=file)


class _Users:
    """The file of NATS's users, and `pid_file` of the nats-server that reads it, if it is told."""

    def __init__(self, database: Database, file: Path, pid_file: Path | None) -> None:
        self._database = database
        self._file = file
        self._pid_file = pid_file
        # Whoever wrote the file before may not have told it.
        self._is_told = pid_file is None

    async def renew(self) -> None:
        """Write the file, if it is to be another one, and have nats-server read it, until it has.

        At first it is told in any case.

        Raises:
            EnrolmentError: nats-server is not there to be told.
        """
        text = await _users(self._database, self._file.name)
        if text != self._written():
            temporary = self._file.with_name(f"{self._file.name}.tmp")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self._file)
            logger.info("%s has other users now", self._file)
            self._is_told = self._pid_file is None
        if not self._is_told and self._pid_file is not None:
            _reload(self._pid_file)
            self._is_told = True

    def _written(self) -> str | None:
        with suppress(FileNotFoundError):
            return self._file.read_text(encoding="utf-8")
        return None


def _reload(pid_file: Path) -> None:
    """Have nats-server read its configuration anew.

    Raises:
        EnrolmentError: it is not there.
    """
    try:
        os.kill(int(pid_file.read_text(encoding="ascii")), signal.SIGHUP)
    except (OSError, ValueError) as error:
        raise EnrolmentError(
            f"{pid_file} names no nats-server that can be told ({error}); its configuration says"
            " pid_file. The users are written: a start, or SIGHUP, has them count."
        ) from error
