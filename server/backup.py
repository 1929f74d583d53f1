"""The command line of `tailrun backup` and `tailrun restore`."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from server.errors import BackupError, StateDirectoryInUseError
from server.process.environment import take_environment
from server.process.outlet import Outlet
from server.process.words import begin, told_in_a_line
from server.repositories import backup
from server.repositories.database import migrate
from server.repositories.embedded.server import EmbeddedDatabase
from server.resources import migrations_directory
from server.services.running.users import runs_as_others
from server.settings.groups import Settings
from server.state import identity_in, state_directory

USAGE = "`tailrun {0}` takes a file, then options: tailrun {0} FILE --state-dir DIRECTORY"


def back_up(arguments: Sequence[str]) -> int:
    """Back the database up into a file; return the exit code."""
    return _run("backup", arguments)


def restore(arguments: Sequence[str]) -> int:
    """Restore a backup into an empty database; return the exit code."""
    return _run("restore", arguments)


def _run(word: str, arguments: Sequence[str]) -> int:
    given, *options = arguments or ("",)

    def work(errors: Outlet) -> int:
        file = _checked(word, given, errors)
        settings = begin(options, errors)
        take_environment(settings)
        try:
            asyncio.run(_until_interrupted(ACTIONS[word](settings, file)))
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise BackupError(f"The {word} was interrupted, and left nothing behind.") from None
        sys.stdout.write(f"Tailrun's {word} is done: {file}\n")
        return 0

    return told_in_a_line(work, f"The {word} failed", given)


def _checked(word: str, file: str, errors: Outlet) -> Path:
    if file in ("-h", "--help"):
        begin([file], errors)  # prints the options, and exits
    if not file or file.startswith("-"):
        raise BackupError(USAGE.format(word))
    return Path(file).absolute()


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
