"""An oracle of turns that is none of the product's: scripts that tell when they go on.

Each run opens a file of its own under an exclusive lock, notes that it has begun, and notes that it
ends; the order of the notes is that of appends to one file.
"""

from collections import Counter
from pathlib import Path


class Notes:
    """What runs have noted in a file: `+id` at their start, `-id` at their end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / "notes"

    def script(self, *, until: str = "go") -> str:
        """Return a script that notes its start, waits for a file of this name, notes its end."""
        note = f'>>"{self._file}"'
        end = f'echo "-$TAILRUN_RUN_ID" {note}'
        return (
            f"trap '{end}; exit 143' TERM\necho \"+$TAILRUN_RUN_ID\" {note}\n"
            f'while ! [ -e "{self._directory / until}" ]; do sleep 0.02; done\n{end}\n'
        )

    def open(self, name: str = "go") -> None:
        """Let those go on that wait for a file of this name."""
        (self._directory / name).touch()

    @property
    def lines(self) -> list[str]:
        """All notes, in their order."""
        return self._file.read_text().split() if self._file.exists() else []

    @property
    def begun(self) -> list[str]:
        """The runs that have begun, in their order; one that began twice is there twice."""
        return [line[1:] for line in self.lines if line.startswith("+")]

    @property
    def most(self) -> int:
        """How many have gone on at a time, at most."""
        going_on, most = Counter[str](), 0
        for line in self.lines:
            going_on[line[1:]] += 1 if line.startswith("+") else -1
            most = max(most, going_on.total())
        return most
