"""What a keeper leaves open for itself when it executes its code anew, and how it finds it again.

Two arguments of its command line name the descriptors. The first has the lock's, and then those of
the runs' pipes, as every version understands them. The second is that of a file in memory
(memfd_create(2)) which says whose pipe, output and tail they are, so that nothing is opened by its
name again: somebody may have put something else there. It also has the limit of open files that
the first of these keepers was given: with that one, one of many runs could open nothing at first.
It also has the tombstones that a full disk had no room for.
A version from before it passes none, and does not look for it.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from server.keeper import rlimits


@dataclass(frozen=True, slots=True)
class Descriptors:
    """The open files of one run: its pipe, its output, and the segments of its tail by number."""

    pipe: int
    output: int
    segments: dict[int, int] = field(default_factory=dict)

    def all(self) -> list[int]:
        """Return every one of them."""
        return [self.pipe, self.output, *self.segments.values()]


class Handover:
    """The files of runs that the keeper before this one left open, and the pipes of nobody's.

    `open_files` is the soft limit that it was given; None: the one that there is. `ended` are the
    tombstones that it could not write.
    """

    def __init__(
        self,
        runs: dict[str, Descriptors] | None = None,
        pipes: Iterable[int] = (),
        open_files: int | None = None,
        ended: Iterable[int] = (),
    ) -> None:
        self.open_files = open_files
        self.ended = tuple(ended)
        self._runs = runs or {}
        self._pipes = set(pipes).difference(*(run.all() for run in self._runs.values()))

    @classmethod
    def received(cls, arguments: list[str]) -> "Handover":
        """Find what was left open; no arguments: nothing was."""
        if not arguments:
            return cls()
        lock, *pipes = map(int, arguments[0].split(","))
        runs, open_files, ended = _read(int(arguments[1])) if len(arguments) > 1 else ({}, None, ())
        for descriptor in {lock, *pipes}.union(*(run.all() for run in runs.values())):
            os.set_inheritable(descriptor, False)  # noqa: FBT003
        return cls(runs, pipes, open_files, ended)

    def take(self, run_id: str) -> Descriptors | None:
        """Return a run's files, which are the caller's from now on; None: open them by name."""
        return self._runs.pop(run_id, None)

    def close(self) -> None:
        """Close what nobody has taken, once the runs have opened what they need by name."""
        for descriptor in self._pipes.union(*(run.all() for run in self._runs.values())):
            os.close(descriptor)
        self._pipes.clear()
        self._runs.clear()


@contextmanager
def handed_over(
    lock: int, runs: Mapping[str, Descriptors], ended: Iterable[int]
) -> Iterator[list[str]]:
    """Keep the lock and the files of these runs open in a program that is executed meanwhile.

    `ended` are tombstones that are not on disk. Provides the arguments by which it finds them.

    Raises:
        OSError: it cannot be done.
    """
    contents = {
        "open_files": rlimits.OPEN_FILES.given,
        "ended": [*ended],
        "runs": {run_id: asdict(run) for run_id, run in runs.items()},
    }
    memory = os.memfd_create("tailrun-runs")
    kept = {lock, memory}.union(*(run.all() for run in runs.values()))
    try:
        with open(memory, "wb", closefd=False) as file:
            file.write(json.dumps(contents).encode())
        for descriptor in kept:
            os.set_inheritable(descriptor, True)  # noqa: FBT003
        yield [",".join(map(str, [lock, *(run.pipe for run in runs.values())])), str(memory)]
    finally:
        for descriptor in kept:
            os.set_inheritable(descriptor, False)  # noqa: FBT003
        os.close(memory)


def _read(memory: int) -> tuple[dict[str, Descriptors], int, Iterable[int]]:
    """Read the file in memory, and close it."""
    with open(memory, "rb") as file:
        file.seek(0)  # its writer's position is shared
        contents = json.load(file)
    runs = {
        run_id: Descriptors(
            run["pipe"],
            run["output"],
            {int(number): segment for number, segment in run["segments"].items()},
        )
        for run_id, run in contents["runs"].items()
    }
    return runs, contents["open_files"], contents.get("ended", ())
