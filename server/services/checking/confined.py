"""A program of its own: executes another one, which then can do next to nothing.

It is started as `python -I -S confined.py SECONDS BYTES program arguments…`, imports the standard
library alone, and is no part of the server's process, for a function between fork(2) and
execve(2) is not safe where there are threads. Where it cannot confine the program, it says why on
stderr and ends with UNCONFINED, and the program is not executed.
"""

import ctypes
import os
import pwd
import resource
import sys
from pathlib import Path

UNCONFINED = 125
NOBODY = "nobody"
OPEN_FILES = 16
PR_SET_NO_NEW_PRIVS = 38


def confine(seconds: int, memory: int) -> None:
    """Give up every right, and bound what is left.

    Raises:
        OSError: it cannot be done.
        KeyError: there is no user `nobody`.
    """
    # Before all others where memory is short.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    os.nice(10)
    if os.geteuid() == 0:
        account = pwd.getpwnam(NOBODY)
        os.setgroups([])
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no new privileges")
    for kind, value in {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        # After the change of user: a user with more processes could execute nothing (execve(2)).
        resource.RLIMIT_NPROC: 0,
    }.items():
        resource.setrlimit(kind, (value, value))


def main(seconds: str, memory: str, *command: str) -> int:
    """Execute a command, confined; return why it could not be, if so."""
    try:
        confine(int(seconds), int(memory))
        os.execve(command[0], command, {"LC_ALL": "C"})  # noqa: S606  a path, and no shell
    except (OSError, KeyError) as error:
        sys.stderr.write(f"{error}\n")
    return UNCONFINED


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
