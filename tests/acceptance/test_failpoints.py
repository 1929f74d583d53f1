"""A process killed where random kills hardly hit: at each failpoint, then started without it.

Whichever it was, the run has started once and its output is exact; its end is the true one, or
`lost` where the keeper died before it could record it.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.keeper import processes
from server.keeper.failpoints import VARIABLE
from tests.support.client import Client, Start
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("unmeasured")

OUTPUT = b"".join(b"%d\n" % number for number in range(1, 2001))
AT_THE_END = {
    "keeper.ended",
    "keeper.end_noted",
    "keeper.output_completed",
    "keeper.end_recorded",
}


def gone(pid: int) -> bool:
    process = processes.read(pid)
    return process is None or process.ended


class Case:
    """One run of a script that notes each of its starts, on a service with a failpoint.

    Half of its output comes, and then its end, when it is let go on.
    """

    def __init__(
        self, start: Start, directory: Path, monkeypatch: pytest.MonkeyPatch, point: str
    ) -> None:
        self._start = start
        self._monkeypatch = monkeypatch
        self._point = point
        self._notes, self._gate = directory / "notes", directory / "gate"
        waiting = f"while ! [ -e {self._gate} ]; do sleep 0.05; done; sleep 0.2"
        self._script = f"echo $$ >>{self._notes}; seq 1000; {waiting}; seq 1001 2000; exit 7"

    @property
    def starts(self) -> list[int]:
        """The pids of the script, one for each of its starts."""
        return [int(pid) for pid in self._notes.read_text().split()] if self._notes.exists() else []

    async def begin(self) -> Client:
        """Start the service with the point armed."""
        self._monkeypatch.setenv(VARIABLE, self._point)
        return await self._start(flush_seconds="0.02")

    async def run(self, client: Client, killed: int, *, whole: bool) -> None:
        """Start the run, `whole` or its first half, and wait for the death of that process.

        The answer may be lost with the server.
        """
        if whole:
            self._gate.touch()
        with suppress(aiohttp.ClientConnectionError):
            await client.create(self._script)
        await until(lambda: gone(killed))

    async def end(self, client: Client) -> dict[str, Any]:
        """Start the server anew, without the point, and return the run when it has ended."""
        await client.service.kill()
        self._monkeypatch.delenv(VARIABLE)
        await client.service.start()
        self._gate.touch()
        [run] = (await client.call("GET", "runs/"))["items"]
        return await client.finished(run["id"])


@pytest.mark.parametrize(
    ("point", "whole"),
    [
        ("run.stored", False),
        ("run.started", False),
        ("archive.read", False),
        ("archive.read", True),
        ("archive.read:2", True),
        ("archive.append", True),
        ("archive.append:2", True),
        ("archive.committed", False),
        ("archive.committed", True),
        ("archive.committed:2", True),
        ("run.ended", True),
    ],
)
async def test_a_run_is_whole_wherever_its_server_is_killed(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, *, whole: bool
) -> None:
    case = Case(start, tmp_path, monkeypatch, point)
    client = await case.begin()
    await case.run(client, client.service.pid, whole=whole)
    run = await case.end(client)
    assert (run["state"], run["exitcode"]) == ("failed", 7)
    assert await client.output(run["id"]) == OUTPUT
    assert len(case.starts) == 1


@pytest.mark.parametrize(
    ("point", "state", "reason", "output", "starts"),
    [
        ("keeper.spool_made", "lost", "while it was starting", b"", 0),
        ("keeper.process_recorded", "lost", "the keeper was killed", OUTPUT, 1),
        ("keeper.ended", "lost", "the keeper was killed", OUTPUT, 1),
        ("keeper.end_noted", "lost", "the keeper was killed", OUTPUT, 1),
        ("keeper.output_completed", "lost", "the keeper was killed", OUTPUT, 1),
        ("keeper.end_recorded", "failed", "", OUTPUT, 1),
    ],
)
async def test_a_run_is_whole_wherever_its_keeper_is_killed(
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
    state: str,
    reason: str,
    output: bytes,
    starts: int,
) -> None:
    case = Case(start, tmp_path, monkeypatch, point)
    client = await case.begin()
    keeper = await client.service.keeper_pid()
    await case.run(client, keeper, whole=point in AT_THE_END)
    run = await case.end(client)
    assert (run["state"], run["exitcode"]) == (state, None if state == "lost" else 7)
    assert reason in (run["reason"] or "")
    assert await client.output(run["id"]) == output
    assert len(case.starts) == starts


async def test_a_process_that_no_keeper_knows_is_ended(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keeper was killed after it had started the process, before it noted which one it is."""
    case = Case(start, tmp_path, monkeypatch, "keeper.spawned")
    client = await case.begin()
    keeper = await client.service.keeper_pid()
    await case.run(client, keeper, whole=False)
    run = await case.end(client)
    assert run["state"] == "lost"
    assert run["reason"] == (
        "its exit status could not be learned: the keeper ended while it was starting the run"
    )
    assert OUTPUT.startswith(await client.output(run["id"]))
    assert len(case.starts) <= 1
    assert run["id"] not in processes.owners().values()
