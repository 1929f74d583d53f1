"""Limits of processes (setrlimit(2)): the keeper's own, and those that it gives to a run."""

import resource
from collections.abc import Callable
from dataclasses import dataclass
from resource import RLIM_INFINITY, RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_NPROC

from server.keeper.records import Limits


@dataclass(slots=True)
class OpenFiles:
    """The limits of open files: the soft one, which runs are given, and the hard one."""

    given: int
    most: int


OPEN_FILES = OpenFiles(*resource.getrlimit(RLIMIT_NOFILE))
"""What the keeper was started with. It raises its own soft limit, and executes itself with that."""


def forbid_core_dumps() -> None:
    """Have neither the keeper nor any run write its memory to disk (core(5))."""
    resource.setrlimit(RLIMIT_CORE, (0, 0))


def allow_open_files(count: int) -> bool:
    """Whether the keeper may have so many files open; its soft limit is raised when it must be."""
    if not _within(count, resource.getrlimit(RLIMIT_NOFILE)[0]):
        # Also where that is too few: not all that were counted may need them.
        resource.setrlimit(RLIMIT_NOFILE, (OPEN_FILES.most, OPEN_FILES.most))
    return _within(count, OPEN_FILES.most)


def setter(limits: Limits) -> Callable[[], None] | None:
    """Return what a run's main process must call before it executes its program; mostly nothing.

    A limit above the keeper's hard one is that one, for only root could set it.
    """
    wanted = {}
    if resource.getrlimit(RLIMIT_NOFILE)[0] != OPEN_FILES.given:
        wanted[RLIMIT_NOFILE] = (OPEN_FILES.given, OPEN_FILES.most)
    for kind, value in (
        (RLIMIT_NOFILE, limits.max_open_files),
        (RLIMIT_NPROC, limits.max_processes),
    ):
        if value is not None:
            hard = resource.getrlimit(kind)[1]
            wanted[kind] = (value, value) if _within(value, hard) else (hard, hard)

    def set_limits() -> None:
        for kind, values in wanted.items():
            resource.setrlimit(kind, values)

    return set_limits if wanted else None


def _within(value: int, limit: int) -> bool:
    return limit == RLIM_INFINITY or value <= limit
