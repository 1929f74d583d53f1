"""Where this process may make cgroups that bound memory (cgroups(7)), of version 1 or 2.

Version 1: below the cgroup that the process is in.

Version 2 has processes in leaves alone ("no internal processes"). Under systemd the groups are made
beside the process's own cgroup, in that of the unit, if the unit says that it is ours:
`Delegate=yes`, and `DelegateSubgroup=`, or a restart of the unit would put the server where no
process may be any more (https://systemd.io/CGROUP_DELEGATION/). Elsewhere, in a container say, they
are made in the process's own cgroup, and whatever is in there moves to a leaf first.

The groups are a level deeper than the place: a cgroup of ours hands the controller on to them, and
while it does so nobody can take it from the place (cgroup-v2.rst, "Top-down Constraint"), as
systemd would when it starts a unit again.
"""

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

SYSTEMD = Path("/run/systemd/system")
"""It is there when systemd runs the machine (sd_booted(3))."""

DELEGATED = "user.delegate"
"""The extended attribute that systemd gives to a cgroup that it has delegated."""

LEAF = "tailrun-self"
MOVE_ROUNDS = 100  # processes may be made as fast as they are moved

_PROC = Path("/proc/self")


class CgroupError(OSError):
    """Memory cannot be bounded; the message says why."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The mounted cgroups of version 1 or 2 that have to do with memory.

    `own` is the directory of the cgroup that this process is in.
    """

    version: int
    own: Path

    def place(self) -> Path:
        """Return the cgroup in which groups may be made.

        Raises:
            CgroupError: it is not ours.
        """
        if self.version == 1:
            return self.own
        if self.own.name == LEAF or _is_delegated(self.own.parent):
            return self.own.parent
        if SYSTEMD.is_dir():
            raise CgroupError(
                f"the cgroup {self.own} is not within one that systemd has delegated: the unit must"
                " have Delegate=yes and DelegateSubgroup=server (systemd 254)"
            )
        return self.own

    def enable_memory(self, cgroup: Path) -> None:
        """Enable the memory controller for the children of a cgroup.

        Raises:
            OSError: that cannot be.
        """
        if self.version == 1:
            return
        available = (cgroup / "cgroup.controllers").read_text().split()
        if "memory" not in available:
            raise CgroupError(f"{cgroup} has no memory controller, only: {' '.join(available)}")
        for _ in range(MOVE_ROUNDS):
            if "memory" in (cgroup / "cgroup.subtree_control").read_text().split():
                return
            try:
                write(cgroup / "cgroup.subtree_control", "+memory")
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                _move_to_leaf(cgroup)  # again: a process may be made while we move the others
        raise CgroupError(f"{cgroup} has processes that do not move to {LEAF}")


def current() -> Hierarchy:
    """Find the hierarchy of this process now.

    Raises:
        CgroupError: there is none.
    """
    try:
        membership, mounts = (_PROC / "cgroup").read_text(), (_PROC / "mountinfo").read_text()
    except OSError as error:
        raise CgroupError(str(error)) from error
    return find(membership, mounts)


def find(membership: str, mounts: str) -> Hierarchy:
    """Find the hierarchy from /proc/PID/cgroup (cgroups(7)) and /proc/PID/mountinfo.

    The memory controller is either in a hierarchy of version 1, or in that of version 2.

    Raises:
        CgroupError: it is not mounted, or not the part of it that the process is in.
    """
    version, path = 2, None
    for number, controllers, name in (line.split(":", 2) for line in membership.splitlines()):
        if "memory" in controllers.split(","):
            version, path = 1, PurePosixPath(name)
            break
        if number == "0":
            path = PurePosixPath(name)
    if path is not None:
        for root, point in reversed(list(_mounts(mounts, version))):
            if path.is_relative_to(root) and ".." not in path.parts:
                return Hierarchy(version, point / path.relative_to(root))
    raise CgroupError(f"no file system of cgroups (version {version}) with {path} in it is mounted")


def write(file: Path, text: str) -> None:
    """Write to a cgroup's file; an OSError names the file, whatever call has failed."""
    try:
        file.write_text(text)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from error


def pids(cgroup: Path) -> list[int]:
    """Return the processes in a cgroup and those below it; none when there is no such cgroup."""
    found: list[int] = []
    for directory, _, _ in os.walk(cgroup):
        try:
            found += map(int, (Path(directory) / "cgroup.procs").read_text().split())
        except OSError:
            continue  # it has gone, or is a threaded one, whose processes the one above tells
    return found


def _mounts(text: str, version: int) -> Iterator[tuple[str, Path]]:
    """Return of each mount of the version what of the hierarchy it shows, and where."""
    for line in text.splitlines():
        head, _, tail = line.partition(" - ")
        root, point = map(_unescape, head.split(" ")[3:5])
        kind, _, options = tail.split(" ", 2)
        if (version, kind) == (2, "cgroup2"):
            yield root, Path(point)
        if (version, kind) == (1, "cgroup") and "memory" in options.split(","):
            yield root, Path(point)


def _unescape(text: str) -> str:
    """Read blanks and the like, which are written in octal (proc_pid_mountinfo(5))."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _is_delegated(cgroup: Path) -> bool:
    try:
        return os.getxattr(cgroup, DELEGATED) == b"1"
    except OSError:
        return False


def _move_to_leaf(cgroup: Path) -> None:
    leaf = cgroup / LEAF
    leaf.mkdir(exist_ok=True)
    for pid in (cgroup / "cgroup.procs").read_text().split():
        try:
            write(leaf / "cgroup.procs", pid)
        except ProcessLookupError:
            continue
