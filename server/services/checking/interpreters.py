"""Which interpreter checks a script, and how it is asked to do no more than read it. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from server.keeper.run.launch import command_line

DIRECTORIES = ("/usr/local/bin", "/usr/bin", "/bin")
"""Where interpreters are executed from. A script may name any file: one of its author's own, say,
and to execute that would be to execute what the script brings along."""

SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "ksh93", "mksh", "lksh", "zsh"})
PYTHON = re.compile(r"python(?:3(?:\.\d+)?)?")
COMPILE = (
    "import sys\n"
    "try: compile(sys.stdin.buffer.read(), 'script', 'exec', 0, True)\n"
    "except SyntaxError as error:"
    " sys.stderr.write('/dev/stdin: line %d: %s\\n' % (error.lineno or 1, error.msg))\n"
)
"""Compiles what it reads; Python has no option for that which would not write a file."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What a script names; `arguments` have it read the script on stdin, None: it is not asked."""

    name: str
    arguments: Sequence[str] | None


def interpreter_of(script: str, shell: str, find: Callable[[str], str | None]) -> Interpreter:
    """Return the interpreter of a script; `shell` is that of scripts which name none.

    `find` returns the path of a program's name in DIRECTORIES.
    """
    words = command_line(script.encode(), "", shell)[:-1]
    named = words[0]
    if PurePath(named).name == "env":
        # As env(1) reads it, also with -S: options and variables come before the program.
        rest = [word for word in " ".join(words[1:]).split() if word[0] != "-" and "=" not in word]
        found = find(rest[0]) if rest and "/" not in rest[0] else None
        named, program = (rest[0] if rest else named), found
    elif named == shell or str(PurePath(named).parent) in DIRECTORIES:
        program = named
    else:
        program = None
    options = _options(PurePath(named).name, script)
    if program is None or options is None:
        return Interpreter(program or named, None)
    return Interpreter(program, (program, *options))


def _options(name: str, script: str) -> Sequence[str] | None:
    if name == "bash":
        # What it changes of the syntax counts from the line on that sets it, which is not executed.
        patterns = ("-O", "extglob") if "extglob" in script else ()
        return ("--noprofile", "--norc", *patterns, "-n", "/dev/stdin")
    if name == "zsh":
        return ("-f", "-n", "/dev/stdin")
    if name in SHELLS:
        return ("-n", "/dev/stdin")
    if PYTHON.fullmatch(name):
        # Neither the environment nor a directory of the user's has a say, nor have site packages.
        return ("-I", "-S", "-B", "-W", "ignore", "-c", COMPILE)
    return None
