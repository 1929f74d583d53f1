"""The audit as a file for programs that collect logs: a cursor on the table.

A row is written once it is committed, whichever server or statement has added it. Rows that cannot
be written stay in the table, and are written later; the server waits for none of it.
"""

import asyncio
import json
import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from server.access import AuditEntry
from server.errors import DatabaseUnavailableError, StartupError
from server.keeper.files import open_regular, read_object, write_whole
from server.repositories.access.audit import AuditRepository
from server.services.access.entries import json_line
from server.services.faults import cause
from server.services.tasks import retry

LOOK_SECONDS = 1.0
BATCH_ENTRIES = 500

LATE_SECONDS = 900.0
"""For so long a missing row may still come: longer than any statement takes."""

MAX_MISSING = 1000

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Written:
    """Which rows the file has: all up to `last`, without those that are missing.

    Ids are given before rows are committed, so a row may come after those of higher ids; or never,
    where its statement failed. `missing` has since when it is.
    """

    last: int
    missing: dict[int, float] = field(default_factory=dict)

    def add(self, ids: Iterable[int], now: float) -> None:
        """Note that these were written."""
        for number in ids:
            if self.missing.pop(number, None) is None and number > self.last:
                first = max(self.last + 1, number - MAX_MISSING)
                self.missing |= dict.fromkeys(range(first, number), now)
                self.last = number
        excess = len(self.missing) - MAX_MISSING
        for number in sorted(self.missing)[: max(excess, 0)]:
            del self.missing[number]

    def give_up(self, now: float) -> None:
        """Wait no longer for what has been missing for LATE_SECONDS."""
        for number, since in [*self.missing.items()]:
            if now - since >= LATE_SECONDS:
                del self.missing[number]


class AuditLog:
    """Writes the rows of the audit to a file, each as a line of JSON.

    `state` is the file that holds which rows were written; a row may be written twice where the
    server was killed between the two.

    Raises:
        StartupError: the file cannot be written.
    """

    def __init__(self, path: Path, state: Path, repository: AuditRepository) -> None:
        self._path = path
        self._state = state
        self._repository = repository
        self._problem: str | None = None
        self._written: Written | None = None
        try:
            self._append([])
        except OSError as error:
            raise StartupError(
                f"TAILRUN_AUDIT_LOG: {path} cannot be written: {error.strerror}. Name a file in a"
                " directory that the server may write; links and devices are refused."
            ) from error

    def problem(self) -> str:
        """Say why rows are not written at the moment; `ok` when they are."""
        return self._problem or "ok"

    async def begin(self) -> None:
        """Find out what was written, before anything further is entered; else `run` does it."""
        with suppress(DatabaseUnavailableError, OSError):
            self._written = await self._read_state()

    async def run(self) -> None:
        """Write what is entered, forever; the service's owner cancels it."""
        known = self._written
        written = await retry(self._read_state, self._pause_after) if known is None else known
        while True:
            full = await retry(lambda: self._write_next(written), self._pause_after)
            self._problem = None
            if not full:
                await asyncio.sleep(LOOK_SECONDS)

    async def _read_state(self) -> Written:
        """Return which rows were written; at the first start all that there are count as such."""
        newest = await self._repository.newest_id()
        found = read_object(self._state) or {}
        last, missing = found.get("last"), found.get("missing", [])
        # A higher one is of another database, or of this one before it was restored.
        if not isinstance(last, int) or not isinstance(missing, list) or last > newest:
            last, missing = newest, []
        now = asyncio.get_running_loop().time()
        ids = [one for one in missing[:MAX_MISSING] if isinstance(one, int)]
        written = Written(last, dict.fromkeys(ids, now))
        await self._note(written)
        return written

    async def _write_next(self, written: Written) -> bool:
        """Write the next rows; return whether there may be more already."""
        late = await self._repository.late(written.missing) if written.missing else []
        following = await self._repository.entered(written.last, BATCH_ENTRIES)
        entries = [*late, *following]
        now = asyncio.get_running_loop().time()
        if entries:
            await asyncio.to_thread(self._append, entries)
            written.add([entry.id for entry in entries if entry.id is not None], now)
        written.give_up(now)
        if entries:
            await self._note(written)
        return len(following) == BATCH_ENTRIES

    async def _note(self, written: Written) -> None:
        state = {"last": written.last, "missing": [*written.missing]}
        await asyncio.to_thread(write_whole, self._state, json.dumps(state).encode())

    def _append(self, entries: Sequence[AuditEntry]) -> None:
        """Append lines, all or none. The file is opened each time: it may have been rotated."""
        descriptor = open_regular(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            before = os.fstat(descriptor).st_size
            left = memoryview(b"".join(map(json_line, entries)))
            try:
                while left:
                    left = left[os.write(descriptor, left) :]
            except OSError:
                os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)

    def _pause_after(self, error: Exception) -> float:
        if not isinstance(error, DatabaseUnavailableError | OSError):
            raise error
        if self._problem is None:
            logger.warning("TAILRUN_AUDIT_LOG is behind, and this is tried again: %s", error)
        self._problem = cause(error)
        return LOOK_SECONDS
