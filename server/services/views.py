"""Commands as users see them."""

from dataclasses import dataclass
from datetime import UTC, datetime

from server.definition import Pause
from server.models import Command
from server.repositories.rows import cut_texts
from server.services.running.live import RunView

WINDOWS_LINE_ENDS = (
    "The script has Windows line ends (CRLF): interpreters take the carriage return as a part of"
    " the line. Save it with Unix line ends (LF)."
)
BYTE_ORDER_MARK = (
    "The script begins with a byte order mark: its first line is not what it looks like. Save it"
    " as UTF-8 without one."
)


@dataclass(frozen=True, slots=True)
class CommandView:
    """A command with its newest run, if it has one."""

    command: Command
    last_run: RunView | None

    @property
    def paused(self) -> Pause | None:
        """The command's pause, while it holds."""
        pause = self.command.paused
        return pause if pause is not None and pause.holds(datetime.now(UTC)) else None

    @property
    def warnings(self) -> list[str]:
        """What will probably go wrong with the script, though it can be stored and run."""
        script = self.command.script
        found = [WINDOWS_LINE_ENDS] if "\r\n" in script else []
        return [*found, BYTE_ORDER_MARK] if script.startswith("\ufeff") else found

    def cut(self) -> "CommandView":
        """Return it as lists have it: with the start of long texts, and no script of the run."""
        run = self.last_run
        return CommandView(cut_texts(self.command), None if run is None else run.cut())
