"""The state directory: private, held by one server, with an identity."""

import fcntl
import os
import re
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from server.errors import StartupError
from server.state import HOST_FILE, LOCK_FILE, state_directory

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def host(directory: Path) -> str:
    with state_directory(directory) as state:
        return state.host


def refusal(directory: Path) -> str:
    with pytest.raises(StartupError) as refused, state_directory(directory):
        pass
    return str(refused.value)


def test_it_is_made_for_its_user_alone_whatever_the_umask(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "state"
    before = os.umask(0)
    try:
        first = host(directory)
    finally:
        os.umask(before)
    assert (mode(directory), mode(directory / LOCK_FILE)) == (0o700, 0o600)
    assert mode(directory / HOST_FILE) == 0o600
    assert host(directory) == first
    assert sorted(path.name for path in directory.iterdir()) == [HOST_FILE, LOCK_FILE]


def test_what_an_older_version_left_open_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o775)
    for name in ("spool", "keeper", "work", "trash"):
        (tmp_path / name).mkdir(mode=0o755)
    for name in (LOCK_FILE, HOST_FILE):
        (tmp_path / name).write_text("an-identity\n")
        (tmp_path / name).chmod(0o644)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine").chmod(0o755)
    assert host(tmp_path) == "an-identity"
    modes = {path.name: mode(path) for path in tmp_path.iterdir()}
    assert mode(tmp_path) == 0o700
    assert modes.pop("mine") == 0o755
    assert modes == {
        **dict.fromkeys(("spool", "keeper", "work", "trash"), 0o700),
        **dict.fromkeys((LOCK_FILE, HOST_FILE), 0o600),
    }


def test_the_mode_of_what_a_link_leads_to_stays(tmp_path: Path) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    for directory in (state, elsewhere):
        directory.mkdir(mode=0o755)
    for name in ("spool", "work", "trash", "keeper"):
        (state / name).symlink_to(elsewhere)
    host(state)
    assert (mode(state), mode(elsewhere)) == (0o700, 0o755)


def test_one_that_a_link_leads_to_is_closed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to("state")
    host(tmp_path / "link")
    assert mode(tmp_path / "state") == 0o700


def test_one_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    assert f"`chmod 0700 {tmp_path}`" in refusal(tmp_path)
    assert mode(tmp_path) == 0o1777
    assert not [*tmp_path.iterdir()]


@AS_ROOT
@pytest.mark.parametrize("name", [".", "spool", LOCK_FILE, HOST_FILE])
def test_what_belongs_to_somebody_else_is_refused(tmp_path: Path, name: str) -> None:
    if name != ".":
        (tmp_path / name).mkdir() if name == "spool" else (tmp_path / name).touch()
    os.chown(tmp_path / name, NOBODY, NOBODY)
    said = refusal(tmp_path)
    assert f"{tmp_path / name} belongs to nobody, and this server runs as root" in said
    assert "TAILRUN_STATE_DIR" in said


@AS_ROOT
def test_another_user_can_neither_enter_it_nor_hold_its_lock() -> None:
    """Whom the directories above let pass."""
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        directory = Path(above) / "state"
        host(directory)
        held = subprocess.run(
            ["flock", "--nonblock", directory / LOCK_FILE, "true"],
            cwd="/",
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Permission denied" in held.stderr
        assert host(directory)


def test_a_second_server_is_refused(tmp_path: Path) -> None:
    with (tmp_path / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "Another Tailrun server" in refusal(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\0\xff", b"two words\n", b"one\ntwo\n", b"x" * 65, "zwölf\n".encode()],
)
def test_an_identity_that_is_none_is_named_with_the_mend(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / HOST_FILE
    path.write_bytes(content)
    said = refusal(tmp_path)
    assert said.startswith(f"The host's identity {path} is not valid. ")
    assert "remove it: then another one is made" in said
    assert path.read_bytes() == content


@pytest.mark.parametrize("kind", ["directory", "pipe", "link", "link to nothing", "large"])
def test_an_identity_that_cannot_be_read_is_named_with_the_mend(tmp_path: Path, kind: str) -> None:
    path = tmp_path / HOST_FILE
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":  # whoever may write what it leads to could change the identity
        (tmp_path / "elsewhere").write_text("an-identity\n")
        path.symlink_to("elsewhere")
    elif kind == "link to nothing":
        path.symlink_to("nothing")
    else:
        path.write_bytes(bytes(100_000))
    said = refusal(tmp_path)
    assert re.match(rf"The host's identity {path} cannot be used: [^.]+\. ", said)
    assert "remove it" in said


def test_a_lock_that_is_a_link_or_a_directory_is_refused(tmp_path: Path) -> None:
    """Nothing is made where a link leads."""
    lock = tmp_path / LOCK_FILE
    lock.symlink_to(tmp_path / "elsewhere")
    assert "cannot be written" in refusal(tmp_path)
    assert not (tmp_path / "elsewhere").exists()
    lock.unlink()
    lock.mkdir()
    assert "cannot be written" in refusal(tmp_path)
