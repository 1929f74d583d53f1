"""Whom runs are started as, and what they get of the server's environment."""

import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest

from server.keeper.protocol import KeeperRefusedError
from server.services.running.launch import Launch, Privileges
from server.settings.groups import NoNewPrivileges, OutputSettings, PrivilegeSettings, RunSettings
from tests.support.runs import a_run

OWN = pwd.getpwuid(os.geteuid()).pw_name
ENVIRONMENT = {"PATH": "/bin", "HOME": "/root", "USER": "root", "TMPDIR": "/root/tmp", "LANG": "C"}


def launch(settings: PrivilegeSettings, *passed: str) -> Launch:
    return Launch.of(RunSettings(pass_environment=passed), OutputSettings(), settings, ENVIRONMENT)


def test_a_run_that_names_nobody_is_the_servers_own_users() -> None:
    request = launch(PrivilegeSettings()).request(a_run())
    assert (request.user, request.confined) == (None, False)
    assert request.environment["HOME"] == "/root"
    assert request.directory == str(Path.home())
    assert request.oom_score_adj == 300


def test_another_user_gets_nothing_that_is_the_servers() -> None:
    request = launch(PrivilegeSettings(run_as="nobody")).request(a_run())
    assert (request.user, request.directory, request.no_new_privileges) == ("nobody", "", True)
    assert {"HOME", "USER", "TMPDIR"}.isdisjoint(request.environment)
    assert (request.environment["PATH"], request.environment["LANG"]) == ("/bin", "C")
    passed = launch(PrivilegeSettings(run_as="nobody"), "TMPDIR")
    assert passed.request(a_run()).environment["TMPDIR"] == "/root/tmp"


def test_a_command_may_name_only_those_of_the_settings() -> None:
    started = launch(PrivilegeSettings(run_as="nobody", run_as_users=("daemon", OWN)))
    assert started.request(replace(a_run(), run_as="daemon")).user == "daemon"
    assert started.request(replace(a_run(), run_as=OWN)).user is None
    for name in ("nobody", "root-or-so"):
        with pytest.raises(KeeperRefusedError, match="not one of TAILRUN_RUN_AS_USERS"):
            started.request(replace(a_run(), run_as=name))


@pytest.mark.parametrize(
    ("setting", "kept_from"), [("auto", ["nobody"]), ("always", [None, "nobody"]), ("never", [])]
)
def test_new_privileges_are_kept_from_whom_the_setting_says(
    setting: NoNewPrivileges, kept_from: list[str | None]
) -> None:
    privileges = Privileges(no_new_privileges=setting)
    assert [user for user in (None, "nobody") if privileges.forbids_new(user)] == kept_from


def test_the_servers_own_user_is_another_to_a_keeper_that_is_root() -> None:
    assert Privileges(user=OWN).user_of(None) is None
    assert Privileges(user=OWN, own_keeper=False).user_of(None) == OWN
