"""The command line of `tailrun backup` and `tailrun restore`."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from server.errors import BackupError, StateDirectoryInUseError, TailrunError
from server.process.environment import take_environment
from server.process.logs import set_up_logging
from server.process.outlet import STDERR, Outlet
from server.repositories import backup
from server.repositories.database import migrate
from server.repositories.embedded.server import EmbeddedDatabase
from server.resources import migrations_directory
from server.services.running.users import runs_as_others
from server.settings.groups import Settings
from server.settings.reading import read_settings
from server.state import identity_in, state_directory

USAGE = "`tailrun {0}` takes a file, then options: tailrun {0} FILE --state-dir DIRECTORY"


def back_up(arguments: Sequence[str]) -> int:
    """Back the database up into a file; return the exit code."""
    return _run("backup", arguments)


def restore(arguments: Sequence[str]) -> int:
    """Restore a backup into an empty database; return the exit code."""
    return _run("restore", arguments)


def _run(word: str, arguments: Sequence[str]) -> int:
    errors = Outlet(STDERR)
    try:
        settings, file = _read(word, arguments)
        set_up_logging(settings.log.level, settings.log.format, errors)
        take_environment(settings)
        asyncio.run(_until_interrupted(ACTIONS[word](settings, file)))
    except TailrunError as error:
        errors.write(f"tailrun: {error}\n")
        return os.EX_CONFIG
    except OSError as error:
        place = error.filename or arguments[0]
        errors.write(f"tailrun: The {word} failed: {place}: {error.strerror or error}.\n")
        return os.EX_CONFIG
    except (asyncio.CancelledError, KeyboardInterrupt):
        errors.write(f"tailrun: The {word} was interrupted, and left nothing behind.\n")
        return os.EX_CONFIG
    finally:
        errors.flush()
    sys.stdout.write(f"Tailrun's {word} is done: {file}\n")
    return 0


def _read(word: str, arguments: Sequence[str]) -> tuple[Settings, Path]:
    file, *options = arguments or ("",)
    if file in ("-h", "--help"):
        read_settings([file], os.environ)  # prints the options, and exits
    if not file or file.startswith("-"):
        raise BackupError(USAGE.format(word))
    return read_settings(options, os.environ), Path(file).absolute()


async def _until_interrupted(work: Coroutine[None, None, None]) -> None:
    """Do the work; SIGTERM interrupts it as SIGINT does."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


async def _back_up(settings: Settings, file: Path) -> None:
    if settings.database.url is not None:
        server = backup.Server(settings.database.url)
        await backup.dump(server, identity_in(settings.state_dir), file)
        return
    directory = settings.state_dir / "database"
    if not (directory / "PG_VERSION").exists():
        raise BackupError(
            f"There is no database in {settings.state_dir}. Set TAILRUN_STATE_DIR to the directory"
            " of the server that is to be backed up, or TAILRUN_DATABASE_URL to its database."
        )
    host = identity_in(settings.state_dir)
    try:
        async with _embedded(settings) as server:
            await backup.dump(server, host, file)
    except StateDirectoryInUseError:
        # A server holds the directory, and keeps its database running: it can be asked.
        server = backup.Server(EmbeddedDatabase(directory).url, directory)
        await backup.dump(server, host, file)


async def _restore(settings: Settings, file: Path) -> None:
    about = backup.read_about(file)
    newer = migrate.newest_unknown(about.migrations, migrate.names(migrations_directory()))
    if newer is not None:
        raise BackupError(
            f"{file} was made by a newer version of Tailrun: this one does not know the migration"
            f" {newer}. Restore it with that version."
        )
    if settings.database.url is not None:
        with state_directory(settings.state_dir, about.host):
            server = backup.Server(settings.database.url)
            await backup.restore(server, file, identity_in(settings.state_dir) or "")
        return
    async with _embedded(settings, about.host) as server:
        await backup.restore(server, file, identity_in(settings.state_dir) or "")


@asynccontextmanager
async def _embedded(settings: Settings, host: str | None = None) -> AsyncIterator[backup.Server]:
    """Hold the state directory, as a server does, and run its database meanwhile."""
    directory = settings.state_dir / "database"
    database = EmbeddedDatabase(directory)
    passable = runs_as_others(settings.privileges)
    with state_directory(settings.state_dir, host, passable=passable):
        try:
            yield backup.Server(await database.start(), directory)
        finally:
            await database.stop()


ACTIONS = {"backup": _back_up, "restore": _restore}
