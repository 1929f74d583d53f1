"""The role of a keeper that is a service of its own: executes it, with its configuration."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from server.keeper.client import KEEPER_COMMAND, KEEPER_ENVIRONMENT
from server.keeper.configuration import VARIABLE
from server.process.outlet import STDERR, Outlet

CONFIGURATION = "/etc/tailrun/keeper"
USAGE = f"`tailrun keeper` takes a directory, and a configuration unless that is {CONFIGURATION}"

WITHOUT_END = "inf"
"""For so long it waits for a run or a server, unlike one that a server starts."""

NOTIFY_SOCKET = "NOTIFY_SOCKET"
"""Where a service manager hears that a service serves (sd_notify(3))."""


def keep(arguments: Sequence[str]) -> int:
    """Become a keeper: `tailrun keeper DIRECTORY [CONFIGURATION]`; returns only if it cannot."""
    errors = Outlet(STDERR)
    try:
        if not 1 <= len(arguments) <= 2 or arguments[0].startswith("-"):
            errors.write(f"tailrun: {USAGE}: tailrun keeper DIRECTORY [CONFIGURATION]\n")
            return os.EX_USAGE
        if os.geteuid() != 0:
            errors.write("tailrun: A keeper that is a service of its own is to be root.\n")
            return os.EX_CONFIG
        directory, configuration = (*arguments, CONFIGURATION)[:2]
        environment = KEEPER_ENVIRONMENT | {VARIABLE: str(Path(configuration).absolute())}
        if NOTIFY_SOCKET in os.environ:
            environment[NOTIFY_SOCKET] = os.environ[NOTIFY_SOCKET]
        command = (*KEEPER_COMMAND, str(Path(directory).absolute()), WITHOUT_END)
        os.chdir("/")
        os.execve(sys.executable, command, environment)  # noqa: S606
    finally:
        errors.flush()
