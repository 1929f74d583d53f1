"""Whether the service can do its work, part by part."""

import asyncio
import os
import resource
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC
from pathlib import Path

from server.errors import DatabaseUnavailableError
from server.keeper.client import KeeperClient
from server.keeper.protocol import KeeperError
from server.repositories.database.database import READY_SECONDS, Database
from server.repositories.losses import Away, LossRepository
from server.repositories.notifications import NotificationRepository
from server.repositories.runs import RunRepository
from server.services.access.audit import Audit
from server.services.access.audit_log import AuditLog
from server.services.archive.archiver import Archiver
from server.services.archive.retention import Retention
from server.services.faults import Faults
from server.services.running.active import ActiveRuns

MAX_LAG_SECONDS = 10.0
"""An archive that has not moved for longer is reported; it needs no help to catch up."""

FEW_DESCRIPTORS = 32  # with fewer, libraries and the database are about to fail

NAMED_TARGETS = 10
"""Of those that fail."""

NAMED_HOSTS = 10
"""Of those that are away."""


class Readiness:
    """Asks the parts that the service needs; of no `keeper` where it runs nothing itself."""

    def __init__(
        self,
        database: Database,
        keeper: KeeperClient | None,
        archiver: Archiver,
        faults: Faults,
        active: ActiveRuns,
        retention: Retention,
        runs: RunRepository,
        audit: Audit,
        notifications: NotificationRepository,
        *,
        audit_log: AuditLog | None,
        nats: Callable[[], str] | None,
        losses: LossRepository | None,
        host: str,
        spools: Path,
        min_free_bytes: int,
    ) -> None:
        self._database = database
        self._keeper = keeper
        self._archiver = archiver
        self._faults = faults
        self._active = active
        self._retention = retention
        self._runs = runs
        self._audit = audit
        self._notifications = notifications
        self._audit_log = audit_log
        self._nats = nats
        self._losses = losses
        self._host = host
        self._spools = spools
        self._min_free_bytes = min_free_bytes

    async def check(self) -> dict[str, str]:
        """Return `ok` or what is wrong, by part."""
        lag = self._archiver.lag_seconds
        facts = os.statvfs(self._spools)
        free = facts.f_bavail * facts.f_frsize  # f_bfree counts what root alone may take
        low = f"{free} bytes are free; TAILRUN_MIN_FREE_BYTES is {self._min_free_bytes}"
        return {
            "database": "ok" if await self._database.ready() else "cannot be reached",
            **await self._of_keeper("keeper", self._check_keeper),
            "disk": "ok" if free >= self._min_free_bytes else low,
            "archive": "ok" if lag < MAX_LAG_SECONDS else f"has been waiting for {lag:.0f} s",
            "descriptors": self._check_descriptors(),
        }

    async def notes(self) -> dict[str, str]:
        """Return what does not keep the service from its work, and somebody should know."""
        log, nats = self._audit_log, self._nats
        log_note = {} if log is None else {"audit_log": log.problem()}
        # Without it no run of a worker starts, and those here go on: it takes no server out of use.
        nats_note = {} if nats is None else {"nats": nats()}
        hosts_note = {} if self._losses is None else {"hosts": await self._away(self._losses)}
        return {
            **log_note,
            **nats_note,
            **hosts_note,
            "runs": self._faults.problem(),
            "queue": self._active.problem(),
            "retention": self._retention.problem(),
            "audit": self._audit.problem(),
            "elsewhere": await self._elsewhere(),
            "notifications": await self._undelivered(),
            **await self._of_keeper("keeper_descriptors", self._keeper_descriptors),
        }

    async def _of_keeper(
        self, part: str, check: Callable[[KeeperClient], Awaitable[str]]
    ) -> dict[str, str]:
        return {} if self._keeper is None else {part: await check(self._keeper)}

    @staticmethod
    async def _keeper_descriptors(keeper: KeeperClient) -> str:
        """Say when the keeper, which an earlier server may have started, may open fewer files."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            soft, _ = resource.prlimit((await keeper.open()).pid, resource.RLIMIT_NOFILE)
        except (KeeperError, OSError):
            return "not known"
        fewer = soft != resource.RLIM_INFINITY and soft < limit
        return f"the keeper has {soft}, and the server {limit}" if fewer else "ok"

    async def _elsewhere(self) -> str:
        """Say how many active runs belong to another state directory, if any."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                others = await self._runs.active_elsewhere(self._host)
        except (DatabaseUnavailableError, TimeoutError):
            return "not known"
        return "ok" if not others else f"{others} runs of another host identity are active"

    @staticmethod
    async def _away(losses: LossRepository) -> str:
        """Say which hosts are away, if any."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                away = await losses.away(NAMED_HOSTS + 1)
        except (DatabaseUnavailableError, TimeoutError):
            return "not known"
        return said_of(away)

    async def _undelivered(self) -> str:
        """Say for which targets notifications wait that could not be delivered, if any."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                failing = await self._notifications.failing(NAMED_TARGETS + 1)
        except (DatabaseUnavailableError, TimeoutError):
            return "not known"
        named = [
            f"{one.waiting} {'waits' if one.waiting == 1 else 'wait'} for the target {one.name},"
            " which fails, the first since"
            f" {one.since.astimezone(UTC).isoformat(timespec='seconds')}"
            for one in failing[:NAMED_TARGETS]
        ]
        more = ["and for further targets"] if len(failing) > NAMED_TARGETS else []
        return "; ".join([*named, *more]) or "ok"

    @staticmethod
    async def _check_keeper(keeper: KeeperClient) -> str:
        try:
            await keeper.open()
        except KeeperError as error:
            return str(error)
        return "ok"

    @staticmethod
    def _check_descriptors() -> str:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            free = limit - len([*Path("/proc/self/fd").iterdir()])
        except OSError:  # the directory takes a descriptor itself
            free = 0
        if limit == resource.RLIM_INFINITY:
            return "ok"
        return "ok" if free >= FEW_DESCRIPTORS else f"{free} of {limit} are free"


def said_of(away: Sequence[Away]) -> str:
    """Say which hosts are away."""
    named = [
        f"{one.name} is away since {one.since.astimezone(UTC).isoformat(timespec='seconds')}"
        f" with {one.runs} active run{'' if one.runs == 1 else 's'}"
        for one in away[:NAMED_HOSTS]
    ]
    more = ["and further hosts"] if len(away) > NAMED_HOSTS else []
    return "; ".join([*named, *more]) or "ok"
