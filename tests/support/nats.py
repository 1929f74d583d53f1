"""A real nats-server on a free port of the loopback interface."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from server.services.fleet.engine_users import of_server, of_worker
from server.wire.keys import UserKey
from tests.support.certificates import Pair
from tests.support.proxies import PLACES, free_port
from tests.support.waiting import patience, until


class Host(NamedTuple):
    """A host that the engine knows by its key, whose seed is in a file."""

    name: str
    seed_file: Path
    key: UserKey


def new_host(directory: Path, name: str) -> Host:
    """Return the key of a host, which is made if it has none."""
    seed_file = directory / f"{name}.seed"
    return Host(name, seed_file, UserKey.make(seed_file))


SERVER_MAY = of_server()
"""What the engine lets servers do."""


def worker_may(host: str, pools: Iterable[str]) -> str:
    """Return what the engine lets a worker do: speak for itself, and hear its pools' bells."""
    return of_worker(host, pools)


class Nats:
    """The engine; it can be killed and started again at the same address.

    With a certificate it asks for TLS. With `keys` it lets in those alone; of each it is said on
    which subjects it may publish and which it may listen to, as the engine's configuration has it.
    With `users` that is a file which `tailrun nats-config` writes.
    """

    def __init__(
        self,
        directory: Path,
        *,
        pair: Pair | None = None,
        keys: Mapping[str, str] | None = None,
        users: Path | None = None,
        max_payload: int | None = None,
    ) -> None:
        self.pid_file = directory / "nats.pid"
        self.port = free_port()
        self.url = f"{'nats' if pair is None else 'tls'}://localhost:{self.port}"
        self._file = directory / "nats.conf"
        self._log = directory / "nats.log"
        self._process: asyncio.subprocess.Process | None = None
        lines = ['host: "127.0.0.1"', f"port: {self.port}", f'pid_file: "{self.pid_file}"']
        if users is not None:
            lines.append(f'include "{users.name}"')
        if pair is not None:
            lines.append(f'tls {{ cert_file: "{pair.certificate}", key_file: "{pair.key}" }}')
        if max_payload is not None:
            lines.append(f"max_payload: {max_payload}")
        if keys is not None:
            known = [f"{{ nkey: {key}, {may} }}" for key, may in keys.items()]
            lines.append(f"authorization {{ users: [ {', '.join(known)} ] }}")
        self._file.write_text("\n".join(lines) + "\n")

    def configure(self, configuration: str, port: int, changes: Mapping[str, str]) -> None:
        """Have it started with a configuration instead, in which some things are changed."""
        self.url = self.url.replace(f":{self.port}", f":{port}")
        self.port = port
        for old, new in changes.items():
            assert old in configuration
            configuration = configuration.replace(old, new)
        self._file.write_text(configuration)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        program = shutil.which("nats-server", path=PLACES)
        assert program is not None, "This test needs nats-server (apt-get install nats-server)."
        arguments: Sequence[str] = (program, "-c", str(self._file))
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *arguments, stdout=log, stderr=log, env={}
            )
        async with patience():
            while b"Server is ready" not in self._log.read_bytes():
                assert self._process.returncode is None, self._log.read_text()
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        """End it as a machine ends whose power fails."""
        if self._process is not None:
            process, self._process = self._process, None
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()

    async def freeze(self) -> None:
        """Have it do nothing, and keep its connections."""
        os.kill(self.pid, signal.SIGSTOP)
        tasks = Path(f"/proc/{self.pid}/task")
        # A thread that is at work stops a moment later, and may answer until then.
        await until(lambda: all(") T " in one.read_text() for one in tasks.glob("*/stat")))

    def reload(self) -> None:
        """Have it read its configuration anew."""
        os.kill(self.pid, signal.SIGHUP)

    def thaw(self) -> None:
        """Have it go on."""
        os.kill(self.pid, signal.SIGCONT)


@asynccontextmanager
async def engine(
    directory: Path,
    *,
    pair: Pair | None = None,
    keys: Mapping[str, str] | None = None,
    users: Path | None = None,
    max_payload: int | None = None,
) -> AsyncIterator[Nats]:
    """Run an engine."""
    nats = Nats(directory, pair=pair, keys=keys, users=users, max_payload=max_payload)
    await nats.start()
    try:
        yield nats
    finally:
        await nats.kill()
