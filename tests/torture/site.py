"""The site of a torture: a state directory and the server that a supervisor keeps on it."""

import asyncio
import shutil
import signal
import time
from pathlib import Path

from tests.support.service import Service, environment_without_settings
from tests.torture.oracle import Interval
from tests.torture.server import Server
from tests.torture.tally import Tally

RETRY_SECONDS = 0.1
DEPLOY_SECONDS = 5.0
EX_CONFIG = 78
DATABASE_AWAY = "tailrun: The database"
SERVERS_FAILPOINTS = (
    "run.stored",
    "run.started",
    "archive.read",
    "archive.append",
    "archive.committed",
    "run.ended",
    "turns.look",
    "turns.claiming",
    "turns.claimed",
    "turns.replacing",
    "turns.stopping",
    "schedule.deciding",
    "schedule.decided",
    "schedule.settling",
    "schedule.settled",
    "end.follow",
    "end.followed",
    "notification.claim",
    "notification.claimed",
    "notification.sent",
)

KEEPERS_FAILPOINTS = (
    "keeper.spool_made",
    "keeper.spawned",
    "keeper.process_recorded",
    "keeper.ended",
    "keeper.end_noted",
    "keeper.output_completed",
    "keeper.end_recorded",
)


class Site:
    """One state directory, with directories where scripts note what they do (`starts` and so on).

    `run_as` is whom runs are started as, None for our own user.
    """

    def __init__(
        self, directory: Path, database_url: str, tally: Tally, *, run_as: str | None = None
    ) -> None:
        self.tally = tally
        self.state_dir = directory / "state"
        self.log = directory / "server.log"
        self.starts = directory / "starts"
        self.ends = directory / "ends"
        self.turns = directory / "turns"
        self.chains = directory / "chains"
        self.schedules = directory / "schedules"
        noted = (self.starts, self.ends, self.turns, self.chains, self.schedules)
        for path in noted:
            path.mkdir()
        settings = {
            "port": "0",
            "state_dir": str(self.state_dir),
            "database_url": database_url,
            "working_directory": str(directory),
            "max_concurrent_runs": "20",
            "min_free_bytes": "0",
            "stop_grace_seconds": "1",
            "database_timeout_seconds": "2",
        }
        if run_as is not None:
            settings["run_as"] = run_as
            directory.chmod(0o755)
            for path in noted:
                shutil.chown(path, run_as)
        own = {f"TAILRUN_{name.upper()}": value for name, value in settings.items()}
        self.environment = environment_without_settings() | own
        self.server: Server | None = None
        self.away = [Interval(time.time(), float("inf"))]
        self._serving = asyncio.Event()

    async def address(self) -> str:
        """Wait until a server serves, and return its address."""
        while self.server is None or self.server.address is None:
            await self._serving.wait()
        return self.server.address

    def attended(self, start: float, end: float) -> bool:
        """Whether a server served all the time from `start` to `end`, and was not frozen."""
        return not any(one.overlaps(start, end) for one in self.away)

    async def spawn(self, failpoints: str = "") -> Server:
        """Start a server, and do not wait for it."""
        return await Server.spawn(self.environment, self.log, failpoints)

    async def start(self, failpoints: str = "") -> Server:
        """Start a server that serves, again and again as a supervisor does."""
        while True:
            server = await self.spawn(failpoints)
            if await server.serves():
                self.serve(server)
                return server
            self.judge_end(server)
            failpoints = ""
            await asyncio.sleep(RETRY_SECONDS)

    def serve(self, server: Server) -> None:
        """Take a server for the one that serves."""
        self.server = server
        self.away[-1] = Interval(self.away[-1].start, time.time())
        self._serving.set()

    def leave(self) -> None:
        """Tell that nobody serves from now on: the server is to be killed, or frozen."""
        if self.server is not None:
            self.server = None
            self.away.append(Interval(time.time(), float("inf")))
            self._serving.clear()

    async def restart(self) -> None:
        """Have a fresh server take up all that others have left."""
        await self.end_server()
        await self.start()

    async def end_server(self) -> None:
        """End the server in order, if there is one."""
        server = self.server
        self.leave()
        if server is not None:
            server.signal(signal.SIGTERM)
            status = await server.ended(DEPLOY_SECONDS)
            if status != 0 and not (server.failpoints and status == -signal.SIGKILL):
                self.tally.violation(f"SIGTERM: exit status {status} after {DEPLOY_SECONDS} s")
                await server.kill()

    async def end(self) -> None:
        """Leave no process of the site."""
        if self.server is not None:
            await self.server.kill()
        await Service(self.state_dir, None).end_keeper()

    def judge_end(self, server: Server) -> None:
        """Say so when a server ended that had no reason to."""
        last = self.log.read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
        away = server.exit_status == EX_CONFIG and last.startswith(DATABASE_AWAY)
        if away:
            self.tally.count("starts refused while the database was away")
        elif server.failpoints and server.exit_status == -9:
            self.tally.count("kills of the server")
            self.tally.count("kills of the server: at a failpoint")
        elif not server.doomed:
            self.tally.violation(f"the server ended by itself ({server.exit_status}): {last}")
