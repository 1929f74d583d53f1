"""From one machine to four, as docs/hosts.md has it: each command as it is pasted, one by one.

The machines are directories here, and what systemd starts there the test starts.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from server.repositories.embedded.server import EmbeddedDatabase
from tests.support.client import Client
from tests.support.nats import Nats
from tests.support.programs import PATH
from tests.support.service import ROOT, Service
from tests.support.terminal import Terminal, blocks, terminal
from tests.support.waiting import until_true
from tests.support.worker import Worker

pytestmark = pytest.mark.timeout(300)

BY_SYSTEMD = re.compile(r" && systemctl (.+)\n")
STUBS = {"runuser": 'shift 3; exec "$@"', "chown": "exit 0"}
"""There is one user here."""


class Machines:
    """The server's machine and three others, each a directory below one."""

    def __init__(self, directory: Path, opened: Terminal) -> None:
        self.directory, self._terminal = directory, opened
        self.nats = Nats(directory / "etc")
        self.server = Service(directory / "server", None)
        self.workers = [Worker(directory / f"worker{number}", None) for number in (1, 2, 3)]

    async def say(self, block: str, **changes: str) -> str:
        """Paste a block, and do what systemctl does; return what is seen."""
        there = {
            "tls://runs.example.org": self.nats.url.replace("nats:", "tls:"),
            "https://runs.example.org": self.server.address,
            "runs.example.org": "localhost",
            "4222": str(self.nats.port),
            "/etc/": f"{self.directory}/etc/",
            "/opt/tailrun/bin/tailrun": f"{sys.executable} -m server",
        }
        for old, new in (there | changes).items():
            block = block.replace(old, new)
        act = BY_SYSTEMD.search(block)
        seen = await self._terminal.paste(BY_SYSTEMD.sub("\n", block))
        assert seen.endswith("<0$ "), seen
        if act is not None:
            await self._systemctl(act[1])
        return seen

    async def _systemctl(self, act: str) -> None:
        etc = self.directory / "etc"
        match act:
            case "restart tailrun":
                await self.server.terminate()
                lines = (etc / "tailrun" / "environment").read_text().splitlines()
                told = dict(line.split("=", 1) for line in lines)
                self.server.set(
                    **{name.removeprefix("TAILRUN_").lower(): value for name, value in told.items()}
                )
                await self.server.start()
            case "restart nats-server":
                self.nats.configure((etc / "nats-server.conf").read_text(), self.nats.port, {})
                await self.nats.start()
            case "reload nats-server":
                self.nats.reload()
            case _:
                raise AssertionError(act)


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[Machines]:
    programs = tmp_path / "bin"
    for directory in (programs, tmp_path / "etc" / "tailrun", tmp_path / "etc/systemd/system"):
        directory.mkdir(parents=True)
    for name, script in STUBS.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    settings = {"TAILRUN_STATE_DIR": str(tmp_path / "server"), "PATH": f"{programs}:{PATH}"}
    async with AsyncExitStack() as stack, terminal(ROOT, **settings) as opened:
        machines = Machines(tmp_path, opened)
        stack.push_async_callback(EmbeddedDatabase(tmp_path / "server" / "database").stop)
        stack.push_async_callback(machines.nats.kill)
        for one in (machines.server, *machines.workers):
            stack.push_async_callback(one.end_keeper)
            stack.push_async_callback(one.kill)
        await machines.server.start()
        yield machines


async def test_an_operator_goes_from_one_machine_to_four(machines: Machines) -> None:
    install, *server, set_up, enrol, start, known = blocks(ROOT / "docs/hosts.md")[:10]
    assert install == "apt-get install nats-server\n"
    assert set_up.startswith("python3 -m venv /opt/tailrun")
    for block in server[:-1]:
        await machines.say(block)
    told = await machines.say(f"export TAILRUN_URL={machines.server.address}\n{server[-1]}")
    tokens = re.findall(r"echo (\S+) \| tailrun worker enroll \S+ --token -", told)
    assert len(tokens) == 3
    for worker, token in zip(machines.workers, tokens, strict=True):
        name = worker.state_dir.name
        await machines.say(
            enrol,
            TOKEN=token,
            **{"/var/lib/tailrun-worker": f"{worker.state_dir} --name {name}"},
        )
    assert "systemctl enable --now tailrun-worker" in start
    starting = [asyncio.create_task(worker.start()) for worker in machines.workers]
    await machines.say(known)
    await asyncio.gather(*starting)
    async with aiohttp.ClientSession() as session:
        client = Client(session, machines.server)

        async def all_work() -> bool:
            found = (await client.call("GET", "workers/"))["items"]
            states = {one["name"]: one["state"] for one in found if one["role"] == "worker"}
            return states == {f"worker{number}": "active" for number in (1, 2, 3)}

        await until_true(all_work)
        made = await client.create("echo there", pool="build")
        run = await client.finished(made["run"]["id"])
        assert run["host_name"] in {"worker1", "worker2", "worker3"}
        assert await client.output(run["id"]) == b"there\n"
