"""What the measures share: sizes, a service, and samples that are taken in turn."""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bench import machine
from bench.service import ROOT, Service, serving

Key = tuple[str, str, str]  # of the samples that become one median: measure, figure, who


class Figure(NamedTuple):
    """One measured value; `details` tell where it comes from."""

    name: str
    value: float
    unit: str
    details: Mapping[str, float] = {}


@dataclass(kw_only=True)
class Session:
    """`runs` samples of each figure; sizes are multiplied by `scale`.

    A sample waits up to `patience_seconds` for others to leave the machine, and is kept with the
    share of the CPUs that they used just before.
    """

    directory: Path
    runs: int
    scale: float
    patience_seconds: float
    measure: str = ""
    samples: dict[Key, list[tuple[Figure, float]]] = field(default_factory=dict)

    def sized(self, full: int, step: int = 1) -> int:
        return max(1, round(full * self.scale / step)) * step

    def up_to(self, sizes: Sequence[int]) -> list[int]:
        """Return the first of ascending sizes, and of the rest those that the scale allows."""
        return [size for size in sizes if size <= max(sizes[0], self.scale * sizes[-1])]

    def in_turn(
        self, contenders: Mapping[str, Callable[[], Iterable[Figure]]], most: int = sys.maxsize
    ) -> None:
        """Sample each, then all of them again: what the machine does, it does to all."""
        for _ in range(min(self.runs, most)):
            for who, measured in contenders.items():
                busy = machine.await_quiet(self.patience_seconds)
                try:
                    for figure in measured():
                        key = (self.measure, figure.name, who)
                        self.samples.setdefault(key, []).append((figure, busy))
                        told = f"{figure.name}: {figure.value:,.4g} {figure.unit}"
                        print(f"  {self.measure}: {who}, {told}", flush=True)
                except FileNotFoundError as error:  # a peer that is not installed
                    print(f"  {self.measure}: {who} is left out: {error}", flush=True)

    @contextmanager
    def service(self, *, module: str = "server", **settings: str) -> Iterator[Service]:
        state = self.directory / "state"
        try:
            with serving([sys.executable, "-m", module], state, ROOT, **settings) as service:
                yield service
        finally:
            shutil.rmtree(state, ignore_errors=True)
