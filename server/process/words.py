"""How a word of the command line begins, and how it ends where it fails: told in one line."""

import os
from collections.abc import Callable, Sequence
from typing import Literal

from server.errors import TailrunError
from server.process.logs import set_up_logging
from server.process.outlet import STDERR, Outlet
from server.settings.groups import Settings
from server.settings.reading import read_settings


def begin(
    arguments: Sequence[str], errors: Outlet, *, level: Literal["error"] | None = None
) -> Settings:
    """Read the settings, and have what is logged go to `errors`, from `level` or theirs on.

    Raises:
        StartupError: the settings cannot be used.
    """
    settings = read_settings(arguments, os.environ)
    set_up_logging(level or settings.log.level, settings.log.format, errors)
    return settings


def told_in_a_line(work: Callable[[Outlet], int], failed: str, place: object = None) -> int:
    """Do the work of a word, which may write to stderr, and return the exit code.

    Errors of ours are told as they are, those of the system by what `failed`, and at which file:
    `place`, where the error names none.
    """
    errors = Outlet(STDERR)
    try:
        return work(errors)
    except TailrunError as error:
        errors.write(f"tailrun: {error}\n")
    except OSError as error:
        at = error.filename if error.filename is not None else place
        about = f"{at}: " if at is not None else ""
        errors.write(f"tailrun: {failed}: {about}{error.strerror or error}.\n")
    finally:
        errors.flush()
    return os.EX_CONFIG
