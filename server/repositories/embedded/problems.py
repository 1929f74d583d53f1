"""Why the embedded database is not available, and how to mend it."""

import errno
import os
import pwd
from pathlib import Path

from server.errors import StartupError

MAX_REPORT_CHARACTERS = 2000


def failure(directory: Path, what: str, report: str) -> StartupError:
    """Return the error of a program of PostgreSQL that failed; the end of its report says why."""
    cause = " ".join(report.split())[-MAX_REPORT_CHARACTERS:]
    return StartupError(f"The database in {directory} {what}: {cause} {_mend(cause)}")


def unusable(directory: Path, error: OSError) -> StartupError:
    """Return the error of a directory in which the system refuses something."""
    return StartupError(
        f"The database's directory {directory} cannot be used ({error.strerror}:"
        f" {error.filename}). {_mend(error.strerror or '')}"
    )


def _mend(problem: str) -> str:
    """Return what helps against what PostgreSQL or the system reports."""
    if os.strerror(errno.ENOSPC) in problem or os.strerror(errno.EDQUOT) in problem:
        return "Free space there, or set TAILRUN_STATE_DIR to a place that has some."
    if os.strerror(errno.EACCES) in problem or os.strerror(errno.ENOTDIR) in problem:
        uid = os.geteuid()
        try:
            user = pwd.getpwuid(uid).pw_name
        except KeyError:  # as in a container that is run with a user of no name
            user = f"user {uid}"
        return f"Make it writable for {user}, or set TAILRUN_STATE_DIR to another directory."
    return "Mend that and start again, or set TAILRUN_STATE_DIR to another directory."
