"""The parts that run commands, whoever keeps their ledger: built in the order of their needs."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.keeper.client import KeeperClient
from server.keeper.spool import Spool
from server.output.watch import Watch
from server.process.descriptors import raise_limit_of
from server.services.archive.archiver import Archiver
from server.services.archive.packing import CHUNK_BYTES
from server.services.faults import Faults
from server.services.ledger.ledger import Ledger
from server.services.metrics import Metrics
from server.services.running.active import ActiveRuns
from server.services.running.assembly import Means, Running
from server.services.running.launch import Launch
from server.services.running.opening import open_keeper
from server.services.running.users import runs_as_others
from server.services.tasks import Tasks, cancel_and_wait
from server.settings.groups import Settings
from server.state import StateDirectory, state_directory

if TYPE_CHECKING:
    from server.lives import Lives


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What everything stands on: the state directory, and who is told of what goes on.

    `lives` is which process of the host this is, where hosts meet.
    """

    state: StateDirectory
    tasks: Tasks
    metrics: Metrics
    faults: Faults
    lives: "Lives | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What runs commands on this host, with or without anybody who asks over HTTP."""

    keeper: KeeperClient
    archiver: Archiver
    active: ActiveRuns
    means: Means
    running: Running


def open_ground(stack: AsyncExitStack, settings: Settings) -> Ground:
    """Take the state directory, for as long as the stack is open."""
    passable = runs_as_others(settings.privileges)
    # The lock comes first: all else belongs to the one process that holds it.
    state = stack.enter_context(state_directory(settings.state_dir, passable=passable))
    tasks, metrics = Tasks(), Metrics()
    stack.push_async_callback(cancel_and_wait, tasks.start(state.watch(), "state directory"))
    return Ground(state=state, tasks=tasks, metrics=metrics, faults=Faults(metrics))


async def open_core(
    stack: AsyncExitStack,
    settings: Settings,
    environment: Mapping[str, str],
    ground: Ground,
    ledger: Ledger,
    *,
    chunk_bytes: int = CHUNK_BYTES,
    runs_here: bool = True,
    apart_seconds: float = 0.0,
    has_lease: bool = False,
) -> Core:
    """Build what runs commands, with their keeper; `begin` has it work.

    `chunk_bytes` is how much output is archived in one piece, `apart_seconds` how long after the
    statement before. Without `runs_here` nothing will run,
    and there is no keeper. `has_lease`: see the Runner.
    """
    keepers = settings.privileges.keeper_directory
    keeper = KeeperClient(keepers or settings.state_dir, launches=keepers is None)
    if runs_here:
        await stack.enter_async_context(_opened(keeper, settings))
    metrics, faults = ground.metrics, ground.faults
    archiver = Archiver(
        ledger,
        settings.archive,
        metrics=metrics,
        faults=faults,
        chunk_bytes=chunk_bytes,
        apart_seconds=apart_seconds,
    )
    watch = Watch()
    stack.callback(watch.close)
    active = ActiveRuns(
        max_concurrent_runs=settings.runs.max_concurrent_runs,
        max_runs_per_command=settings.runs.max_active_runs_per_command,
    )
    means = Means(
        host=ground.state.host,
        launch=Launch.of(settings.runs, settings.output, settings.privileges, environment),
        spool=Spool.of(keepers or settings.state_dir),
        keeper=keeper,
        watch=watch,
        archiver=archiver,
        ledger=ledger,
        active=active,
        tasks=ground.tasks,
        metrics=metrics,
        faults=faults,
        spools_are_read_only=keepers is not None,
        has_lease=has_lease,
    )
    running = Running(means)
    # The tasks of the runs end before what they use, which is all above.
    stack.push_async_callback(ground.tasks.cancel)
    return Core(keeper=keeper, archiver=archiver, active=active, means=means, running=running)


def begin(stack: AsyncExitStack, ground: Ground, core: Core) -> None:
    """Have the runs that were recovered archived, and queued ones started."""
    # At the end, in reverse: the archiver is cancelled, and what is left is archived.
    stack.push_async_callback(_archive_rest, ground, core.archiver)
    archiving = ground.tasks.start(core.archiver.run(), "archiver")
    stack.push_async_callback(cancel_and_wait, archiving)
    core.running.start(ground.tasks)
    ground.tasks.start(ground.metrics.watch_loop(), "event loop lag")


async def _archive_rest(ground: Ground, archiver: Archiver) -> None:
    with suppress(TimeoutError):
        async with ground.tasks.closing():
            await archiver.flush()


def _opened(keeper: KeeperClient, settings: Settings) -> AbstractAsyncContextManager[KeeperClient]:
    """Open the keeper: this host's own, or one that is a service of its own."""
    is_own = settings.privileges.keeper_directory is None
    return open_keeper(
        keeper,
        raise_limit_of if is_own else None,
        bounds_memory=settings.runs.max_run_memory_bytes is not None,
    )
