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

from server.errors import EnrolmentError, TailrunError
from server.process.environment import take_environment
from server.process.logs import set_up_logging
from server.process.outlet import STDERR, Outlet
from server.repositories.database.database import Database
from server.repositories.embedded.server import EmbeddedDatabase
from server.repositories.enrolments import EnrolmentRepository
from server.services.fleet.engine_users import User, users_file
from server.services.tasks import forever
from server.settings.groups import Settings
from server.settings.reading import read_settings

WATCH_SECONDS = 2.0
FILE = "tailrun-users.conf"

logger = logging.getLogger(__name__)


def write(arguments: Sequence[str]) -> int:
    """Write NATS's users, once or whenever they change; return the exit code."""
    errors = Outlet(STDERR)
    asked, rest = _parser().parse_known_args(arguments)
    try:
        settings = read_settings(rest, os.environ)
        set_up_logging(settings.log.level, settings.log.format, errors)
        take_environment(settings)
        asyncio.run(_write(settings, asked))
    except TailrunError as error:
        errors.write(f"tailrun: {error}\n")
        return os.EX_CONFIG
    except OSError as error:
        errors.write(f"tailrun: {error.filename or asked.file}: {error.strerror or error}.\n")
        return os.EX_CONFIG
    except (asyncio.CancelledError, KeyboardInterrupt):
        return 0
    finally:
        errors.flush()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tailrun nats-config",
        description="Write whom nats-server is to let in: the servers, and each worker with what it"
        " may say and hear. Its configuration includes the file. Settings may follow.",
        allow_abbrev=False,
    )
    parser.add_argument("--file", type=Path, help="where to write it; by default stdout")
    parser.add_argument(
        "--reload", type=Path, metavar="PID_FILE", help="of the nats-server that is to read it anew"
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
    embedded = EmbeddedDatabase(settings.state_dir / "database").url
    database = Database(
        settings.database.url or embedded,
        max_connections=2,
        statement_timeout_seconds=settings.database.timeout_seconds,
    )
    try:
        if not asked.watch:
            await _renew(database, asked)
            return
        await forever(lambda: _renew(database, asked), seconds=WATCH_SECONDS, name="nats-config")
    finally:
        await database.close()


async def _renew(database: Database, asked: argparse.Namespace) -> None:
    """Write the file, if it is to be another one, and have nats-server read it."""
    file: Path | None = asked.file
    await database.open()
    repository = EnrolmentRepository(database)
    workers = [
        User(one.public_key, one.id, one.name, one.pools)
        for one in await repository.with_keys()
        if one.public_key is not None
    ]
    servers = await repository.servers()
    text = users_file(servers, workers, file=FILE if file is None else file.name)
    if file is None:
        sys.stdout.write(text)
        return
    with suppress(FileNotFoundError):
        if file.read_text(encoding="utf-8") == text:
            return
    temporary = file.with_name(f"{file.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
    logger.info("%s has %d servers and %d workers", file, len(servers), len(workers))
    if asked.reload is not None:
        _reload(asked.reload)


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
