"""The embedded database's data directory: made whole, and given our settings at each start."""

import os
import shutil
import tempfile
import threading
from pathlib import Path

from server.errors import StartupError
from server.files import read_small
from server.repositories.embedded import programs
from server.repositories.embedded.problems import failure

CONFIGURATION = "tailrun.conf"
SETTINGS = """\
# Written by Tailrun at each start. To change a setting, put it behind the include of this file
# in postgresql.conf, or use ALTER SYSTEM.

# Reached through a socket in this directory alone, by the directory's owner and root alone.
# The name is relative to the data directory, so its length does not matter to the server.
listen_addresses = ''
port = 5432
unix_socket_directories = '.'
unix_socket_permissions = 0700

# Modest: a small host, one client.
max_connections = 32
shared_buffers = 64MB
max_wal_size = 512MB
autovacuum_max_workers = 2
jit = off

# The log is one file that is never rotated: what went wrong, nothing else.
log_checkpoints = off
log_min_messages = warning

# A statement has values of secrets in it: one that is refused is not written out.
log_min_error_statement = panic
log_parameter_max_length_on_error = 0
"""

ACCESS = ("--auth=trust", "--username=postgres")
# Every character, in the same order on all hosts.
TEXT = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


def prepare(directory: Path, given_up: threading.Event) -> None:
    """Make the data directory where there is none, and write our settings into it.

    Raises:
        StartupError: it cannot be made, or another version of PostgreSQL made it.
        OSError: the system refuses something there.
    """
    if not (directory / "PG_VERSION").exists():
        _create(directory, given_up)
    version = read_small(directory / "PG_VERSION").strip()
    if version != programs.VERSION:
        raise StartupError(
            f"The database in {directory} was made by PostgreSQL {version}, and this is"
            f" {programs.VERSION}. Move it away, or bring it up with pg_upgrade."
        )
    owner = directory.stat()
    temporary = directory / f"{CONFIGURATION}.new"
    temporary.unlink(missing_ok=True)
    # A new file: where it belongs to another user, there might be a link in its place.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123  of a descriptor
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
        file.write(SETTINGS)
    temporary.replace(directory / CONFIGURATION)


def _create(directory: Path, given_up: threading.Event) -> None:
    """Make the data directory beside its place, and move it there when it is whole."""
    parent, prefix = directory.parent, f".{directory.name}-new-"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left_over in parent.glob(f"{prefix}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    if os.geteuid() == 0:
        user = programs.system_user()
        os.chown(new, user.pw_uid, user.pw_gid)
    report = programs.run("initdb", *ACCESS, *TEXT, directory=new, given_up=given_up)
    if report is not None:
        shutil.rmtree(new, ignore_errors=True)
        raise failure(directory, "cannot be made", report)
    with (new / "postgresql.conf").open("a", encoding="ascii") as configuration:
        configuration.write(f"\ninclude_if_exists '{CONFIGURATION}'\n")
    new.rename(directory)
