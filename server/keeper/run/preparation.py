"""What a run's main process does between fork(2) and execve(2), and what of it could not be done.

As another user it does so in this order: what takes root first, then the change of user, and then
what that user must be permitted to do.
"""

import ctypes
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import SubprocessError

from server.keeper import rlimits
from server.keeper.accounts import Account
from server.keeper.cgroups.group import Group
from server.keeper.protocol import StartRequest

PR_SET_NO_NEW_PRIVS = 38
MAX_PROBLEM_BYTES = 4096

_LIBC = ctypes.CDLL(None, use_errno=True)

Step = tuple[str, Callable[[], object]]
"""What is done, in words that follow "could not", and how."""


class PreparationError(Exception):
    """A main process could not do what it must before it executes its program; says what."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What the main process calls; `report` is where it writes what it could not do."""

    steps: tuple[Step, ...]
    report: int

    def __call__(self) -> None:
        """Do all of it."""
        for name, step in self.steps:
            try:
                step()
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                os.write(self.report, f"{name}: {reason}".encode(errors="replace"))
                raise


@contextmanager
def prepared(
    request: StartRequest, script: str, account: Account | None, group: Group | None
) -> Iterator[Preparation | None]:
    """Provide what the main process must call before it executes its program; mostly nothing.

    Raises:
        CgroupError: there is no group to enter.
        PreparationError: what was called within could not do it, and raised a SubprocessError.
    """
    if group is None:
        with _reporting(_steps(request, script, account)) as preparation:
            yield preparation
        return
    with group.entrance() as enter:
        steps = [("enter its cgroup", enter), *_steps(request, script, account)]
        with _reporting(steps) as preparation:
            yield preparation


def _steps(request: StartRequest, script: str, account: Account | None) -> list[Step]:
    steps: list[Step] = []
    if (set_limits := rlimits.setter(request)) is not None:
        steps.append(("set its limits", set_limits))
    if account is not None:
        steps.append((f"become the user {account.name!r}", partial(become, account)))
    if request.no_new_privileges:
        steps.append(("give up new privileges", forbid_new_privileges))
    if account is not None:
        directory = request.directory or account.home
        steps.append((f"read its script {script!r}", partial(_read, script)))
        steps.append((f"enter the directory {directory!r}", partial(os.chdir, directory)))
    return steps


def become(account: Account) -> None:
    """Become another user, for good: with its groups alone, and without a capability.

    Raises:
        OSError: it cannot be.
    """
    os.setgroups(account.groups)
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)


def _read(script: str) -> None:
    """Find out whether the directories above it may be passed; an interpreter would say less."""
    os.close(os.open(script, os.O_RDONLY))


def forbid_new_privileges() -> None:
    """Have no program that is executed from now on gain rights, such as by set-user-id (prctl(2)).

    Raises:
        OSError: the kernel does not do that.
    """
    if _LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def raise_oom_score(pid: int, score: int) -> None:
    """Have the kernel end this process before others when memory is short (proc(5)).

    A score is not lowered: that takes a right, and a container may have set it. What the process
    has forked already keeps its score: it takes no time to speak of until we come here.
    """
    if score <= _own_oom_score():
        return
    # It may have ended, or hide from us.
    with suppress(OSError):
        file = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY)
        try:
            os.write(file, b"%d" % score)
        finally:
            os.close(file)


@functools.cache
def _own_oom_score() -> int:
    """Return the keeper's own, which its runs have without more."""
    return int(Path("/proc/self/oom_score_adj").read_text(encoding="ascii"))


@contextmanager
def _reporting(steps: list[Step]) -> Iterator[Preparation | None]:
    if not steps:
        yield None
        return
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield Preparation(tuple(steps), writing)
    except SubprocessError as error:
        raise PreparationError(_said(reading) or str(error)) from error
    finally:
        os.close(reading)
        os.close(writing)


def _said(reading: int) -> str:
    try:
        return os.read(reading, MAX_PROBLEM_BYTES).decode(errors="replace")
    except BlockingIOError:
        return ""
