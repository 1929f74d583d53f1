"""The configuration of a keeper that is a service of its own: root's, for a server that is not.

A file of lines `name = value`; what follows a `#` is for people:

    server = tailrun            the user whose server may ask; its group may read the spools
    users = deploy, backup      whom runs may be started as

It belongs to root, and nobody else may write it. The users are read anew for each run.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from server.keeper.accounts import Account
from server.keeper.files import open_regular
from server.keeper.protocol import KeeperError, KeeperRefusedError

VARIABLE = "TAILRUN_KEEPER_CONFIGURATION"
"""Names the file; without it a keeper serves whoever started it."""

MAX_BYTES = 64 * 1024
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class ConfigurationError(KeeperError):
    """The configuration cannot be used; says why."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Whose server may ask, and whom runs may be started as."""

    server: Account
    users: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> "Configuration":
        """Read a file.

        Raises:
            ConfigurationError: it cannot be read, is not root's alone, or is wrong.
        """
        values = _values(path, _text(path))
        unknown = values.keys() - {"server", "users"}
        if unknown or len(values) < 2:
            raise ConfigurationError(
                f"{path} is to have the lines `server = …` and `users = …`, and no other"
            )
        try:
            server = Account.of(values["server"])
        except KeeperRefusedError as error:
            raise ConfigurationError(f"{path}: {error}") from error
        return cls(server, frozenset(filter(None, map(str.strip, values["users"].split(",")))))


class ListedAccounts:
    """Whom a keeper starts runs as that has a configuration: those in it, and nobody unnamed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, name: str | None) -> Account | None:
        """Return the user of this name; None for root, whose own the keeper is.

        Raises:
            ConfigurationError: the configuration cannot be used now.
            KeeperRefusedError: there is no such user, or runs may not be his.
        """
        configuration = Configuration.read(self._path)
        if name is None:
            raise KeeperRefusedError("it is to say whom to run as: set TAILRUN_RUN_AS")
        if name not in configuration.users:
            raise KeeperRefusedError(f"{name!r} is not one of the users in {self._path}")
        account = Account.of(name)
        server = configuration.server
        if account.uid == server.uid or server.gid in account.groups:
            raise KeeperRefusedError(
                f"{name!r} is the server's user or in its group, and could read every output"
            )
        return None if account.uid == os.geteuid() else account


def prepare(directory: Path, group: int) -> None:
    """Make a keeper's directories where there are none: root's, the spools readable for a group.

    Raises:
        ConfigurationError: something there is not a directory of root's.
        OSError: it cannot be made.
    """
    modes = {".": 0o711, "keeper": 0o750, "spool": 0o2750, "work": 0o711, "trash": 0o700}
    for name, mode in modes.items():
        path = directory / name
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise ConfigurationError(f"{path} is not a directory of root's")
        os.chown(path, -1, group if mode & stat.S_IRGRP else 0)
        path.chmod(mode)


def _text(path: Path) -> str:
    try:
        descriptor = open_regular(path)
        with open(descriptor, encoding="utf-8") as file:  # noqa: PTH123  of a descriptor
            found = os.fstat(descriptor)
            if found.st_uid != 0 or found.st_mode & OTHERS_WRITE:
                raise ConfigurationError(f"{path} is to be root's, and written by root alone")
            return file.read(MAX_BYTES)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def _values(path: Path, text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = (part.strip() for part in line.partition("#")[0].partition("="))
        if not (name or equals):
            continue
        if not (name and equals) or name in values:
            raise ConfigurationError(f"{path}, line {number}: it is not `name = value`, or again")
        values[name] = value
    return values
