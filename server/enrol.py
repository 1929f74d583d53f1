"""The command line of `tailrun worker enroll`: makes a worker's key, and has a server take it."""

import argparse
import http.client
import json
import os
import ssl
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from getpass import getpass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from server.errors import EnrolmentError
from server.process.outlet import Outlet
from server.process.words import begin, told_in_a_line
from server.resources import VERSION
from server.services.running.users import runs_as_others
from server.settings.groups import Settings
from server.settings.values import LOOPBACK_HOSTS
from server.state import state_directory
from server.wire.address import SEED_SETTING
from server.wire.enrolment import SEED_FILE, Enrolment
from server.wire.keys import UserKey

PATH = "/api/v1/workers/enroll"
TIMEOUT_SECONDS = 30.0
MAX_ANSWER_BYTES = 1024 * 1024
NAME_CHARACTERS = 64
STDIN = "-"

NEXT = (
    "`tailrun worker` starts it, once NATS knows its key: `tailrun nats-config` at the server tells"
    " it."
)


def enrol(arguments: Sequence[str]) -> int:
    """Enrol the worker of a state directory; return the exit code."""
    asked, rest = _parser().parse_known_args(arguments)

    def work(errors: Outlet) -> int:
        settings = begin(rest, errors)
        told, enrolment = _enrol(settings, asked)
        enrolment.write(settings.state_dir)
        sys.stdout.write(_said(told, enrolment, asked.url))
        return 0

    return told_in_a_line(work, "The enrolment failed")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tailrun worker enroll",
        description="Enrol this host as a worker, once; `tailrun worker` starts it then."
        " Settings may follow, such as --state-dir.",
        allow_abbrev=False,
    )
    parser.add_argument("url", metavar="URL", help="where a server is reached")
    parser.add_argument(
        "--token",
        default=STDIN,
        help="of the worker, which other users of this host can see; - reads it from stdin, as"
        " without this option: a terminal is asked for it",
    )
    parser.add_argument("--name", help="what it is called; by default as this host")
    parser.add_argument(
        "--server-ca", type=Path, help="certificates in PEM that the server's is signed with"
    )
    parser.add_argument(
        "--plain-http",
        action="store_true",
        help="speak to a server beyond this machine without TLS: whoever is between could answer"
        " in its place, and run scripts here",
    )
    return parser


def _enrol(settings: Settings, asked: argparse.Namespace) -> tuple[Mapping[str, Any], Enrolment]:
    url = _checked(asked.url, plain=asked.plain_http)
    name = asked.name or os.uname().nodename[:NAME_CHARACTERS]
    passable = runs_as_others(settings.privileges)
    with state_directory(settings.state_dir, passable=passable) as state:
        seed_file = settings.nats.seed_file
        own = state.path / SEED_FILE
        key = UserKey.read(seed_file, SEED_SETTING) if seed_file else UserKey.make(own)
        body = {
            "token": _token() if asked.token == STDIN else asked.token,
            "name": name,
            "public_key": key.public,
            "version": VERSION,
            "host": state.host,
        }
        told = _asked(url, body, asked.server_ca)
    try:
        return told, Enrolment.of(told, asked.url)
    except ValueError as error:
        raise EnrolmentError(f"{asked.url} has answered what is no enrolment: {error}.") from error


def _token() -> str:
    """Return the token that stdin has, or whoever is at the terminal.

    Raises:
        EnrolmentError: there is none.
    """
    at_terminal = sys.stdin.isatty()
    with suppress(EOFError):
        said = getpass("Token of the worker: ") if at_terminal else sys.stdin.readline()
        if token := said.strip():
            return token
    raise EnrolmentError("No token was given: `tailrun workers token` makes one at a server.")


def _checked(url: str, *, plain: bool) -> SplitResult:
    """Return a server's address.

    Raises:
        EnrolmentError: it is none, or whoever is between could answer in the server's place.
    """
    try:
        found = urlsplit(url)
        usable = found.scheme in {"http", "https"} and found.hostname and (found.port or 1)
    except ValueError:
        usable = False
    if not usable:
        raise EnrolmentError(f"{url!r} is no address of a server, such as https://runs.example.org")
    if found.scheme == "http" and found.hostname not in LOOPBACK_HOSTS and not plain:
        raise EnrolmentError(
            f"{url} is not on this machine, and without TLS whoever is between could answer in the"
            " server's place, and run scripts here. Use https://…"
        )
    return found


def _asked(url: SplitResult, body: Mapping[str, str], ca: Path | None) -> Mapping[str, Any]:
    """Ask a server to take the worker, and return its answer.

    Raises:
        EnrolmentError: it cannot be reached, or refuses.
    """
    connection = _connection(url, ca)
    try:
        connection.request(
            "POST",
            f"{url.path.rstrip('/')}{PATH}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Accept": "application/json"},
        )
        answer = connection.getresponse()
        content = answer.read(MAX_ANSWER_BYTES)
    except ssl.SSLCertVerificationError as error:
        raise EnrolmentError(
            f"{url.geturl()} cannot be reached: its certificate is not trusted"
            f" ({error.verify_message}); --server-ca names what it is signed with."
        ) from error
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or error
        raise EnrolmentError(f"{url.geturl()} cannot be reached: {why}.") from error
    finally:
        connection.close()
    return _read(url, answer.status, content)


def _connection(url: SplitResult, ca: Path | None) -> http.client.HTTPConnection:
    assert url.hostname is not None
    if url.scheme == "http":
        return http.client.HTTPConnection(url.hostname, url.port, timeout=TIMEOUT_SECONDS)
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError as error:  # ssl.SSLError is one
        raise EnrolmentError(f"--server-ca: {ca} cannot be used: {error}.") from error
    return http.client.HTTPSConnection(
        url.hostname, url.port, timeout=TIMEOUT_SECONDS, context=context
    )


def _read(url: SplitResult, status: int, content: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(content)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise EnrolmentError(f"{url.geturl()} answers {status}, and is no server of Tailrun.")
    if status == http.HTTPStatus.UNAUTHORIZED:
        raise EnrolmentError(
            "The server knows no such token: copy all of it, or have another one made there by"
            " `tailrun workers token`."
        )
    if status != http.HTTPStatus.OK:
        errors = "".join(f" {name}: {' '.join(map(str, one))}" for name, one in _by_field(told))
        raise EnrolmentError(f"The server refuses it: {told.get('detail', status)}{errors}")
    return told


def _by_field(told: Mapping[str, Any]) -> list[tuple[str, Any]]:
    errors = told.get("errors")
    return [*errors.items()] if isinstance(errors, dict) else []


def _said(told: Mapping[str, Any], enrolment: Enrolment, server: str) -> str:
    pools = ", ".join(map(str, told.get("pools", ())))
    lines = [
        f"Enrolled as {enrolment.name}, for the pools {pools}.",
        NEXT,
    ]
    beyond = urlsplit(server).hostname not in LOOPBACK_HOSTS
    near = [url for url in enrolment.nats_url if urlsplit(url).hostname in LOOPBACK_HOSTS]
    if beyond and near:
        lines.append(
            f"The server meets NATS at {near[0]}, which is this host for us: set TAILRUN_NATS_URL"
            " here to where NATS is reached from here, or there to an address for all."
        )
    return "".join(f"{line}\n" for line in lines)
