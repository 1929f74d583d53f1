"""The command line: what it refuses before anything is touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.__main__ import ROLES
from server.process import words
from server.resources import VERSION
from server.serve import serve


def refusal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> str:
    """Return what a start is refused with: one line on stderr."""
    monkeypatch.setattr(words, "set_up_logging", lambda *_: None)
    for name in [name for name in os.environ if name.startswith("TAILRUN_")]:
        monkeypatch.delenv(name)
    assert serve(arguments) == os.EX_CONFIG
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.startswith("tailrun: ")
    assert said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--port=http", "--port is 'http'; it takes a whole number from 0 to 65535."),
        ("--on-shutdown=explode", "--on-shutdown is 'explode'; it takes one of leave, stop."),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_takes(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    expected: str,
) -> None:
    assert refusal(capfd, monkeypatch, option) == f"tailrun: {expected}\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "127.0.0.1.nip.io"])  # noqa: S104
def test_another_address_needs_tls_or_a_proxy_or_to_be_open_to_everybody(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    host: str,
) -> None:
    state_dir = tmp_path / "state"
    for auth in ["auto", "required"]:
        arguments = ("--host", host, "--state-dir", str(state_dir), "--auth", auth)
        said = refusal(capfd, monkeypatch, *arguments)
        assert f"TAILRUN_HOST is {host}" in said
        for setting in ["TLS_CERTIFICATE", "TLS_KEY", "TRUSTED_PROXIES", "AUTH=off"]:
            assert f"TAILRUN_{setting}" in said
        assert not state_dir.exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "0.0.0.0"])  # noqa: S104
def test_loopback_addresses_and_what_is_permitted_pass(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    host: str,
) -> None:
    """As far as the state directory, which cannot be written here."""
    (tmp_path / "file").touch()
    state_dir = ["--state-dir", f"{tmp_path}/file", "--allow-root-runs"]
    permitted = [["--insecure-no-auth"], ["--auth=off"], ["--trusted-proxies=10.0.0.1"]]
    for more in permitted if host == "0.0.0.0" else [[], ["--auth=required"]]:  # noqa: S104
        said = refusal(capfd, monkeypatch, "--host", host, *state_dir, *more)
        assert "state directory" in said


def test_the_entry_loads_nothing_before_it_has_hidden_its_memory() -> None:
    """What it loads takes time, in which a run that goes on could look into it."""
    program = (
        "import ctypes, os, sys, server.__main__ as entry\n"
        "assert not {'aiohttp', 'asyncio', 'server.serve', 'server.errors'} & {*sys.modules}\n"
        "entry.hide_memory()\n"
        "assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0  # PR_GET_DUMPABLE\n"
        "assert os.stat('/proc/self/environ').st_uid == 0\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_its_version_is_told_without_a_start() -> None:
    words = [sys.executable, "-m", "server", "--version"]
    said = subprocess.run(words, capture_output=True, text=True, check=True)
    assert (said.stdout, said.stderr) == (f"tailrun {VERSION}\n", "")


def test_a_word_that_there_is_not_is_refused_with_one_like_it() -> None:
    assert "rnu" not in ROLES
    words = [sys.executable, "-m", "server", "rnu", "backup"]
    said = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (2, "")
    told = "There is no word 'rnu'. Did you mean `tailrun run`? `tailrun --help` lists them."
    assert said.stderr == f"tailrun: {told}\n"
