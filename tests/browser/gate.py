"""A gate in a script, which a test opens: no test need guess how long something takes."""

import os
from pathlib import Path


class Gate:
    """A named pipe; `wait` is the line of a shell script that waits for one `open()`."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._pipe = os.open(path, os.O_RDWR)
        self.wait = f"read _ <{path}"

    def open(self) -> None:
        """Let the script go on; one `wait` each time."""
        os.write(self._pipe, b"\n")

    def close(self) -> None:
        os.close(self._pipe)
