"""Programs as another user of this host, where the interpreter's directory may be closed to him."""

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.service import ROOT


@contextmanager
def reachable() -> Iterator[Path]:
    """Make a directory that other users may reach, unlike those of pytest."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def as_user(name: str) -> tuple[str, ...]:
    """Return a command before another one, which it executes as that user, with his group.

    What it executes is not measured: where measures are kept others may not write.
    """
    becoming = ("/usr/bin/setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups")
    return (*_opened(), *becoming, "/usr/bin/env", "--unset=COVERAGE_PROCESS_CONFIG")


def _opened() -> tuple[str, ...]:
    """Return a command before another one, for which nothing above the interpreter is closed.

    In a mount namespace of its own what is closed is covered, and holds what is needed alone.
    """
    needed = {Path(path).resolve() for path in (sys.base_prefix, sys.prefix, ROOT)}
    closed = {above: path for path in needed for above in path.parents if not _is_passed(above)}
    covered = {above for above in closed if not any(other in above.parents for other in closed)}
    if not covered:
        return ()
    inside = [path for path in needed if any(above in path.parents for above in covered)]
    lines = ["saved=$(mktemp --directory)"]
    lines += [
        f'mkdir "$saved/{n}" && mount --bind {one} "$saved/{n}"' for n, one in enumerate(inside)
    ]
    lines += [f"mount -t tmpfs -o mode=755 covered {above}" for above in covered]
    lines += [f'mkdir -p {one} && mount --bind "$saved/{n}" {one}' for n, one in enumerate(inside)]
    script = " &&\n".join((*lines, 'exec "$@"'))
    return ("/usr/bin/unshare", "--mount", "/bin/sh", "-c", script, "opened")


def _is_passed(directory: Path) -> bool:
    return bool(directory.stat().st_mode & stat.S_IXOTH) and os.access(directory, os.X_OK)
