"""Where a database is, as text without secrets, and the driver's errors as the domain's."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg2
import psycopg2.errors
from psycopg2.extensions import QueryCanceledError, parse_dsn

from server.errors import (
    DatabaseReadOnlyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    StartupError,
)
from server.repositories.database.connections import TooLateError

READ_ONLY = psycopg2.errors.ReadOnlySqlTransaction
"""It is a standby now, or was made read-only (SQLSTATE 25006)."""

UNAVAILABLE = (psycopg2.OperationalError, psycopg2.InterfaceError, READ_ONLY)
"""Errors that the statement is not the cause of: the server is away, full, out of connections or
starved (all of SQLSTATE's classes 08, 53, 57 and 58), or takes no changes."""


@dataclass(frozen=True, slots=True)
class Address:
    """The parameters of a libpq URL or connection string; as text, it shows no secret."""

    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Take a URL apart.

        Raises:
            StartupError: it is none.
        """
        try:
            return cls(parse_dsn(url))
        except psycopg2.ProgrammingError:
            # The driver's message quotes the URL, and with it the password.
            raise StartupError(
                "The database's URL is not one that PostgreSQL takes:"
                " postgresql://user:password@host:5432/name"
            ) from None

    def __str__(self) -> str:
        # libpq takes the parameters that are not given from the environment.
        host = self.parameters.get("host") or self.parameters.get("hostaddr")
        host = host or os.environ.get("PGHOST", "the default host")
        port = self.parameters.get("port") or os.environ.get("PGPORT")
        name = self.parameters.get("dbname") or os.environ.get("PGDATABASE", "of the user's name")
        return f"The database {name} at {host}" + (f" port {port}" if port else "")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise the driver's errors as the domain's.

        Raises:
            DatabaseUnavailableError: the server cannot be reached, did not answer in time, or
                cannot do now what was asked.
            DatabaseReadOnlyError: it takes no changes.
            DatabaseRefusedError: it refuses the statement: for a row's content, a constraint, a
                trigger, a privilege, a table that is not there.
        """
        try:
            yield
        except TimeoutError as error:
            raise DatabaseUnavailableError(f"{self} did not answer in time.") from error
        except TooLateError as error:
            raise DatabaseUnavailableError(
                f"{self} began the statement after its deadline."
            ) from error
        except asyncio.CancelledError as error:
            # aiopg makes a statement's cancellation by the server into one of the task.
            if isinstance(error.__context__, QueryCanceledError):
                raise self._unavailable(error.__context__) from error
            raise
        except (*UNAVAILABLE, OSError) as error:
            raise self._unavailable(error) from error
        except psycopg2.DatabaseError as error:
            if error.pgcode is None and type(error) is psycopg2.DatabaseError:
                # No word of the server: libpq lost the connection in the middle of an answer.
                raise self._unavailable(error) from error
            # The server's first line alone: what follows may quote what a row holds.
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DatabaseRefusedError(f"The database refuses it: {reason}") from error

    def _unavailable(self, error: BaseException) -> DatabaseUnavailableError:
        reason = " ".join(str(error).split())
        if password := self.parameters.get("password"):
            reason = reason.replace(password, "***")
        kind = DatabaseReadOnlyError if isinstance(error, READ_ONLY) else DatabaseUnavailableError
        return kind(f"{self} is unavailable: {reason}")
