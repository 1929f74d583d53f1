"""`tailrun worker enroll`: what it does, and what it says where that cannot be done."""

import json
import ssl
import stat
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from server.enrol import enrol
from server.state import state_directory
from server.wire.enrolment import ENROLMENT_FILE, SEED_FILE, Enrolment
from server.wire.keys import is_user
from tests.support.certificates import make_certificate
from tests.support.fleet import FLEET
from tests.support.service import ROOT
from tests.support.terminal import terminal

ENROLLED = {
    "name": "build-1",
    "pools": ["build", "docs"],
    "labels": [],
    "places": 3,
    "nats_url": ["tls://nats.example.org"],
    "nats_ca": None,
    "verify_keys": [FLEET.public],
}
EX_CONFIG = 78


class Handler(BaseHTTPRequestHandler):
    """A server that answers what a test has it answer."""

    answer: ClassVar[tuple[int, bytes]] = (200, b"")
    asked: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.asked.append({"path": self.path, **json.loads(self.rfile.read(length))})
        status, body = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class Site:
    """A server, and the state directory of what is to be a worker."""

    def __init__(self, url: str, state_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.url = url
        self.state_dir = state_dir
        self._capfd = capfd
        Handler.asked = []

    def answers(self, value: object, status: int = 200) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        Handler.answer = (status, body)

    def enrol(self, url: str | None = None, *arguments: str) -> tuple[int, str, str]:
        """Enrol; return the exit code, and what was said on stdout and stderr."""
        return self.enrol_with(url or self.url, "--token", "tlw_x", *arguments)

    def enrol_with(self, *arguments: str) -> tuple[int, str, str]:
        """Do the same without a token on the command line."""
        code = enrol([*arguments, "--state-dir", str(self.state_dir)])
        told = self._capfd.readouterr()
        return code, told.out, told.err

    def refused(self, url: str | None = None, *arguments: str) -> str:
        """Enrol, which is to fail and to leave no enrolment; return what is said."""
        code, _, said = self.enrol(url, *arguments)
        assert code == EX_CONFIG
        assert said.startswith("tailrun: ")
        assert not (self.state_dir / ENROLMENT_FILE).exists()
        return said


@pytest.fixture(autouse=True)
def _log_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave this process's log to pytest: what is said is looked at, not logged."""
    monkeypatch.setattr("server.process.words.set_up_logging", lambda *_: None)


@pytest.fixture
def site(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Site]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Site(f"http://127.0.0.1:{server.server_port}/tools", tmp_path / "state", capfd)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_worker_has_a_key_of_its_own_and_keeps_what_it_was_told(site: Site) -> None:
    site.answers(ENROLLED)
    code, said, _ = site.enrol(None, "--name", "build-1")

    assert code == 0
    assert said.startswith("Enrolled as build-1, for the pools build, docs.\n")
    [asked] = Handler.asked
    assert (asked["path"], asked["token"]) == ("/tools/api/v1/workers/enroll", "tlw_x")
    assert (asked["name"], asked["host"]) == (
        *("build-1", (site.state_dir / "host-id").read_text().strip()),
    )
    assert is_user(asked["public_key"])
    for name in (ENROLMENT_FILE, SEED_FILE):
        assert stat.S_IMODE((site.state_dir / name).stat().st_mode) == 0o600
    assert Enrolment.read(site.state_dir) == Enrolment.of(ENROLLED, site.url)
    # Said again, as where the answer was lost, it is the same host with the same key.
    site.enrol(None, "--name", "build-1")
    assert Handler.asked[1] == asked


def test_a_token_may_come_over_stdin(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everybody on the host may see the command line."""
    site.answers(ENROLLED)
    for arguments in [("--token", "-"), ()]:
        monkeypatch.setattr("sys.stdin", StringIO("tlw_secret\nmore\n"))
        assert site.enrol_with(site.url, *arguments)[0] == 0
    assert [one["token"] for one in Handler.asked] == ["tlw_secret"] * 2


async def test_who_is_at_a_terminal_is_asked_for_the_token_which_is_not_shown(
    site: Site,
) -> None:
    site.answers(ENROLLED)
    said = f"{sys.executable} -m server worker enroll {site.url} --state-dir {site.state_dir}\n"
    async with terminal(ROOT) as opened:
        await opened.begin(said, "Token of the worker: ")
        assert "tlw_" not in await opened.paste("tlw_secret\n")
    assert [one["token"] for one in Handler.asked] == ["tlw_secret"]


@pytest.mark.parametrize("said", ["", "\n"])
def test_where_no_token_comes_nobody_is_asked(
    site: Site, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(said))
    code, _, told = site.enrol_with(site.url)
    assert (code, Handler.asked) == (EX_CONFIG, [])
    assert told.startswith("tailrun: No token was given: ")


def test_a_server_that_cannot_be_reached_is_told(site: Site) -> None:
    assert "cannot be reached: Connection refused" in site.refused("http://127.0.0.1:1")


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://a", "http://", "http://a:port"])
def test_what_is_no_address_is_told(site: Site, url: str) -> None:
    said = site.refused(url or "-")
    assert "is no address of a server, such as https://runs.example.org" in said


def test_nobody_is_asked_without_tls_beyond_this_machine(site: Site) -> None:
    """Whoever is between would say whom the worker is to believe."""
    said = site.refused("http://192.0.2.1")
    assert "http://192.0.2.1 is not on this machine" in said
    assert "Use https" in said


def test_a_server_is_known_by_its_certificate(site: Site, tmp_path: Path) -> None:
    pair, other = make_certificate(tmp_path / "pair"), make_certificate(tmp_path / "other")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            site.answers(ENROLLED)
            url = f"https://localhost:{server.server_port}"
            for arguments in ((), ("--server-ca", str(other.certificate))):
                said = site.refused(url, *arguments)
                assert "its certificate is not trusted" in said
                assert "--server-ca names what it is signed with" in said
            assert Handler.asked == []
            assert site.enrol(url, "--server-ca", str(pair.certificate))[0] == 0
        finally:
            server.shutdown()
            thread.join()


def test_certificates_that_cannot_be_used_are_told(site: Site, tmp_path: Path) -> None:
    said = site.refused("https://127.0.0.1:1", "--server-ca", str(tmp_path / "missing"))
    assert said.startswith(f"tailrun: --server-ca: {tmp_path / 'missing'} cannot be used")


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (401, {"detail": "The credential is not valid"}, "The server knows no such token: copy"),
        (409, {"detail": "The token was used already"}, "refuses it: The token was used already"),
        (422, {"detail": "Wrong.", "errors": {"name": ["Too long."]}}, "Wrong. name: Too long."),
        (404, b"<html>", "answers 404, and is no server of Tailrun"),
        (200, b"[]", "answers 200, and is no server of Tailrun"),
        (200, {}, "has answered what is no enrolment"),
        (200, ENROLLED | {"verify_keys": []}, "no key of the servers"),
        (200, ENROLLED | {"verify_keys": ["CA"]}, "has answered what is no enrolment"),
        (200, ENROLLED | {"nats_url": [7]}, "names no engine"),
    ],
)
def test_what_a_server_answers_is_told(site: Site, status: int, answer: object, said: str) -> None:
    site.answers(answer, status)
    assert said in site.refused()


def test_an_engine_on_the_servers_own_loopback_is_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answers(ENROLLED | {"nats_url": ["nats://localhost"]})
    assert "which is this host for us" not in site.enrol()[1]
    monkeypatch.setattr("server.enrol.LOOPBACK_HOSTS", {"localhost"})
    assert "set TAILRUN_NATS_URL" in site.enrol(None, "--plain-http")[1]


def test_a_state_directory_that_another_holds_is_told(site: Site) -> None:
    with state_directory(site.state_dir):
        assert "Another Tailrun server uses the state directory" in site.refused()


@pytest.mark.parametrize("text", ["", "{}", '{"server": "a"}', "[]", '{"server": 1, "name": 2}'])
def test_a_file_that_is_no_enrolment_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / ENROLMENT_FILE).write_text(text)
    with pytest.raises(Exception, match=r"worker\.json is no enrolment: .*tailrun worker enroll"):
        Enrolment.read(tmp_path)
