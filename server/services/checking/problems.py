"""What interpreters say of a script that they read on `/dev/stdin`: problems by line. Pure."""

import re
from dataclasses import dataclass

MOST_PROBLEMS = 100
MESSAGE_CHARACTERS = 300

# bash and ash: "/dev/stdin: line 3: …", dash: "/dev/stdin: 3: …", zsh: "/dev/stdin:3: …",
# mksh: "E: /dev/stdin[3]: …", ksh93: "/dev/stdin: syntax error at line 3: …".
_SAID = re.compile(
    r"(?:E: )?/dev/stdin"
    r"(?:(?:: line |: |:|\[)(?P<line>\d+)\]?: (?P<message>.+)"
    r"|: (?P<kind>syntax error|warning)(?: at|:) line (?P<line_after>\d+): (?P<rest>.+))"
)
_ECHOED = re.compile(r"`.*'?")
"""bash shows the line once more."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in a line, counted from 1."""

    line: int
    message: str


def problems_in(said: str) -> list[Problem]:
    """Return the problems that an interpreter told, at most MOST_PROBLEMS, each once."""
    found: dict[Problem, None] = {}
    for match in map(_SAID.fullmatch, said.splitlines()):
        if match is None:
            continue
        message = match["message"] or f"{match['kind']}: {match['rest']}"
        if _ECHOED.fullmatch(message) is None:
            line = int(match["line"] or match["line_after"])
            found[Problem(max(line, 1), message[:MESSAGE_CHARACTERS])] = None
        if len(found) == MOST_PROBLEMS:
            break
    return list(found)
