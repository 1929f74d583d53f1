"""Workers with one identity, as where a state directory was copied with its machine. Pure."""

from dataclasses import dataclass

RETURNS = 4
"""So often two processes are heard of in turn before it is told: a beat of one that was started
again may come late."""

PROCESS_CHARACTERS = 64


@dataclass(slots=True)
class _Heard:
    """The process of a host that was heard of last, and the one before it."""

    last: str
    before: str = ""
    returns: int = 0


class Copies:
    """Finds hosts of which two processes go on beside each other.

    Each of them has all runs of the host, and ends as lost, or starts again, what the other has.
    """

    def __init__(self) -> None:
        self._heard: dict[str, _Heard] = {}

    def note(self, host: str, process: str) -> bool:
        """Note that a process of a host is there; return whether another is, once for the two."""
        process = process[:PROCESS_CHARACTERS]
        heard = self._heard.setdefault(host, _Heard(process))
        if process in {"", heard.last}:  # a worker of before says none
            return False
        heard.returns = heard.returns + 1 if process == heard.before else 0
        heard.before, heard.last = heard.last, process
        return heard.returns == RETURNS
