"""The role of a worker: runs what servers have stored; it has neither a database nor HTTP."""

import logging
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

from server.core import Core, Ground, begin, open_core, open_ground
from server.errors import DatabaseUnavailableError
from server.lives import Lives
from server.models import Run
from server.process import entry
from server.resources import VERSION
from server.services.ledger.wire import WireLedger
from server.services.running.claiming import Claiming
from server.services.running.leasing import Leasing
from server.services.running.users import check_users, tell_of_root
from server.services.tasks import Tasks, cancel_and_wait, retry
from server.services.worker.answers import Answers
from server.services.worker.attendance import Attendance, until_let_in
from server.services.worker.hearing import Hearing, look_seconds
from server.settings.groups import RunSettings, Settings
from server.settings.values import LOOPBACK_HOSTS
from server.state import identity_in
from server.wire.address import Address
from server.wire.asking import Servers
from server.wire.connection import Wire
from server.wire.enrolment import Enrolment
from server.wire.messages import Hello, Standing, StopWanted
from server.wire.serving import serve_servers
from server.wire.signing import Signing

CHUNK_BYTES = 512 * 1024
"""Of output that is archived at a time: one that does not compress fits into a message."""

APART_SECONDS = 0.02
"""Between two messages of what is to be archived: runs that end meanwhile share one."""

RETRY_SECONDS = 1.0
"""Between two attempts to recover the runs."""

logger = logging.getLogger(__name__)


def work(arguments: Sequence[str] | None = None) -> int:
    """Work until a signal ends it, or it cannot go on; return the exit code.

    `enroll` as the first argument does that instead.
    """
    given = [*(sys.argv[1:] if arguments is None else arguments)]
    if given[:1] == ["enroll"]:
        from server.enrol import enrol  # noqa: PLC0415  a worker speaks no HTTP

        return enrol(given[1:])
    return entry.run(given, _working)


@asynccontextmanager
async def _working(
    settings: Settings, environment: Mapping[str, str]
) -> AsyncIterator[entry.Started]:
    enrolment = Enrolment.read(settings.state_dir)
    address = Address.of(settings.nats, enrolment)
    check_users(
        settings.privileges,
        embedded=False,
        on_loopback=all(urlsplit(url).hostname in LOOPBACK_HOSTS for url in address.urls),
        upgraded=identity_in(settings.state_dir) is not None,
    )
    _tell_of_pools(settings.runs)
    async with AsyncExitStack() as stack:
        tasks = await open_worker(stack, settings, environment, enrolment, address)
        tell_of_root(settings.privileges)
        yield entry.Started(
            f"Tailrun {VERSION} works for the servers at {', '.join(address.urls)}"
            f" as {enrolment.name} (state: {settings.state_dir})\n",
            tasks.failed,
        )


def _tell_of_pools(settings: RunSettings) -> None:
    """Log that what an older version took from settings is what its enrolment gave it now."""
    if settings.worker_pools or settings.worker_labels:
        logger.warning(
            "TAILRUN_WORKER_POOLS and _LABELS are a server's: of which pools a worker is, its"
            " servers say; change it there (`PATCH workers/{id}`)"
        )


async def open_worker(
    stack: AsyncExitStack,
    settings: Settings,
    environment: Mapping[str, str],
    enrolment: Enrolment,
    address: Address,
) -> Tasks:
    """Build and start a worker, once servers answer; when the stack is closed, its runs go on.

    Raises:
        StartupError: something that it needs cannot be had.
    """
    ground = open_ground(stack, settings)
    name = enrolment.name
    wire = Wire(
        address.keyed(ground.state.path),
        host=ground.state.host,
        name=name,
        signing=Signing(trusted=enrolment.verify_keys),
    )
    stack.push_async_callback(cancel_and_wait, ground.tasks.start(wire.run(), "NATS"))
    stack.push_async_callback(wire.flush)
    servers = Servers(wire, ground.state.host)
    lives, hello = Lives.begin(ground.state.path, ground.state.lock), _hello(name, settings.runs)
    if lives.may_be_copy:  # its keeper is another's then, and what the spools name as processes
        await until_let_in(servers, hello, lives)
    ledger = WireLedger(wire, servers, lives.id)
    core = await open_core(
        stack,
        settings,
        environment,
        ground,
        ledger,
        chunk_bytes=CHUNK_BYTES,
        apart_seconds=APART_SECONDS,
        has_lease=True,
    )
    running = core.running
    answers = Answers(
        core.active, running.control, running.finisher.end_of, lambda: wire.max_payload
    )
    worker = _Worker(wire, servers, ledger, core, hello, lives)
    await stack.enter_async_context(
        serve_servers(
            wire, ground.state.host, answers.handlers, may_answer=lambda: worker.may_answer
        )
    )
    await worker.recover(ground)
    begin(stack, ground, core)
    worker.start(ground.tasks)
    if settings.runs.on_shutdown == "stop":
        grace_seconds = settings.runs.stop_grace_seconds
        stack.push_async_callback(running.control.stop_all, grace_seconds)
    return ground.tasks


def _hello(name: str, settings: RunSettings) -> Hello:
    return Hello(
        name=name,
        version=VERSION,
        places=settings.max_concurrent_runs,
    )


class _Worker:
    """What a worker does by itself: it is there, recovers its runs, and claims further ones."""

    def __init__(
        self,
        wire: Wire,
        servers: Servers,
        ledger: WireLedger,
        core: Core,
        hello: Hello,
        lives: Lives,
    ) -> None:
        self._lives = lives
        self._ledger = ledger
        self._running = core.running
        self._claiming = Claiming(
            self._claim,
            ledger=ledger,
            active=core.active,
            runner=core.running.runner,
            look_seconds=look_seconds,
        )
        self._hearing = Hearing(wire, core.active, self._claiming.ring)
        core.active.on_gone = self._note_gone
        self._leasing = Leasing(core.keeper)
        self._attendance = Attendance(
            servers,
            hello,
            core.active,
            stop=self._stop,
            changed=self._take,
            leased=self._leasing.note,
            back=core.running.housekeeping.catch_up,
            life=lives,
        )
        core.active.may_start = lambda: self._attendance.may_start

    @property
    def may_answer(self) -> bool:
        """Whether servers that ask this host are to hear of this process."""
        return self._attendance.may_answer

    async def recover(self, ground: Ground) -> None:
        """Be there, then go on with the runs that were left, as soon as servers answer."""
        ground.tasks.start(self._leasing.run(), "lease")
        ground.tasks.start(self._lives.run(), "life")
        if not await self._attendance.hello():
            self._running.recovery.show()  # servers may ask for them before they have a database
            await self._attendance.begin()
        # From here on its lease lasts: else what is recovered would be given up meanwhile.
        ground.tasks.start(self._attendance.run(), "beats")
        await retry(partial(self._running.recovery.recover, self._ledger), _pause_after)

    def start(self, tasks: Tasks) -> None:
        """Claim runs, and hear of them."""
        tasks.start(self._claiming.run(), "claims")
        tasks.start(self._hearing.run(), "bells")

    async def _claim(self, places: int) -> Sequence[Run]:
        return await self._ledger.claim(places) if self._attendance.may_claim else ()

    async def _stop(self, wanted: StopWanted) -> None:
        await self._running.control.stop(
            wanted.run_id, signal=wanted.signal, grace_seconds=wanted.grace_seconds
        )

    def _take(self, standing: Standing) -> None:
        self._hearing.listen_to(standing.pools)
        self._claiming.ring()  # it may have been drained until now, or be of another pool

    def _note_gone(self) -> None:
        self._claiming.note_gone()
        self._hearing.note_gone()


def _pause_after(error: Exception) -> float:
    if not isinstance(error, DatabaseUnavailableError | OSError):
        raise error
    return RETRY_SECONDS
