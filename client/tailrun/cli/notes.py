"""What the command line itself has to say: on stderr, a line each."""

import sys
import time
from typing import TextIO

from tailrun.cli.table import shown
from tailrun.errors import AwayError, ClientError, NotSignedInError, RefusedError

AGAIN_SECONDS = 60.0
"""That a server is away is said again after so long."""


class Notes:
    """Says lines on stderr, beside a bar that may stand there."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self.on_terminal = stream.isatty()
        self._stream = stream
        self._told_at = -AGAIN_SECONDS

    def say(self, text: str) -> None:
        """Say a line; nobody who reads it is no failure.

        What a server says is in many of them, so what a terminal would obey is escaped.
        """
        self.draw(("\r\x1b[K" if self.on_terminal else "") + f"tailrun: {shown(text)}\n")

    def draw(self, text: str) -> None:
        """Write as it is: a part of a bar."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            pass

    def away(self, error: AwayError) -> None:
        """Say that the server is away, once a minute."""
        if time.monotonic() >= self._told_at + AGAIN_SECONDS:
            self._told_at = time.monotonic()
            self.say(f"{error} It is tried again.")

    def error(self, error: ClientError) -> None:
        """Say what went wrong, with the names of what is wrong."""
        fields = error.fields if isinstance(error, RefusedError) else {}
        for line in [] if fields else str(error).split("\n"):
            self.say(line)
        for name, told in fields.items():
            self.say(f"{name}: {' '.join(told)}")
        if isinstance(error, NotSignedInError):
            self.say(
                "Set TAILRUN_TOKEN to a valid token; `tailrun token create NAME` makes one, on the"
                " server's host."
            )
