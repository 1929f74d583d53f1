"""The doctor looks for secrets where others can read them."""

import re
from pathlib import Path

from server.services.access.credentials import new_token
from server.services.doctor.findings import Level
from server.services.doctor.secrets import command_lines, environment

SECRETS = {"TAILRUN_X": re.compile("."), "TAILRUN_URL": re.compile(":.*@")}


def test_an_environment_without_secrets_is_well() -> None:
    [found] = environment({"TAILRUN_URL": "a@b", "TAILRUN_X": "", "HOME": "/"}, SECRETS, ("HOME",))
    assert (found.level, found.text) == (Level.OK, "none")


def test_a_secret_in_the_environment_is_named_and_not_shown() -> None:
    given = {"TAILRUN_X": "hunter2", "TAILRUN_URL": "me:hunter2@b"}
    found = [*environment(given, SECRETS, ())]
    assert [one.level for one in found] == [Level.WARNING] * 2
    assert [one.text.split()[0] for one in found] == ["TAILRUN_X", "TAILRUN_URL"]
    assert not any("hunter2" in one.text for one in found)
    assert "(TAILRUN_X_FILE)" in found[0].text


def test_the_setting_that_names_a_file_is_told_by_its_name() -> None:
    [found] = environment({"PGPASSWORD": "x"}, {"PGPASSWORD": re.compile(".")}, ())
    assert "(TAILRUN_DATABASE_PASSWORD_FILE)" in found.text


def test_a_variable_for_all_runs_that_is_called_like_a_secret_is_told() -> None:
    [found] = environment({}, SECRETS, ("LANG", "AWS_SECRET_ACCESS_KEY"))
    assert "hands AWS_SECRET_ACCESS_KEY to every run" in found.text


def _process(processes: Path, pid: int, *words: str) -> None:
    (processes / str(pid)).mkdir()
    (processes / str(pid) / "cmdline").write_bytes(b"\0".join(map(str.encode, words)) + b"\0")


def test_a_token_on_a_command_line_is_a_problem(tmp_path: Path) -> None:
    token = new_token()
    _process(tmp_path, 12, "curl", "-H", f"Authorization: Bearer {token}", "http://x/")
    _process(tmp_path, 13, "echo", "tlr_no_token", token[:-1])
    (tmp_path / "14").mkdir()  # it has just ended
    [found] = command_lines(tmp_path)
    assert found.level is Level.PROBLEM
    assert found.text.startswith("process 12 has one")
    assert token not in found.text


def test_without_one_it_is_well(tmp_path: Path) -> None:
    _process(tmp_path, 12, "curl", "http://x/")
    [found] = command_lines(tmp_path)
    assert (found.level, found.text) == (Level.OK, "none now")
