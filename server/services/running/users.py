"""The users that runs may be started as: looked up, and root never among them unsaid."""

import functools
import logging
import os
import pwd

from server.errors import StartupError
from server.repositories.embedded.programs import SYSTEM_USER
from server.settings.groups import PrivilegeSettings

ROOT = 0

_ROOT_RUNS = (
    "runs are root's, as the server is: set TAILRUN_RUN_AS to a user whose they are to be, or"
    " TAILRUN_ALLOW_ROOT_RUNS=true if that is meant (docs/operations.md)"
)

logger = logging.getLogger(__name__)


@functools.cache
def is_own(name: str) -> bool:
    """Return whether the user of this name is the one whose process this is."""
    try:
        return pwd.getpwnam(name).pw_uid == os.geteuid()
    except KeyError:
        return False


def runs_as_others(settings: PrivilegeSettings) -> bool:
    """Return whether the server's own keeper may start runs as another user."""
    others = (name for name in _named(settings) if not is_own(name))
    return settings.keeper_directory is None and any(others)


def check_users(
    settings: PrivilegeSettings, *, embedded: bool, on_loopback: bool, upgraded: bool
) -> None:
    """Refuse users that runs cannot or must not be.

    `embedded`: the database is the embedded one. Who starts a server as root on a loopback address
    asks for that; so does who has done so before, whose server is `upgraded`.

    Raises:
        StartupError: a user is not known, is root, or cannot be had; or runs would be root's.
    """
    apart = settings.keeper_directory is not None
    if apart and settings.run_as is None:
        raise StartupError(
            "TAILRUN_KEEPER_DIRECTORY names a keeper that is root: say whose runs are to be, in"
            " TAILRUN_RUN_AS."
        )
    for name, setting in _named(settings).items():
        if embedded and name == SYSTEM_USER:
            raise StartupError(
                f"{setting} names {name}, whose the embedded database is. Name another user."
            )
        _check(name, setting, allow_root=settings.allow_root_runs, apart=apart)
    if _are_roots(settings) and not (on_loopback or upgraded):
        raise StartupError(f"Not started: {_ROOT_RUNS}.")


def tell_of_root(settings: PrivilegeSettings) -> None:
    """Say in one line of the log that runs are root's, if nobody has said that they may be."""
    if _are_roots(settings):
        logger.warning(_ROOT_RUNS)


def _are_roots(settings: PrivilegeSettings) -> bool:
    """Return whether runs are root's without a setting that says so."""
    return os.geteuid() == ROOT and settings.run_as is None and not settings.allow_root_runs


def _named(settings: PrivilegeSettings) -> dict[str, str]:
    """Return the users that the settings name, each with the setting that does."""
    named = dict.fromkeys(settings.run_as_users, "TAILRUN_RUN_AS_USERS")
    return named if settings.run_as is None else {**named, settings.run_as: "TAILRUN_RUN_AS"}


def _check(name: str, setting: str, *, allow_root: bool, apart: bool) -> None:
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        raise StartupError(
            f"{setting} names {name!r}, and this host has no such user. Make it, such as by"
            f" `useradd --system --create-home {name}`, or name another."
        ) from None
    if uid == ROOT and not allow_root:
        raise StartupError(
            f"{setting} names root. Name another user, or set TAILRUN_ALLOW_ROOT_RUNS=true."
        )
    if not apart and os.geteuid() not in {ROOT, uid}:
        raise StartupError(
            f"{setting} names {name!r}, and only root can start runs as another user than itself."
            " Start the server as root, or have a keeper that is (docs/operations.md)."
        )
