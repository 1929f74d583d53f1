"""The users of this host that runs are started as, and who of them a keeper may start runs as."""

import os
import pwd
from dataclasses import dataclass

from server.keeper.protocol import KeeperRefusedError


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this host (passwd(5)); `groups` are all of its groups, by their numbers."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str

    @classmethod
    def of(cls, name: str) -> "Account":
        """Look a user up.

        Raises:
            KeeperRefusedError: this host has none of this name.
        """
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            raise KeeperRefusedError(f"this host has no user {name!r}") from None
        groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir, entry.pw_shell)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that name the user and what is its own (environ(7))."""
        return {
            "HOME": self.home,
            "USER": self.name,
            "LOGNAME": self.name,
            "SHELL": self.shell or "/bin/sh",
        }


class Accounts:
    """Whom a keeper starts runs as: any user that it is asked for, if it is root."""

    def find(self, name: str | None) -> Account | None:
        """Return the user of this name; None for the keeper's own, which takes no change.

        Raises:
            KeeperRefusedError: there is no such user, or the keeper may not act as it.
        """
        if name is None:
            return None
        account = Account.of(name)
        if account.uid == os.geteuid():
            return None
        if os.geteuid() != 0:
            raise KeeperRefusedError(
                f"it is to run as {name!r}, which takes a keeper that is root; this one is not"
            )
        return account
