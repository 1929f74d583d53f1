"""The entry: hides the process's memory, then imports the role that was asked for and runs it."""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from server.process.signals import IGNORED_SIGNALS

PR_SET_DUMPABLE = 4
"""prctl(2)."""

CLIENT = "tailrun."
"""What speaks to a server, and is none, ends by signals as any program does."""

WRONG_WORDS = 2
"""The exit code of argparse."""

STANDARD_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
"""By their descriptors, from 0."""

ROLES = {
    "serve": ("server.serve", "serve"),
    "worker": ("server.worker", "work"),
    "nats-config": ("server.nats_config", "write"),
    "backup": ("server.backup", "back_up"),
    "restore": ("server.backup", "restore"),
    "token": ("tailrun.cli.entry", "token"),
    "sign-in": ("tailrun.cli.entry", "sign_in"),
    "doctor": ("server.doctor", "examine"),
    "keeper": ("server.keeping", "keep"),
    "run": ("tailrun.cli.entry", "run"),
    "tail": ("tailrun.cli.entry", "tail"),
    "ls": ("tailrun.cli.entry", "ls"),
    "ps": ("tailrun.cli.entry", "ps"),
    "stop": ("tailrun.cli.entry", "stop"),
    "show": ("tailrun.cli.entry", "show"),
    "schedules": ("tailrun.cli.entry", "list_schedules"),
    "pause": ("tailrun.cli.entry", "pause"),
    "resume": ("tailrun.cli.entry", "resume"),
    "hooks": ("tailrun.cli.entry", "list_hooks"),
    "workers": ("tailrun.cli.entry", "list_workers"),
    "abandon": ("tailrun.cli.entry", "abandon"),
    "apply": ("tailrun.cli.entry", "apply"),
    "export": ("tailrun.cli.entry", "export"),
    "completion": ("tailrun.cli.completion", "completion"),
}
"""By the command line's first word: the module and the function that does it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the role that the first word names; without one, serve. Return the exit code."""
    # Before all other imports: they take the better part of a second, in which a run that outlived
    # the previous server could read this one's environment.
    hide_memory()
    open_standard_descriptors()
    given = [*(sys.argv[1:] if arguments is None else arguments)]
    if given == ["--version"]:
        return tell_version()
    if given and not given[0].startswith("-") and given[0] not in ROLES:
        return refuse(given[0])
    module, function = ROLES[given.pop(0) if given and given[0] in ROLES else "serve"]
    for number in () if module.startswith(CLIENT) else IGNORED_SIGNALS:
        # Not SIG_IGN, which the runs would inherit.
        signal.signal(number, lambda *_: None)
    return int(getattr(import_module(module), function)(given))


def tell_version() -> int:
    """Print which version this is; return the exit code."""
    from importlib.metadata import version  # noqa: PLC0415  the rest starts without it

    sys.stdout.write(f"tailrun {version('tailrun')}\n")
    return 0


def refuse(word: str) -> int:
    """Say that nothing is called by this word; return the exit code."""
    from difflib import get_close_matches  # noqa: PLC0415  nothing else needs it

    near = "".join(f" Did you mean `tailrun {one}`?" for one in get_close_matches(word, ROLES, 1))
    sys.stderr.write(f"tailrun: There is no word {word!r}.{near} `tailrun --help` lists them.\n")
    return WRONG_WORDS


def hide_memory() -> None:
    """Keep the server's environment and memory from the scripts it runs (prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def open_standard_descriptors() -> None:
    """Open those that were closed, on /dev/null: the next socket would become stderr.

    Python has None in their places, which nobody can write to.
    """
    for number, (name, mode) in enumerate(STANDARD_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


if __name__ == "__main__":
    sys.exit(main())
