"""The server that runs here, asked over the socket in its state directory.

So it is reached whatever stands before its port (TLS, a proxy, TAILRUN_AUTH=required), and knows by
the kernel's word who asks: its own user, or root.
"""

import http.client
import json
import os
import pwd
import socket
from pathlib import Path
from typing import Any

from server.errors import ClientError, ServerAwayError
from server.handlers.http.local_socket import SOCKET_NAME

API = "/api/v1"
ANSWER_SECONDS = 60.0
"""The longest wait for an answer; one that needs a database that is away comes within 30 s."""


class Server:
    """Asks the server that holds a state directory, as the user who runs this process."""

    def __init__(self, state_dir: Path, *, timeout_seconds: float = ANSWER_SECONDS) -> None:
        self._state_dir = state_dir
        self._timeout_seconds = timeout_seconds

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer's JSON, None where it has no body; the path is one under API.

        Raises:
            ServerAwayError: there is no server, or it cannot answer now.
            ClientError: it refuses; the message is the server's own.
        """
        connection = _Connection(self._state_dir, self._timeout_seconds)
        try:
            status, text = self._exchange(connection, method, f"{API}/{path}", body)
        except OSError as error:
            raise self._unreachable(error) from error
        except http.client.HTTPException as error:
            raise ServerAwayError(f"The server broke off its answer: {error!r}.") from error
        finally:
            connection.close()
        return _answer(status, text)

    def _exchange(
        self, connection: "_Connection", method: str, path: str, body: object
    ) -> tuple[int, bytes]:
        headers = {} if body is None else {"Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body).encode()
        connection.request(method, path, sent, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def _unreachable(self, error: OSError) -> ServerAwayError | ClientError:
        path = self._state_dir
        match error:
            case PermissionError():
                return ClientError(
                    f"The state directory {path} is closed to {_user(os.geteuid())}: it is"
                    f" {_owner(path)}. Say this as the user that the server runs as:"
                    " `sudo -u USER tailrun …`."
                )
            case FileNotFoundError() | NotADirectoryError() | ConnectionRefusedError():
                return ServerAwayError(
                    f"No server answers at {path / SOCKET_NAME}. Start Tailrun with this"
                    " state directory (restart one of an older version), or name the directory of"
                    " the server that is meant, by --state-dir or TAILRUN_STATE_DIR."
                )
            case TimeoutError():
                return ServerAwayError(
                    f"The server did not answer within {self._timeout_seconds:g} s."
                )
            case _:
                return ServerAwayError(f"The server cannot be asked: {error.strerror or error}.")


class _Connection(http.client.HTTPConnection):
    """A connection over the socket in a state directory."""

    def __init__(self, state_dir: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._state_dir = state_dir
        self._timeout_seconds = timeout_seconds

    def connect(self) -> None:
        """Connect."""
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(self._timeout_seconds)
        # By its open directory: a path to it may be too long for unix(7).
        directory = os.open(self._state_dir, os.O_PATH | os.O_DIRECTORY)
        try:
            connected.connect(f"/proc/self/fd/{directory}/{SOCKET_NAME}")
        except OSError:
            connected.close()
            raise
        finally:
            os.close(directory)
        self.sock = connected


def _answer(status: int, text: bytes) -> Any:
    try:
        answer = json.loads(text) if text else None
    except ValueError:
        answer = None
    if status < 400:
        return answer
    detail = answer.get("detail") if isinstance(answer, dict) else None
    kind = ServerAwayError if status == 503 else ClientError
    raise kind(str(detail or f"The server answered with the status {status}."))


def _owner(path: Path) -> str:
    try:
        return f"{_user(path.stat().st_uid)}'s"
    except OSError:  # it is in a directory that is closed as well
        return "somebody else's"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
