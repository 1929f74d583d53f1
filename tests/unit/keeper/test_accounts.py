"""Whom a keeper starts runs as."""

import os
import pwd

import pytest

from server.keeper.accounts import Account, Accounts
from server.keeper.protocol import KeeperRefusedError, StartRequest

USER = pwd.getpwnam("nobody")


def test_an_account_is_all_that_the_host_knows_of_a_user() -> None:
    account = Account.of("nobody")
    assert (account.uid, account.gid, account.home) == (USER.pw_uid, USER.pw_gid, USER.pw_dir)
    assert USER.pw_gid in account.groups
    assert account.environment["LOGNAME"] == "nobody"


def test_a_user_without_a_shell_has_the_ordinary_one() -> None:
    account = Account("name", 1, 1, (1,), "/home", "")
    assert account.environment["SHELL"] == "/bin/sh"


def test_the_keepers_own_user_takes_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: USER.pw_uid)
    assert Accounts().find(None) is None
    assert Accounts().find("nobody") is None


def test_only_root_can_be_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: USER.pw_uid)
    with pytest.raises(KeeperRefusedError, match="run as 'daemon', which takes a keeper that is"):
        Accounts().find("daemon")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = Accounts().find("daemon")
    assert found is not None
    assert found.name == "daemon"


@pytest.mark.parametrize("name", ["", "missing", "0", "nobody:"])
def test_a_name_of_nobody_is_refused(name: str) -> None:
    with pytest.raises(KeeperRefusedError, match="has no user"):
        Accounts().find(name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("user", name) for name in ("a" * 300, "nobody\0", "\udc80", 0)),
        ("umask", 0o1000),
        ("umask", -1),
        ("oom_score_adj", -1),
        ("no_new_privileges", 1),
    ],
)
def test_odd_values_are_refused(field: str, value: object) -> None:
    message = {"run_id": "", "script": "", "shell": "", "directory": "", "environment": {}}
    with pytest.raises(ValueError, match=field):
        StartRequest.from_message({**message, field: value})
