"""A server's part where hosts meet: its connection with NATS, and what workers ask of it."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from server.core import Core, Ground
from server.database import Stored, facts_of
from server.errors import DatabaseUnavailableError, OtherLifeError
from server.repositories.claims import ClaimRepository
from server.repositories.database.database import Database
from server.repositories.enrolments import EnrolmentRepository
from server.repositories.fleet_keys import FleetKeyRepository
from server.repositories.losses import LossRepository
from server.repositories.workers import WorkerRepository
from server.resources import VERSION
from server.services.archive.chunks import Chunks
from server.services.events.events import Events, Fleet
from server.services.fleet.attending import Attending, OwnHost
from server.services.fleet.enrolments import Terms
from server.services.fleet.fleet_key import OwnKey
from server.services.fleet.hands import Hands
from server.services.fleet.lease import Lease
from server.services.fleet.losses import Losses
from server.services.fleet.removed import Removed
from server.services.fleet.ringing import Ringing
from server.services.fleet.roll import Remembered
from server.services.fleet.sweep import Sweep
from server.services.fleet.telling import Telling
from server.services.fleet.workers import WorkerService
from server.services.hosts.hosts import Hosts
from server.services.hosts.remote import RemoteHosts
from server.services.ledger.sql import SqlLedger
from server.services.running.leasing import Leasing
from server.services.running.live import RunView
from server.services.tasks import cancel_and_wait, retry
from server.services.worker.answers import Answers
from server.services.worker.attendance import Attendance, until_let_in
from server.settings.groups import RunSettings, Settings
from server.wire.address import Address
from server.wire.asking import Workers
from server.wire.connection import OK, Wire
from server.wire.keys import FleetKey
from server.wire.messages import Hello, StopWanted
from server.wire.serving import serve_servers, serve_workers
from server.wire.signing import Signing

RETRY_SECONDS = 1.0
"""Between two attempts to learn the fleet's key, while the database is away."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """How other hosts are reached."""

    wire: Wire
    workers: Workers
    ringing: Ringing
    hands: Hands
    attendance: Attendance | None
    terms: Terms
    removed: Removed

    @property
    def is_met(self) -> bool:
        """Whether NATS is reached now."""
        return self.wire.problem == OK


async def open_meeting(
    stack: AsyncExitStack,
    address: Address,
    settings: Settings,
    ground: Ground,
    stored: Stored,
    core: Core | None,
) -> Meeting:
    """Connect with NATS, now or as soon as it is there; answer workers, and other servers.

    Without a `core` there are no runs here that other servers would ask for, and no `attendance`.

    Raises:
        StartupError: this server's keys cannot be used, or the other servers have another one.
    """
    host, database = ground.state.host, stored.database
    address = address.keyed(ground.state.path)
    own = OwnKey(settings.fleet.key_file, ground.state.path)
    await _check_keys(ground, FleetKeyRepository(database), own, address)
    signing = Signing(own.key, trusted=[own.key.public])
    wire = Wire(address, host=host, name=f"tailrun server {host}", signing=signing)
    stack.push_async_callback(cancel_and_wait, ground.tasks.start(wire.run(), "NATS"))
    stack.push_async_callback(wire.flush)
    lease = Lease(settings.lease.seconds)
    attending = Attending(WorkerRepository(database), lease, ground.tasks, version=VERSION)
    hands = Hands(
        runs=stored.runs,
        outputs=stored.outputs,
        claims=ClaimRepository(database),
        ledger_of=lambda host: SqlLedger.of(host, database),
        max_bytes=lambda: wire.max_payload,
    )
    attending.on_given_up = partial(_tell_of_given_up, hands)
    removed = Removed(EnrolmentRepository(database).removed)
    handlers = removed.guarding({**attending.handlers, **hands.handlers})
    await stack.enter_async_context(serve_workers(wire, handlers))
    attendance = None
    if core is not None:
        running = core.running
        answers = Answers(
            core.active, running.control, running.finisher.end_of, lambda: wire.max_payload
        )
        attendance = there = _attend(settings.runs, ground, core, attending)
        await stack.enter_async_context(
            serve_servers(wire, host, answers.handlers, may_answer=lambda: there.may_answer)
        )
    ringing = Ringing(wire)
    ground.tasks.start(ringing.run(), "bells")
    terms = _terms(settings, own.key)
    return Meeting(wire, Workers(wire), ringing, hands, attendance, terms, removed)


def _tell_of_given_up(hands: Hands, runs: Sequence[UUID]) -> None:
    """Tell who listens of runs that were given up, and have done what follows their ends."""
    for run_id in runs:
        hands.on_changed(run_id)
    hands.on_ended()


async def let_in(settings: Settings, ground: Ground, own: Database) -> None:
    """Have the server's own host known to the others, before anything is done with its runs.

    Where another process of the host has the lease, wait until that is over.
    """
    assert ground.lives is not None, "a host that others know has a life"
    lease = Lease(settings.lease.seconds)
    attending = Attending(WorkerRepository(own), lease, ground.tasks, version=VERSION)
    host = OwnHost(ground.state.host, attending)
    hello = Hello(**facts_of(settings.runs))
    await until_let_in(host, hello, ground.lives, despite=OtherLifeError)


def _attend(settings: RunSettings, ground: Ground, core: Core, attending: Attending) -> Attendance:
    """Have the server's own host known to the others, as workers are."""
    control = core.running.control
    assert ground.lives is not None, "a host that others know has a life"

    async def stop(wanted: StopWanted) -> None:
        await control.stop(wanted.run_id, signal=wanted.signal, grace_seconds=wanted.grace_seconds)

    leasing = Leasing(core.keeper)
    attendance = Attendance(
        OwnHost(ground.state.host, attending),
        Hello(**facts_of(settings)),
        core.active,
        stop=stop,
        changed=lambda _: None,
        leased=leasing.note,
        back=core.running.housekeeping.catch_up,
        life=ground.lives,
    )
    core.active.may_start = lambda: attendance.may_start
    ground.tasks.start(ground.lives.run(), "life")
    ground.tasks.start(leasing.run(), "lease")
    ground.tasks.start(attendance.attend(), "beats of this host")
    return attendance


async def _check_keys(
    ground: Ground, repository: FleetKeyRepository, own: OwnKey, address: Address
) -> None:
    """Check the fleet's key, and note by which one NATS is to know this server; now, or later."""

    async def check() -> None:
        await own.check(repository)
        if address.key is not None:
            await repository.note_server(ground.state.host, address.key.public)

    def pause_after(error: Exception) -> float:
        if not isinstance(error, DatabaseUnavailableError):
            raise error
        return RETRY_SECONDS

    try:
        await check()
    except DatabaseUnavailableError:
        ground.tasks.start(retry(check, pause_after), "keys")


def _terms(settings: Settings, key: FleetKey) -> Terms:
    """Return what workers are told when they are enrolled."""
    ca_file = settings.nats.ca_file
    authorities = None if ca_file is None else ca_file.read_text(encoding="utf-8")
    return Terms(nats_url=settings.nats.url, nats_ca=authorities, verify_keys=(key.public,))


def with_others(
    meeting: Meeting, own: Hosts, ground: Ground, stored: Stored, chunks: Chunks
) -> Hosts:
    """Have runs of other hosts shown, stopped and signalled as those of the server's own."""
    known = WorkerRepository(stored.database)
    host, tasks = ground.state.host, ground.tasks
    return RemoteHosts(host, own, meeting.workers, known, stored.runs, chunks, tasks)


def tell_of_changes(
    meeting: Meeting,
    ground: Ground,
    stored: Stored,
    hosts: Hosts,
    events: Events,
    on_changed: Callable[[], None],
) -> None:
    """Have those who listen here told of runs that change elsewhere, and other servers of ours.

    `on_changed` is called for both.
    """

    async def look(run_id: UUID) -> RunView:
        return hosts.view(await stored.claims.look(run_id))

    async def changed(runs: Collection[UUID]) -> None:
        on_changed()
        await events.look_at(runs, look=look)

    telling = Telling(meeting.wire, ground.state.host, changed)
    meeting.hands.on_changed, events.on_changed = telling.tell_all, telling.tell
    events.on_commands_changed = telling.tell_of_more
    ground.tasks.start(telling.run(), "changes of runs")


def remembered(stored: Stored, ground: Ground) -> Remembered:
    """Return what knows who can have what waits in pools."""
    workers = WorkerService(WorkerRepository(stored.database))
    return Remembered(workers.list, ground.tasks)


def fleet_of(meeting: Meeting, stored: Stored, roll: Remembered) -> Fleet:
    """Return what tells whether workers stand otherwise."""
    workers = WorkerRepository(stored.database)
    told: object = None

    async def fleet() -> tuple[object, object]:
        nonlocal told
        standing, runs = await workers.state_of_all()
        if standing != told:  # before those ask who hear of it
            told = standing
            roll.expire()
        return (standing, meeting.is_met), runs

    return fleet


def sweep(
    meeting: Meeting,
    settings: Settings,
    ground: Ground,
    repository: LossRepository,
    losses: Losses,
) -> None:
    """Have runs given up whose hosts were away for as long as their commands say."""
    sweeping = Sweep(
        repository,
        Lease(settings.lease.seconds),
        stands=lambda: meeting.wire.stands_for,
        on_lost=losses.note,
    )
    ground.tasks.start(sweeping.run(), "hosts that are away")
    ground.metrics.gauge(
        "hosts_away", "Hosts that this server has seen to be away.", lambda: sweeping.away
    )
