"""Backups: what pg_dump writes of a database, with what it takes to use that again.

A backup is a zip archive of two members: `tailrun.json` and `database.dump`, which is pg_dump's
custom format as pg_restore takes it. A zip archive shows whether it is whole: its directory stands
at its end, and each member has a checksum.
"""

import asyncio
import fcntl
import json
import os
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote
from zipfile import BadZipFile, ZipFile

import psycopg2
from psycopg2.extensions import make_dsn

from server.errors import BackupError
from server.repositories.database.address import Address
from server.repositories.database.applied import applied_in
from server.repositories.database.migrate import CONNECT_SECONDS
from server.repositories.embedded import programs
from server.repositories.embedded import server as embedded

ABOUT = "tailrun.json"
DUMP = "database.dump"
FORMAT = 1
"""Of the archive; a newer one is refused."""

PIECE_BYTES = 1024 * 1024
MAX_ABOUT_BYTES = 1024 * 1024  # a file from elsewhere may claim any length

# A higher level hardly gains anything: output is stored compressed, and dumped as hexadecimal.
DUMPING = ("--format=custom", "--compress=gzip:1")
# All or nothing; the user who restores owns the tables.
RESTORING = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")

# A newly made database has nothing outside of the schemas that are left out here.
_TABLES = """
    SELECT relname FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    ORDER BY relname LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class About:
    """What a backup says of itself; `host` is the identity of the host it was made on."""

    migrations: tuple[str, ...]
    host: str | None
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Server:
    """A database to be dumped or restored, by libpq's URL; the embedded one by its directory too.

    Its URL may be valid in this process alone, so programs are given one by their own directory.
    """

    url: str
    directory: Path | None = None

    @property
    def address(self) -> Address:
        """Where it is, to be shown."""
        return Address.parse(self.url)

    @contextmanager
    def cursor(self) -> "Iterator[psycopg2.extensions.cursor]":
        """Connect, and run statements in one transaction.

        Raises:
            DatabaseUnavailableError: it cannot be reached.
            DatabaseRefusedError: it refuses a statement.
        """
        parameters = {"connect_timeout": str(CONNECT_SECONDS), **self.address.parameters}
        with (
            self.address.errors(),
            closing(psycopg2.connect(make_dsn(**parameters))) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            yield cursor

    @asynccontextmanager
    async def program(self, name: str, *arguments: str) -> AsyncIterator["_Pipes"]:
        """Run pg_dump or pg_restore on the database; when it is left early, it is ended.

        The password is in its environment, not in its command line.

        Raises:
            BackupError: it failed; the message is its own.
        """
        url = self.url if self.directory is None else embedded.URL.format(quote(programs.CWD, ""))
        rest = dict(Address.parse(url).parameters)
        password = rest.pop("password", None)
        environment = {**os.environ, "LC_ALL": "C"} | ({"PGPASSWORD": password} if password else {})
        with tempfile.TemporaryFile() as report:
            process = await asyncio.create_subprocess_exec(
                *(str(programs.path(name)), *arguments),
                *("--no-password", f"--dbname={make_dsn(**rest)}"),
                cwd=self.directory or "/",
                env=environment,
                stdin=PIPE,
                stdout=PIPE,
                stderr=report,
            )
            try:
                # A program that fails closes its pipe early; its report says why.
                with suppress(BrokenPipeError, ConnectionResetError):
                    yield _Pipes(process)
                code = await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            report.seek(0)
            said = " ".join(report.read().decode("utf-8", "replace").split())
        if code != 0:
            raise BackupError(f"{name} failed: {said or f'exit code {code}'}")


class _Pipes:
    """What goes into a program, and what comes out of it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None  # both were asked for
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout

    async def send(self, source: IO[bytes]) -> None:
        """Send all that a file has, and close the pipe."""
        while piece := source.read(PIECE_BYTES):
            self._stdin.write(piece)
            await self._stdin.drain()
        self._stdin.close()

    async def receive(self, target: IO[bytes]) -> None:
        """Write all that comes to a file."""
        self._stdin.close()
        while piece := await self._stdout.read(PIECE_BYTES):
            target.write(piece)


async def dump(server: Server, host: str | None, path: Path) -> None:
    """Back a database up into a file; one that is there is replaced once the backup is whole.

    Raises:
        BackupError: it is no database of Tailrun, is newer than pg_dump, or pg_dump failed.
        OSError: the file cannot be written.
    """
    about = About(_migrations(server), host)
    with _new_file(path) as file, ZipFile(file, "w") as archive:
        archive.writestr(ABOUT, json.dumps(asdict(about)))
        with archive.open(DUMP, "w", force_zip64=True) as member:
            async with server.program("pg_dump", *DUMPING) as pipes:
                await pipes.receive(member)


def read_about(path: Path) -> About:
    """Return what a backup says of itself, once it is known to be whole.

    Raises:
        BackupError: it is no backup, is damaged, or was made by a newer version.
        OSError: it cannot be read.
    """
    try:
        with ZipFile(path) as archive:
            with archive.open(ABOUT) as member:
                fields = json.loads(member.read(MAX_ABOUT_BYTES))
            about = About(tuple(fields["migrations"]), fields["host"], int(fields["format"]))
            archive.getinfo(DUMP)
            damaged = archive.testzip()
    except (BadZipFile, KeyError, ValueError, TypeError, EOFError, NotImplementedError) as error:
        raise BackupError(f"{path} is no backup of Tailrun, or not all of one.") from error
    if about.format > FORMAT:
        raise BackupError(f"{path} was made by a newer version of Tailrun. Restore it with that.")
    if damaged is not None:
        raise BackupError(f"{path} is damaged: {damaged} is not what was written.")
    return about


MARK_RUNNING = """
    UPDATE commands_info SET state = 'running', host = coalesce(host, %(host)s)
    WHERE state = 'queued'
"""


# Which process has a host's lease was so then: whoever says hello first has it now. A backup of an
# older version has no such column.
FORGET_LIVES = """
    DO $$ BEGIN
        IF EXISTS (
            SELECT FROM information_schema.columns WHERE table_schema = current_schema()
                AND table_name = 'workers' AND column_name = 'life'
        ) THEN
            UPDATE workers SET life = NULL, life_age = 0;
        END IF;
    END $$
"""


async def restore(server: Server, path: Path, host: str) -> None:
    """Restore a backup into an empty database: all of it or, when that fails, nothing.

    Runs that were queued are marked as running: whether they were started since is known to the
    host alone that they belong to, by its spool; else they would be started a second time. Those
    that no host had yet become those of `host`, which finds no spool of theirs.

    Raises:
        BackupError: the database is not empty, or pg_restore failed.
        OSError: the file cannot be read.
    """
    check_empty(server)
    with ZipFile(path) as archive, archive.open(DUMP) as member:
        async with server.program("pg_restore", *RESTORING) as pipes:
            await pipes.send(member)
    with server.cursor() as cursor:
        cursor.execute(MARK_RUNNING, {"host": host})
        cursor.execute(FORGET_LIVES)


def check_empty(server: Server) -> None:
    """Refuse a database that has anything in it.

    Raises:
        BackupError: it has.
    """
    with server.cursor() as cursor:
        cursor.execute(_TABLES)
        found = cursor.fetchone()
    if found is not None:
        raise BackupError(
            f"{server.address} is not empty: it has the table {found[0]}. Restore into a new one."
        )


def _migrations(server: Server) -> tuple[str, ...]:
    """Return the names of the migrations that a database has; refuse what cannot be dumped."""
    with server.cursor() as cursor:
        version = cursor.connection.server_version // 10_000
        if version > int(programs.VERSION):
            raise BackupError(
                f"{server.address} is PostgreSQL {version}, and the pg_dump here is of"
                f" {programs.VERSION}: use the one of PostgreSQL {version} (docs/operations.md)."
            )
        applied = applied_in(cursor)
    if applied is None:
        raise BackupError(f"{server.address} has no tables of Tailrun: nothing is backed up.")
    return applied


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file beside its place, for its owner alone, and move it there once it is on disk.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    new = path.with_name(f"{path.name}.new")
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(new, flags, 0o600), "r+b") as file:  # noqa: PTH123  of a descriptor
        if not _lock(file, new):
            raise BackupError(f"Another backup is writing {new}. Wait, or name another file.")
        try:
            os.fchmod(file.fileno(), 0o600)
            file.truncate()
            yield file
            file.flush()
            os.fsync(file.fileno())
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)  # the move is on disk, too
    finally:
        os.close(directory)


def _lock(file: IO[bytes], path: Path) -> bool:
    """Lock a file; return whether that worked, and it is still the one at its path."""
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    return False
