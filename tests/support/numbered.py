"""A run whose output is known: numbered lines, in bursts, until it is told to end."""

import sys
from pathlib import Path

SCRIPT = """#!{python} -SE
import os, random, sys, time
generator, number = random.Random({seed}), 0
while True:
    last = os.path.exists({gate!r})
    for _ in range(generator.randint(1, 100)):
        number += 1
        print({seed}, number, "x" * (number * 37 % 100))
    sys.stdout.flush()
    if last:
        break
    time.sleep(generator.random() / 100)
with open({count!r}, "w") as file:
    file.write(str(number))
sys.exit({exitcode})
"""


class Numbered:
    """A script that writes numbered lines until `end` is called, and what it has written then."""

    def __init__(self, directory: Path, seed: int, exitcode: int = 0) -> None:
        self._seed = seed
        self._gate = directory / f"{seed}.gate"
        self._count = directory / f"{seed}.count"
        self.exitcode = exitcode
        self.script = SCRIPT.format(
            python=sys.executable,
            seed=seed,
            gate=str(self._gate),
            count=str(self._count),
            exitcode=exitcode,
        )

    def end(self) -> None:
        """Have it end soon, with its exit code."""
        self._gate.touch()

    @property
    def output(self) -> bytes:
        """All that it has written; to be asked for when it has ended."""
        numbers = range(1, int(self._count.read_text()) + 1)
        return "".join(f"{self._seed} {n} {'x' * (n * 37 % 100)}\n" for n in numbers).encode()
