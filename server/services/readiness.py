"""Whether the service can do its work: each part by itself."""

import os
import resource
from pathlib import Path

from server.keeper.client import KeeperClient
from server.keeper.protocol import KeeperError
from server.repositories.database import Database
from server.services.archiver import Archiver
from server.services.faults import Faults

MAX_LAG_SECONDS = 10.0
"""An archive that has not moved for longer is told; it catches up by itself."""

FEW_DESCRIPTORS = 32


class Readiness:
    """Asks the parts that the service needs."""

    def __init__(
        self,
        database: Database,
        keeper: KeeperClient,
        archiver: Archiver,
        faults: Faults,
        *,
        state_dir: Path,
        min_free_bytes: int,
    ) -> None:
        self._database = database
        self._keeper = keeper
        self._archiver = archiver
        self._faults = faults
        self._state_dir = state_dir
        self._min_free_bytes = min_free_bytes

    async def check(self) -> dict[str, str]:
        """Return `ok` or what is wrong, by part."""
        return {
            "database": "ok" if await self._database.ready() else "cannot be reached",
            "keeper": await self._check_keeper(),
            "disk": self._check_disk(),
            "archive": self._check_archive(),
            "descriptors": self._check_descriptors(),
        }

    def notes(self) -> dict[str, str]:
        """Return what is wrong with single runs, which does not keep the service from its work."""
        return {"runs": self._faults.problem()}

    async def _check_keeper(self) -> str:
        try:
            await self._keeper.open()
        except KeeperError as error:
            return str(error)
        return "ok"

    def _check_disk(self) -> str:
        facts = os.statvfs(self._state_dir)
        free = facts.f_bavail * facts.f_frsize
        if free < self._min_free_bytes:
            return f"{free} bytes are free; TAILRUN_MIN_FREE_BYTES is {self._min_free_bytes}"
        return "ok"

    def _check_archive(self) -> str:
        lag = self._archiver.lag_seconds
        return "ok" if lag < MAX_LAG_SECONDS else f"has been waiting for {lag:.0f} s"

    @staticmethod
    def _check_descriptors() -> str:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            free = limit - len([*Path("/proc/self/fd").iterdir()])
        except OSError:
            free = 0
        if limit == resource.RLIM_INFINITY:
            return "ok"
        return "ok" if free >= FEW_DESCRIPTORS else f"{free} of {limit} are free"
