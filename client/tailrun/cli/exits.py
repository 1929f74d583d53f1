"""Exit codes of `tailrun run` and `tailrun tail`. Pure.

A run's own code is handed on; what is no code of the script is as env(1), timeout(1) and shells
have it.
"""

import os
import re
import signal

from tailrun.errors import (
    AmbiguousError,
    AwayError,
    ClientError,
    ConflictError,
    FilesError,
    GivenError,
    InvalidError,
    NotFoundError,
    NotPermittedError,
    NotSignedInError,
)
from tailrun.values import Run

SIGNALLED = 128
"""What is added to a signal's number."""

TIMED_OUT = 124
LOST = 125
NOT_STARTED = 126
LET_GO = SIGNALLED + signal.SIGINT
WRONG_WORDS = 2

REAL_TIME = re.compile(r"SIGRTMIN\+(\d+)")


def code_of(run: Run) -> int:
    """Return the exit code that stands for how a run ended."""
    if run.state == "timed_out":
        return TIMED_OUT
    if run.state == "lost":
        return LOST
    if run.signal is not None:
        return SIGNALLED + number_of(run.signal)
    if run.state == "stopped":  # whatever its script made of that: never 0
        return run.exitcode or SIGNALLED + signal.SIGTERM
    return NOT_STARTED if run.exitcode is None else run.exitcode


def number_of(name: str) -> int:
    """Return a signal's number by the name that a server gives it; 0 for one unknown here."""
    real_time = REAL_TIME.fullmatch(name)
    if real_time:
        return signal.SIGRTMIN + int(real_time[1])
    try:
        return signal.Signals[name]
    except KeyError:
        return 0


def code_of_error(error: ClientError) -> int:
    """Return the exit code that stands for an error: those of sysexits.h."""
    match error:
        case NotFoundError() | AmbiguousError():
            return os.EX_NOINPUT
        case NotSignedInError() | NotPermittedError():
            return os.EX_NOPERM
        case InvalidError() | FilesError() | GivenError():
            return os.EX_DATAERR
        case AwayError():
            return os.EX_UNAVAILABLE
        case ConflictError():
            return os.EX_TEMPFAIL
        case _:
            return os.EX_SOFTWARE
