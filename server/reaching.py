"""The hosts that are asked for runs: the server's own, others that it meets, and no host yet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.core import Core, Ground
from server.database import Stored
from server.models import Run
from server.repositories.turns import TurnRepository
from server.services.archive.chunks import Chunks
from server.services.hosts.hosts import Hosts
from server.services.hosts.local import LocalHost
from server.services.hosts.pools import Pools
from server.services.hosts.unclaimed import Unclaimed, Waiting
from server.services.running.claiming import Claiming
from server.settings.groups import RunSettings

if TYPE_CHECKING:
    from server.meeting import Meeting
    from server.services.fleet.roll import Remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """All hosts, and what looks after the runs that none has yet.

    `roll` knows who can have what waits in pools; None: the database alone, perhaps.
    """

    hosts: Hosts
    unclaimed: Unclaimed
    roll: "Remembered | None"


def reach(
    settings: RunSettings,
    ground: Ground,
    stored: Stored,
    core: Core,
    meeting: "Meeting | None",
    chunks: Chunks,
) -> Reach:
    """Have runs asked of the hosts that have them, and claimed for this one, if it is of a pool."""
    unclaimed = Unclaimed(stored.claims, TurnRepository(stored.database))
    own = _with_others(meeting, _own_host(ground, stored, core), ground, stored, chunks)
    claiming = _claiming(stored, core, settings, meeting)
    unclaimed.on_ready = _ready(claiming, meeting)
    roll = _roll(meeting, stored, ground)
    hosts = _hosts(own, ground, stored, unclaimed, claiming, roll)
    return Reach(hosts=hosts, unclaimed=unclaimed, roll=roll)


def _own_host(ground: Ground, stored: Stored, core: Core) -> Hosts:
    """Have this host asked for its runs."""
    running = core.running
    return LocalHost(
        ground.state.host,
        core.active,
        running.runner,
        running.control,
        running.finisher,
        stored.runs,
    )


def _with_others(
    meeting: "Meeting | None", own: Hosts, ground: Ground, stored: Stored, chunks: Chunks
) -> Hosts:
    """Have the other hosts asked for theirs, where there are some."""
    if meeting is None:
        return own
    from server.meeting import with_others  # noqa: PLC0415

    return with_others(meeting, own, ground, stored, chunks)


def _hosts(
    hosts: Hosts,
    ground: Ground,
    stored: Stored,
    unclaimed: Unclaimed,
    claiming: Claiming | None,
    roll: "Remembered | None",
) -> Hosts:
    """Have runs looked after that no host has, and claimed for this one, if it is of a pool."""
    if claiming is None:
        return Pools(ground.state.host, hosts, unclaimed, stored.claims, roll=roll)
    ground.tasks.start(claiming.run(), "claims")
    return Pools(ground.state.host, hosts, unclaimed, stored.claims, claiming.settled, roll)


def _roll(meeting: "Meeting | None", stored: Stored, ground: Ground) -> "Remembered | None":
    """Return what knows who can have what waits in pools; None: the database alone, perhaps."""
    if meeting is None:
        return None
    from server.meeting import remembered  # noqa: PLC0415

    return remembered(stored, ground)


def _ready(claiming: Claiming | None, meeting: "Meeting | None") -> Callable[[Waiting], None]:
    """Return what tells those who may claim it that a run waits."""

    def ready(waiting: Waiting) -> None:
        if claiming is not None:
            claiming.ring()
        if meeting is not None:
            meeting.ringing.ring(waiting)

    return ready


def _claiming(
    stored: Stored, core: Core, settings: RunSettings, meeting: "Meeting | None"
) -> Claiming | None:
    """Return what claims for this host what waits for a worker of its pools; None: it is of none.

    Where hosts meet it claims as the others do, within its lease.
    """
    if not settings.worker_pools:
        return None
    host, attendance = core.means.host, None if meeting is None else meeting.attendance

    async def claim(limit: int) -> Sequence[Run]:
        if attendance is not None:
            if not attendance.may_claim:
                return ()
            return await stored.claims.claim_within_lease(host, limit, attendance.life_id)
        return await stored.claims.claim(
            host,
            pools=settings.worker_pools,
            labels=settings.worker_labels,
            places=settings.max_concurrent_runs,
            limit=limit,
        )

    claiming = Claiming(claim, ledger=stored.ledger, active=core.active, runner=core.running.runner)
    core.active.on_gone = claiming.note_gone
    return claiming
