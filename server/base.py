"""What the services of users have in common, around what runs commands."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from server.core import Core, Ground, begin, open_core, open_ground
from server.database import LetIn, Stored, open_database, recover, wait_for_lease
from server.definition import DEFAULT_POOL
from server.reaching import reach
from server.repositories.access.audit import AuditRepository
from server.repositories.commands import CommandRepository
from server.repositories.requests import RequestRepository
from server.repositories.turns import TurnRepository
from server.services.access.audit import Audit
from server.services.access.journal import Journal
from server.services.archive.chunks import Chunks
from server.services.events.events import Events, Fleet
from server.services.events.labels import Labels
from server.services.hosts.hosts import Hosts
from server.services.hosts.unclaimed import NO_HOST, Unclaimed
from server.services.metrics import Metrics
from server.services.requests import Requests
from server.services.running.live import RunView
from server.services.running.turns import Turns
from server.services.runs import RunService
from server.services.starting.starts import Starts
from server.services.starting.unconfirmed import Unconfirmed
from server.settings.groups import Settings
from server.state import JOURNAL_FILE

if TYPE_CHECKING:
    from server.meeting import Meeting
    from server.services.fleet.roll import Remembered
    from server.wire.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What the services of users have in common. `meeting` is None where there is no other host."""

    ground: Ground
    stored: Stored
    core: Core
    meeting: "Meeting | None"
    hosts: Hosts
    starts: Starts
    commands: CommandRepository
    requests: Requests
    audit: Audit
    events: Events
    chunks: Chunks
    runs: RunService
    roll: "Remembered | None"


async def open_base(
    stack: AsyncExitStack, settings: Settings, environment: Mapping[str, str]
) -> Base:
    """Have commands run, and build what all services of users need of that."""
    address = _address(settings)
    ground, here = open_ground(stack, settings), settings.runs.local_worker
    if here and address is not None:
        ground = _living(ground)
    stored = await open_database(stack, settings, ground)
    let_in = _let_in(settings, ground)
    if let_in is not None and ground.lives is not None and ground.lives.may_be_copy:
        # Its keeper is another's then, and so are the processes that its spools name.
        await wait_for_lease(settings, ground, stored, let_in)
    core = await open_core(
        stack,
        settings,
        environment,
        ground,
        stored.ledger,
        runs_here=here,
        has_lease=address is not None,
    )
    await recover(settings, ground, stored, core, let_in)
    if here:
        begin(stack, ground, core)
    meeting = await _meeting(stack, address, settings, ground, stored, core if here else None)
    audit = Audit(AuditRepository(stored.database), Journal(ground.state.path / JOURNAL_FILE))
    await stack.enter_async_context(audit.running(ground.tasks))
    commands, chunks = CommandRepository(stored.database), Chunks(stored.outputs)
    requests = Requests(RequestRepository(stored.database))
    reached = reach(settings.runs, ground, stored, core, meeting, chunks)
    hosts, unclaimed, roll = reached.hosts, reached.unclaimed, reached.roll
    starts = _starts(ground, stored, core, hosts, unclaimed, runs_here=here)
    fleet = _fleet(stored, meeting, roll)
    events = _events(ground, stored, hosts, commands, fleet)
    _hear_of_changes(meeting, ground, stored, hosts, events, unclaimed)
    unclaimed.on_ended = _told(events, ground.metrics)
    ground.tasks.start(unclaimed.run(), "runs of pools")
    grace = settings.runs.stop_grace_seconds
    runs = RunService(
        hosts,
        starts,
        commands,
        stored.runs,
        chunks,
        requests,
        audit,
        events,
        roll,
        stop_grace_seconds=grace,
    )
    _give_turns(ground, stored, core, runs)
    return Base(
        ground=ground,
        stored=stored,
        core=core,
        meeting=meeting,
        hosts=hosts,
        starts=starts,
        commands=commands,
        requests=requests,
        audit=audit,
        events=events,
        chunks=chunks,
        runs=runs,
        roll=roll,
    )


def _living(ground: Ground) -> Ground:
    """Begin a life of the host here, by which others tell it from a copy of it."""
    from server.lives import Lives  # noqa: PLC0415

    return replace(ground, lives=Lives.begin(ground.state.path, ground.state.lock))


def _let_in(settings: Settings, ground: Ground) -> LetIn | None:
    """Return what has other hosts know that this one is there; None: there are none."""
    if ground.lives is None:
        return None
    from server.meeting import let_in  # noqa: PLC0415

    return partial(let_in, settings, ground)


def _address(settings: Settings) -> "Address | None":
    """Return where other hosts are met, if there are any.

    Raises:
        StartupError: the settings of that cannot be used; nothing is started yet.
    """
    if not settings.nats.url:
        return None
    from server.wire.address import Address  # noqa: PLC0415

    return Address.of(settings.nats)


async def _meeting(
    stack: AsyncExitStack,
    address: "Address | None",
    settings: Settings,
    ground: Ground,
    stored: Stored,
    core: Core | None,
) -> "Meeting | None":
    """Meet the other hosts, where there are some; a host by itself imports nothing of that."""
    if address is None:
        return None
    from server.meeting import open_meeting  # noqa: PLC0415

    return await open_meeting(stack, address, settings, ground, stored, core)


def _starts(
    ground: Ground,
    stored: Stored,
    core: Core,
    hosts: Hosts,
    unclaimed: Unclaimed,
    *,
    runs_here: bool,
) -> Starts:
    """Have runs stored and started, and those ended whose storing was never confirmed."""
    host = ground.state.host
    unconfirmed_of = host if runs_here else NO_HOST
    unconfirmed = Unconfirmed(unconfirmed_of, hosts, unclaimed, stored.runs, ground.faults)
    ground.tasks.start(unconfirmed.run(), "unconfirmed runs")
    pool = None if runs_here else DEFAULT_POOL
    return Starts(host, hosts, stored.runs, core.active.admit, pool)


def _events(
    ground: Ground,
    stored: Stored,
    hosts: Hosts,
    commands: CommandRepository,
    fleet: Fleet | None,
) -> Events:
    """Have changes of runs, commands and workers told to those who listen."""
    elsewhere = partial(stored.runs.changed_elsewhere, ground.state.host)
    events = Events(hosts, Labels(commands.labels), elsewhere, fleet)
    ground.tasks.start(events.run(), "events")
    return events


def _hear_of_changes(
    meeting: "Meeting | None",
    ground: Ground,
    stored: Stored,
    hosts: Hosts,
    events: Events,
    unclaimed: Unclaimed,
) -> None:
    """Have other servers told of changes, and hear of theirs, where there are some."""
    if meeting is not None:
        from server.meeting import tell_of_changes  # noqa: PLC0415

        tell_of_changes(meeting, ground, stored, hosts, events, unclaimed.note_change)


def _told(events: Events, metrics: Metrics) -> Callable[[RunView], None]:
    """Return what tells of runs that have ended without a host."""

    def told(view: RunView) -> None:
        metrics.runs_ended.labels(view.run.state).inc()
        events.run_told(view)

    return told


def _fleet(stored: Stored, meeting: "Meeting | None", roll: "Remembered | None") -> Fleet | None:
    """Return what tells whether workers stand otherwise; None: there are none."""
    if meeting is None or roll is None:
        return None
    from server.meeting import fleet_of  # noqa: PLC0415

    return fleet_of(meeting, stored, roll)


def _give_turns(ground: Ground, stored: Stored, core: Core, runs: RunService) -> None:
    """Have runs that stand aside get their turns."""
    turns = Turns(
        host=ground.state.host,
        active=core.active,
        turns=TurnRepository(stored.database),
        run_tasks=core.running.run_tasks,
        finisher=core.running.finisher,
        faults=ground.faults,
    )
    turns.stop = runs.stop_replaced
    ground.tasks.start(turns.run(), "turns")
