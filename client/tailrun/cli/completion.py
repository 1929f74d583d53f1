"""`tailrun completion`: what has a shell complete words, options and the names of commands."""

import argparse
import sys
from collections.abc import Sequence

import shtab

from tailrun.cli.words import SHELLS, parser_of, whole

FUNCTION = "_tailrun_commands"

# A shell expands what it is to choose from: names that could be anything else are left out.
NAMES = "tailrun ls --names 2>/dev/null | grep -xE '[A-Za-z0-9][A-Za-z0-9._-]*'"
PREAMBLE = {
    "bash": f'{FUNCTION}() {{ compgen -W "$({NAMES})" -- "$1"; }}\n',
    "zsh": f'{FUNCTION}() {{ compadd -- ${{(f)"$({NAMES})"}}; }}\n',
}
NAMING_COMMANDS = frozenset({"COMMAND", "RUN|COMMAND", "COMMAND|RUN"})


def completion(arguments: Sequence[str]) -> int:
    """Print a shell's completion; return the exit code."""
    shell = parser_of("completion").parse_args(arguments).shell
    parser = whole()
    for action in _actions(parser):
        if action.metavar in NAMING_COMMANDS:
            action.complete = dict.fromkeys(SHELLS, FUNCTION)  # type: ignore[attr-defined]
        elif action.metavar == "FILE":
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar == "DIRECTORY":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    sys.stdout.write(shtab.complete(parser, shell, preamble=PREAMBLE[shell]))
    return 0


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    found: list[argparse.Action] = []
    for action in parser._actions:  # noqa: SLF001  as shtab itself does: there is no other way
        found.append(action)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            found += [inner for one in action.choices.values() for inner in _actions(one)]
    return found
