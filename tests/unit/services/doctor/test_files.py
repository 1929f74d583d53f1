"""The doctor looks at whose files are."""

import os
from pathlib import Path

import pytest

from server.services.doctor.files import name_of, secret_files, state_directory
from server.services.doctor.findings import Finding, Level


def problems(found: list[Finding]) -> list[str]:
    return [one.text for one in found if one.level is Level.PROBLEM]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Make a state directory as a server does, in a place of ours."""
    tmp_path.chmod(0o700)
    for name in ("state", "state/spool"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / "state/server.lock").touch(mode=0o600)
    return tmp_path / "state"


NAMES = ("spool", "server.lock", "host-id")


def test_a_state_directory_of_ours_alone_is_well(state: Path) -> None:
    [found] = state_directory(state, NAMES)
    assert found.level is Level.OK
    assert f"{name_of(os.geteuid())}'s alone" in found.text


@pytest.mark.parametrize("name", [".", "spool", "server.lock"])
@pytest.mark.parametrize("mode", [0o040, 0o001, 0o777])
def test_what_others_may_read_is_a_problem(state: Path, name: str, mode: int) -> None:
    (state / name).chmod(0o700 | mode)
    [text] = problems([*state_directory(state, NAMES)])
    assert f"{state / name} has the mode {0o700 | mode:04o}" in text
    assert "chmod go= " in text


def test_where_runs_are_others_they_pass_the_directory_and_what_is_named(state: Path) -> None:
    for name in (".", "spool"):
        (state / name).chmod(0o711)
    [found] = state_directory(state, NAMES, ["spool"])
    assert found.level is Level.OK
    texts = problems([*state_directory(state, NAMES, ["host-id"])])
    assert [f"{state / 'spool'} has the mode 0711" in text for text in texts] == [True]
    (state / "spool").chmod(0o755)
    [text] = problems([*state_directory(state, NAMES, ["spool"])])
    assert f"{state / 'spool'} has the mode 0755" in text


def test_a_place_where_others_may_put_another_is_a_problem(state: Path) -> None:
    state.parent.chmod(0o777)
    [text] = problems([*state_directory(state, NAMES)])
    assert f"{state.parent} can be written by others" in text
    state.parent.chmod(0o1777)  # as /tmp is: one's own names are one's own there
    assert problems([*state_directory(state, NAMES)]) == []


def test_what_is_somebody_elses_is_a_problem(state: Path) -> None:
    os.chown(state, 12345, -1)
    [text] = problems([*state_directory(state, NAMES)])
    assert f"{state} is user 12345's" in text
    os.chown(state, 0, -1)
    os.chown(state.parent, 12345, -1)
    [text] = problems([*state_directory(state, NAMES)])
    assert f"{state.parent} is user 12345's, who could put another state there" in text


def test_a_state_directory_that_is_not_made_yet_is_told(tmp_path: Path) -> None:
    [found] = state_directory(tmp_path / "state", NAMES)
    assert (found.level, "does not exist yet" in found.text) == (Level.WARNING, True)


def test_one_that_cannot_be_looked_at_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    [text] = problems([*state_directory(tmp_path / "file" / "state", NAMES)])
    assert "cannot be looked at: Not a directory" in text


def test_files_with_secrets_are_their_owners_alone(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    [found] = secret_files({"TAILRUN_X_FILE": secret, "TAILRUN_Y_FILE": None})
    assert (found.level, str(secret) in found.text) == (Level.OK, True)
    secret.chmod(0o640)
    [text] = problems([*secret_files({"TAILRUN_X_FILE": secret})])
    assert f"{secret} (TAILRUN_X_FILE) has the mode 0640" in text
    [text] = problems([*secret_files({"TAILRUN_X_FILE": tmp_path / "missing"})])
    assert "cannot be looked at: No such file or directory" in text
    [found] = secret_files({"TAILRUN_X_FILE": None})
    assert (found.level, found.text) == (Level.OK, "no setting names one")


def test_a_secret_in_somebody_elses_file_is_a_problem(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    os.chown(secret, 12345, -1)
    [text] = problems([*secret_files({"TAILRUN_X_FILE": secret})])
    assert "is user 12345's" in text
