"""Requests to one server: sent again while it is away, and its refusals told by their names."""

import errno
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
from yarl import URL

from tailrun import errors
from tailrun.errors import AddressError, AwayError, ClientError, RefusedError
from tailrun.patience import Patience
from tailrun.place import Place, closed, socket_path

API = "/api/v1"
ANSWER_SECONDS = 60.0
"""The longest wait for an answer; one that needs a database that is away comes within 30 s."""

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 30.0
"""Output that says nothing for so long is asked for anew: a connection may be dead unseen."""

READ_BYTES = 1024 * 1024
"""Output that is held between the socket and whoever reads it."""

NO_SERVER = (
    " Start Tailrun with this state directory, or name that of the server that is meant by"
    " TAILRUN_STATE_DIR or --state-dir."
)
AWAY = frozenset({408, 502, 503, 504})
KINDS: Mapping[int, type[RefusedError]] = {
    401: errors.NotSignedInError,
    403: errors.NotPermittedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    410: errors.DamagedError,
    412: errors.ConflictError,
    422: errors.InvalidError,
}


class Connection:
    """Asks a server; an async context manager.

    A request that fails since the server is away is sent again for up to `patience_seconds`; if it
    has never answered, it is said at once. `tell` hears of each such failure.
    """

    def __init__(
        self,
        place: Place,
        token: str | None,
        *,
        patience_seconds: float,
        tell: Callable[[AwayError], None] = lambda _: None,
    ) -> None:
        self.patience_seconds = patience_seconds
        self.tell = tell
        self._place = place
        self._token = token
        self._directory: int | None = None
        self._session: aiohttp.ClientSession | None = None
        self._has_answered = False

    async def open(self) -> None:
        """Get ready; nothing is sent yet.

        Raises:
            AwayError: there is no such state directory.
            AddressError: it is closed to the user who asks.
        """
        connector: aiohttp.BaseConnector | None = None
        if self._place.directory is not None:
            try:
                self._directory = os.open(self._place.directory, os.O_PATH | os.O_DIRECTORY)
            except OSError as error:
                raise self._unreachable(error) from error
            connector = aiohttp.UnixConnector(socket_path(self._directory))
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"Accept": "application/json", **headers},
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=READ_BYTES,
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
        if self._directory is not None:
            os.close(self._directory)
        self._session = self._directory = None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the answer's JSON, None where it has no body; the path is one under API.

        Raises:
            AwayError: there is no server, or it cannot answer, for `patience_seconds`.
            RefusedError: it refuses.
        """
        patience = Patience(self.patience_seconds)
        while True:
            try:
                return await self._asked(method, path, body, query, headers)
            except AwayError as error:
                await self.failed(patience, error)

    async def head(self, path: str, query: Mapping[str, str]) -> Mapping[str, str]:
        """Return the headers of what `path` answers to GET; raises as `ask`."""
        patience = Patience(self.patience_seconds)
        while True:
            try:
                async with self._sent("HEAD", path, query=query) as answer:
                    return answer.headers
            except AwayError as error:
                await self.failed(patience, error)

    async def failed(self, patience: Patience, error: AwayError) -> None:
        """Wait until a request that failed may be sent again.

        Raises:
            AwayError: it is given up, or the server has never answered.
        """
        if not self._has_answered:
            raise error
        self.tell(error)
        await patience.failed(error)

    @asynccontextmanager
    async def opened(
        self, path: str, query: Mapping[str, str], *, silence_seconds: float = SILENCE_SECONDS
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open an answer that may take for ever, and comes as it is; try once.

        Raises:
            AwayError: the server is away, became so, or says nothing for `silence_seconds`.
            RefusedError: it refuses.
        """
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=silence_seconds
        )
        headers = {"Accept": "text/plain", "Accept-Encoding": "identity"}
        async with self._sent("GET", path, query=query, headers=headers, timeout=timeout) as answer:
            yield answer

    async def _asked(
        self,
        method: str,
        path: str,
        body: object,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> Any:
        async with self._sent(method, path, query=query, headers=headers, body=body) as answer:
            text = await answer.read()
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError) as error:
            raise AddressError(f"What answers at {self._place} is no Tailrun.") from error

    @asynccontextmanager
    async def _sent(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        timeout: aiohttp.ClientTimeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS),  # noqa: B008  it is immutable
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session is not None, "A client is used by `async with`."
        with self._telling():
            async with self._session.request(
                method,
                self._url(path, query),
                headers=headers,
                timeout=timeout,
                allow_redirects=False,  # the token is for this server alone
                json=body,
            ) as answer:
                self._has_answered = True
                if answer.status >= 300:
                    raise self._refusal(answer, await answer.read())
                yield answer

    def _url(self, path: str, query: Mapping[str, str] | None) -> URL:
        url = URL(f"{self._place.url}{API}/{path}", encoded=True)
        return url if query is None else url.with_query(query)

    @contextmanager
    def _telling(self) -> Any:
        """Raise what goes wrong on the way under its own name."""
        try:
            yield
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise AddressError(
                f"{self._place} is no address of a server; one is http://127.0.0.1:8000."
            ) from error
        except aiohttp.ClientSSLError as error:
            raise AddressError(f"{self._place} cannot be trusted: {error}.") from error
        except aiohttp.ClientConnectorError as error:
            raise self._unreachable(error.os_error) from error
        except TimeoutError as error:
            raise AwayError(f"The server at {self._place} says nothing.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise AwayError(f"The server at {self._place} broke off its answer.") from error

    def _unreachable(self, error: OSError) -> ClientError:
        directory = self._place.directory
        if directory is not None and error.errno == errno.EACCES:
            return AddressError(closed(directory))
        why = os.strerror(error.errno) if error.errno else error
        return AwayError(
            f"No server answers at {self._place}: {why}.{'' if directory is None else NO_SERVER}"
        )

    def _refusal(self, answer: aiohttp.ClientResponse, text: bytes) -> ClientError:
        problem = _problem(text)
        status = answer.status
        if status == 404 and not problem:
            return AddressError(
                f"What answers at {self._place} is no Tailrun: it has no such path."
            )
        detail = str(problem.get("detail") or f"{self._place} answered with the status {status}.")
        if status in AWAY:
            return AwayError(detail, retry_after_seconds=_seconds(answer.headers))
        if status < 400:
            return AddressError(f"{self._place} leads elsewhere: {answer.headers.get('Location')}.")
        kind = KINDS.get(status, RefusedError)
        slug = str(problem.get("type", "")).rpartition("#")[2] or "http-error"
        return kind(detail, status=status, kind=slug, fields=_fields(problem.get("errors")))


def _problem(text: bytes) -> Mapping[str, Any]:
    try:
        problem = json.loads(text)
    except (ValueError, RecursionError):
        problem = None
    return problem if isinstance(problem, dict) else {}


def _fields(errors_by_name: object) -> Mapping[str, list[str]]:
    """Return errors by the path of each field: those of a nested one are `parameters.DAY`."""
    found: dict[str, list[str]] = {}
    for name, told in errors_by_name.items() if isinstance(errors_by_name, dict) else ():
        if isinstance(told, dict):
            found |= {f"{name}.{inner}": more for inner, more in _fields(told).items()}
        else:
            found[str(name)] = [str(one) for one in told] if isinstance(told, list) else [str(told)]
    return found


def _seconds(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0
