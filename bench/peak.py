"""The most memory that processes had while something went on."""

import threading
from typing import Self

from bench import machine

INTERVAL_SECONDS = 0.5


class Peak:
    """Looks at the memory that processes made (`Memory.own`) every INTERVAL_SECONDS.

    A context manager; `before` and `most` are bytes by pid, as of its start and since.
    """

    def __init__(self, *pids: int) -> None:
        self.before = {pid: machine.memory(pid).own for pid in pids}
        self.most = dict(self.before)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._look()

    def grown(self, pid: int) -> int:
        """Return by how many bytes a process grew at most."""
        return self.most[pid] - self.before[pid]

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL_SECONDS):
            self._look()

    def _look(self) -> None:
        for pid, most in self.most.items():
            self.most[pid] = max(most, machine.memory(pid).own)
