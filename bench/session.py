"""What the measurements share: sizes, a directory, a service, and how a sample is taken."""

import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import content, machine
from bench.samples import Sample
from bench.tailrun import Tailrun

MB = 1_000_000
QUIET_BUSY = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run of the benchmark: `runs` samples of each figure, sizes multiplied by `scale`.

    Before each sample it waits up to `patience_seconds` for others to leave the machine.
    """

    directory: Path
    runs: int
    scale: float
    patience_seconds: float

    def sized(self, full: int, step: int = 1) -> int:
        """Return a size scaled, in whole steps."""
        return max(1, round(full * self.scale / step)) * step

    def up_to(self, sizes: Sequence[int]) -> list[int]:
        """Return the first of ascending sizes, and of the rest those that the scale allows."""
        return [size for size in sizes if size <= max(sizes[0], self.scale * sizes[-1])]

    def generator(self, lines: int, *more: str) -> list[str]:
        """Return the command that writes `lines` lines at memory speed."""
        return [*self._program(content.GENERATOR), str(lines), *more]

    def printer(self, lines: int) -> list[str]:
        """Return the command that formats and prints the same lines, one at a time."""
        return [*self._program(content.PRINTER), str(lines)]

    def _program(self, path: Path) -> list[str]:
        template = self.directory / "template"
        if not template.exists():
            template.write_bytes(content.template())
        return [sys.executable, "-I", "-S", str(path), str(template)]

    @contextmanager
    def tailrun(self, *, module: str = "server", **settings: str) -> Iterator[Tailrun]:
        """Run a service in a new directory, which is removed afterwards."""
        directory = self.directory / "state"
        try:
            with Tailrun(directory, module=module, **settings) as service:
                yield service
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def quiet_load(patience_seconds: float) -> machine.Load:
    """Wait a while for others to leave the machine; return how busy it is."""
    deadline = time.monotonic() + patience_seconds
    while (load := machine.load()).busy > QUIET_BUSY and time.monotonic() < deadline:
        pass
    return load


class Taker:
    """Makes the samples of one measurement; each `look` is the machine's load for those after."""

    def __init__(self, measure: str, session: Session) -> None:
        self._measure = measure
        self._patience_seconds = session.patience_seconds
        self._load = machine.Load(0.0, 0.0)

    def look(self) -> None:
        """Look at the load, before something is measured."""
        self._load = quiet_load(self._patience_seconds)

    def sample(
        self,
        figure: str,
        who: str,
        value: float,
        unit: str,
        details: Mapping[str, float] | None = None,
    ) -> Sample:
        """Make a sample."""
        return Sample(
            measure=self._measure,
            figure=figure,
            who=who,
            value=value,
            unit=unit,
            load=self._load.average,
            busy=self._load.busy,
            details=details or {},
        )
